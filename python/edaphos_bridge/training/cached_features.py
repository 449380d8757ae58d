"""Features of all patches from a frozen encoder, which runs once over the data."""

from __future__ import annotations

import torch
from torch import nn

from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import batch_size_for, check_weights, encode_batches
from edaphos_bridge.encoders.known_modules import only_reads
from edaphos_bridge.errors import InputError


def cached_features(
    encoder: nn.Module, patches: Patches, device: torch.device, feature_dim: int
) -> torch.Tensor:
    """Return the features ``(N, feature_dim)`` on `device`; patches are read batch by batch.

    Raises
    ------
    InputError
        If a patch holds missing values, or has features that are not finite.
    """
    size = batch_size_for(patches.shape, device.type, encoder)
    batches = patches.batches(size, borrow=only_reads(encoder))
    features = encode_batches(encoder, batches, device, feature_dim)
    bad = torch.nonzero(~torch.isfinite(features).all(dim=1)).flatten().tolist()
    if bad:
        check_weights(encoder, "encoder")
        found = f"{len(bad)} of {len(patches)} patches"
        raise InputError("encoder", f"returns NaN or infinite features for {found}", rows=bad)
    return features

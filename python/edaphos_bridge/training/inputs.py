"""What the rows of a fit are to what trains: features, computed once, or patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import (
    batch_size_for,
    check_weights,
    encode,
    find_feature_dim,
    over_batches,
)
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.foundation import is_ours
from edaphos_bridge.encoders.known_modules import draws_of, only_reads
from edaphos_bridge.errors import InputError, warn

_EVAL_ROWS = 4096  # rows of cached features at once in validation


@dataclass(frozen=True)
class Inputs:
    """The rows of a fit, on the device where it trains.

    Attributes
    ----------
    feature_dim : int
        Width D of the encoder's features.
    read : callable
        ``read(rows)`` gives those rows: of the features, or of the patches.
    eval_batch_size : int
        Rows at once in validation.
    features : torch.Tensor or None, shape (N, D)
        The features, where they are computed once.
    """

    feature_dim: int
    read: Callable[[torch.Tensor], torch.Tensor]
    eval_batch_size: int
    features: torch.Tensor | None = None


def inputs_of(
    encoder: nn.Module,
    patches: Patches,
    device: torch.device,
    *,
    cached: bool,
    reads: str = "features",
) -> Inputs:
    """Return what trains on `encoder`, which is on `device`, under a head that `reads`.

    With `cached` it runs once over the patches, and must not train. Patches that are in memory are
    laid out once for an encoder that trains; others are read when a step asks for them.

    Raises
    ------
    InputError
        If a patch holds missing values or the encoder does not give finite features.
    """
    with draws_of(encoder, Randomness(0, device)):  # a lazy module draws its weights here
        feature_dim = find_feature_dim(encoder, patches.read(0, 1).to(device), reads)
        if cached:
            features = cached_features(encoder, patches, device, feature_dim, reads)
            return Inputs(feature_dim, lambda rows: features[rows], _EVAL_ROWS, features)
        _warn_if_nothing_trains(encoder)
        size = batch_size_for(patches.shape, device.type, encoder)
        return Inputs(feature_dim, _patches_of(encoder, patches, device), size)


def cached_features(
    encoder: nn.Module,
    patches: Patches,
    device: torch.device,
    feature_dim: int,
    reads: str = "features",
) -> torch.Tensor:
    """Return the features ``(N, feature_dim)`` on `device`; patches are read batch by batch.

    Pooled maps are of twice that width.

    Raises
    ------
    InputError
        If a patch holds missing values, or has features that are not finite.
    """
    size = batch_size_for(patches.shape, device.type, encoder)
    fast = folded(encoder.eval())
    width = feature_dim if reads == "features" else 2 * feature_dim
    features = torch.empty((len(patches), width), device=device)
    batches = patches.numbered_batches(size, borrow=only_reads(encoder))
    over_batches(lambda batch: encode(fast, batch, reads), batches, features, device)
    bad = torch.nonzero(~torch.isfinite(features).all(dim=1)).flatten().tolist()
    if bad:
        check_weights(encoder, "encoder")
        found = f"{len(bad)} of {len(patches)} patches"
        raise InputError("encoder", f"returns NaN or infinite features for {found}", rows=bad)
    return features


def _patches_of(
    encoder: nn.Module, patches: Patches, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what reads rows of the patches, in the layout that suits the encoder."""
    # Faster for the encoders of ours; a module of the user's own may need the usual layout.
    layout = torch.contiguous_format
    if is_ours(encoder):
        layout = torch.channels_last
        encoder.to(memory_format=layout)  # type: ignore[call-overload]
    if patches.in_memory:
        return _rows_in_layout(patches, layout, device)
    patches.check()

    def read(rows: torch.Tensor) -> torch.Tensor:
        batch = patches.rows(rows.cpu()).to(device)
        return batch.contiguous(memory_format=layout)

    return read


def _rows_in_layout(
    patches: Patches, layout: torch.memory_format, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Copy all patches into one tensor on `device`, and return what takes rows of it."""
    x = torch.empty(patches.shape, memory_format=layout, device=device)
    size = batch_size_for(patches.shape)
    for rows, batch in patches.numbered_batches(size, borrow=True):
        x[rows] = batch
    if layout != torch.channels_last:
        return lambda rows: x.index_select(0, rows)
    in_memory_order = x.movedim(1, -1)  # a patch is one piece of memory, fast to copy
    return lambda rows: in_memory_order.index_select(0, rows).movedim(-1, 1)


def _warn_if_nothing_trains(encoder: nn.Module) -> None:
    parameters = list(encoder.parameters())
    has_weights = parameters or isinstance(encoder, torch.jit.ScriptModule)
    if has_weights and not any(parameter.requires_grad for parameter in parameters):
        warn(
            "no parameter of the encoder requires a gradient, so only the head is trained; "
            "set requires_grad on those to fine-tune."
        )

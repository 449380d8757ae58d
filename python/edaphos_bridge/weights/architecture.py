"""From a state dict to the encoder it belongs to: architecture and widths from names and shapes."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from edaphos_bridge.encoders.contrastive import ContrastiveEncoder
from edaphos_bridge.encoders.foundation import rebuild_encoder
from edaphos_bridge.errors import WeightsError

# Where each width shows: tensor and dimension.
_WIDTHS = {
    "moco": {
        "in_channels": ("backbone.conv1.weight", 1),
        "feature_dim": ("backbone.conv5.weight", 0),
        "proj_dim": ("proj.fc2.weight", 0),
    },
    "simclr": {
        "in_channels": ("conv1.weight", 1),
        "feature_dim": ("conv2.weight", 0),
        "proj_dim": ("proj.2.weight", 0),
    },
}


def encoder_from_state(state: Mapping[str, torch.Tensor]) -> ContrastiveEncoder:
    """Return the encoder with the weights in a state dict that has the names of edaphos.

    A counter ``num_batches_tracked`` may have R torch's shape ``[1]``. Raises `WeightsError` if
    names, shapes or types are those of neither encoder.
    """
    fitting = [
        architecture
        for architecture, places in _WIDTHS.items()
        if all(name in state for name, _ in places.values())
    ]
    if not fitting:
        some = ", ".join(repr(name[:60]) for name in list(state)[:5]) or "none"
        raise WeightsError(
            f"The {len(state)} tensors of this file are those of neither a MoCo nor a SimCLR "
            f"encoder (names: {some}{', ...' if len(state) > 5 else ''})."
        )
    description: dict[str, object] = {"architecture": fitting[0]}
    for width, (name, dimension) in _WIDTHS[fitting[0]].items():
        shape = state[name].shape
        if len(shape) <= dimension or 0 in shape:
            raise WeightsError(f"The tensor {name!r} has the impossible shape {list(shape)}.")
        description[width] = shape[dimension]
    module = rebuild_encoder(description, _with_scalar_counters(state), given=None)
    assert isinstance(module, ContrastiveEncoder)
    return module


def _with_scalar_counters(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: tensor.reshape(())
        if name.endswith("num_batches_tracked") and tensor.shape == (1,)
        else tensor
        for name, tensor in state.items()
    }

"""Encoders of edaphos as bytes of a safetensors file."""

from __future__ import annotations

from torch import nn

from edaphos_bridge.encoders.foundation import describe_encoder, rebuild_encoder
from edaphos_bridge.weights.container import pack, require_finite, unpack
from edaphos_bridge.weights.schema import check_encoder, damaged_description


def encoder_to_bytes(module: nn.Module) -> bytes:
    """Return the file content that `encoder_from_bytes` reads."""
    state = module.state_dict()
    require_finite("encoder", state)
    return pack("encoder", state, {"encoder": describe_encoder(module)})


def encoder_from_bytes(data: bytes) -> nn.Module:
    """Return the encoder in `data`, or raise `WeightsError`."""
    tensors, metadata = unpack("encoder", data)
    description = check_encoder(metadata.get("encoder"))
    require_finite("encoder", tensors)
    with damaged_description():
        return rebuild_encoder(description, tensors, given=None)

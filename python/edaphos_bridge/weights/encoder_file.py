"""Encoders of edaphos as bytes of a safetensors file."""

from __future__ import annotations

from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.encoders.foundation import describe_encoder, encoder_state, rebuild_encoder
from edaphos_bridge.files.container import pack, require_finite, unpack
from edaphos_bridge.files.schema import check_encoder, damaged_description


@plain
def encoder_to_bytes(module: nn.Module) -> bytes:
    """Return the file content that `encoder_from_bytes` reads."""
    state = encoder_state(module)
    require_finite("encoder", state)
    return pack("encoder", state, {"encoder": describe_encoder(module)})


@plain
def encoder_from_bytes(data: bytes) -> nn.Module:
    """Return the encoder in `data`, or raise `WeightsError`."""
    tensors, metadata = unpack("encoder", data)
    description = check_encoder(metadata.get("encoder"))
    require_finite("encoder", tensors)
    with damaged_description():
        return rebuild_encoder(description, tensors, given=None)

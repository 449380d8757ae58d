"""Encoders of edaphos as bytes of a safetensors file."""

from __future__ import annotations

from torch import nn

from edaphos_bridge.ambient import plain
from edaphos_bridge.encoders.foundation import describe_encoder, rebuild_encoder, state_for_file
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.container import pack, unpack


@plain
def encoder_to_bytes(module: nn.Module) -> bytes:
    """Return the file content that `encoder_from_bytes` reads."""
    return pack("encoder", state_for_file(module, "encoder"), {"encoder": describe_encoder(module)})


@plain
def encoder_from_bytes(data: bytes) -> nn.Module:
    """Return the encoder in `data`, or raise `WeightsError`."""
    tensors, metadata = unpack("encoder", data)
    try:
        return rebuild_encoder(metadata["encoder"], tensors, given=None)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise WeightsError(f"The description in this file is damaged: {error!r}") from error

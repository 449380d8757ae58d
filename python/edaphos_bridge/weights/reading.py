"""Which kind of file some bytes are, and the encoder in them."""

from __future__ import annotations

import torch

from edaphos_bridge.encoders.named import NamedEncoder
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.files.container import KEY, looks_like_ours, read_safetensors, require_finite
from edaphos_bridge.weights import r_torch
from edaphos_bridge.weights.architecture import encoder_from_state
from edaphos_bridge.weights.encoder_file import encoder_from_bytes
from edaphos_bridge.weights.r_rds import GZIP_START, rds_tensors

_PICKLE_STARTS = (b"PK\x03\x04", b"\x80")


def read_encoder(data: bytes) -> NamedEncoder:
    """Return the encoder in a file of ours, of R torch, or in plain safetensors.

    Raises `WeightsError` if the bytes are damaged or hold something else.
    """
    # A safetensors header begins with "{" at byte 8, where gzip has one of 0, 2 and 4.
    if data.startswith(GZIP_START) and data[8:9] != b"{":
        return _encoder(rds_tensors(data))
    try:
        tensors, metadata = read_safetensors(data)
    except WeightsError as error:
        if data.startswith(_PICKLE_STARTS):
            raise WeightsError(
                "It looks like a pickle or a zip of Python's torch.save(), which could run code "
                "and is never opened. Save the encoder with foundation_weights_save()."
            ) from error
        raise
    if KEY in metadata:
        encoder = encoder_from_bytes(data)
        assert isinstance(encoder, NamedEncoder)
        return encoder
    if looks_like_ours(metadata):
        raise WeightsError("This file of edaphos_bridge is damaged: its metadata is misnamed.")
    if r_torch.METADATA_KEY in metadata:
        tensors = r_torch.named_tensors(tensors, metadata)
    return _encoder(tensors)


def _encoder(tensors: dict[str, torch.Tensor]) -> NamedEncoder:
    """Return an encoder of edaphos: only files of ours say how its patches lay."""
    require_finite("encoder", tensors)
    encoder = encoder_from_state(tensors)
    encoder.patch_orientation = None
    return encoder

"""What is asked of files of R torch in either form."""

import os
import tracemalloc

import pytest

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.files.container import read_safetensors
from edaphos_bridge.weights.r_rds import rds_tensors
from edaphos_bridge.weights.r_torch import named_tensors
from edaphos_bridge.weights.reading import read_encoder


def tensors_in(data):
    """All tensors of a file of R torch by name."""
    if data.startswith(b"\x1f\x8b"):
        return rds_tensors(data)
    return named_tensors(*read_safetensors(data))


def read_or_refuse(read, data):
    """`read` gives something or a WeightsError; any other exception fails the test."""
    try:
        return read(data)
    except WeightsError:
        return None


class Bomb:
    """A pickle that, if it were ever loaded, would leave a folder behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def peak_of(data, says):
    """Bytes of memory that are taken while a file is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=says):
            read_encoder(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

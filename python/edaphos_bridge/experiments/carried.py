"""What crosses to another process: encoders as bytes of files, patches as a file of float32."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edaphos_bridge.basics.workers import without_main
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.foundation import is_ours
from edaphos_bridge.errors import EdaphosError, InputError
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes

Carried = tuple[Any, bytes]
"""An encoder, or a fit with one, as a class and bytes; None is an encoder alone."""

# Patches that are written at a time.
_BLOCK = 256


def carried(encoder: Any) -> Carried:
    """Return what crosses of an encoder, or of a fit with one."""
    is_fit = hasattr(encoder, "to_bytes") and hasattr(type(encoder), "from_bytes")
    if is_fit and not isinstance(encoder, nn.Module):
        return type(encoder), encoder.to_bytes()
    return None, encoder_to_bytes(as_module(encoder))


def arrived(crossed: Carried) -> Any:
    """Return the encoder or the fit that crossed."""
    kind, data = crossed
    return encoder_from_bytes(data) if kind is None else kind.from_bytes(data)


@contextmanager
def carried_patches(x: Any) -> Iterator[Any]:
    """Yield patches as a path; a tile data set crosses as it is, with its raster's files by name.

    Raises
    ------
    InputError
        If they are none, or any holds a missing value.
    """
    if isinstance(x, FoundationTileDataset):
        yield x
        return
    patches = Patches(x)
    if isinstance(x, str | os.PathLike):
        yield os.path.abspath(Path(x).expanduser())
        return
    with tempfile.TemporaryDirectory(prefix="edaphos-bridge-") as folder:
        path = os.path.join(folder, "patches.npy")
        out = np.lib.format.open_memmap(path, "w+", np.float32, patches.shape)
        for rows, batch in patches.numbered_batches(_BLOCK):
            out[rows] = batch.numpy()
        out.flush()
        del out
        yield path


def require_crossing(encoder: Any, values: Mapping[str, Any]) -> None:
    """Raise `InputError` for what another process could not be given."""
    if not is_ours(as_module(encoder)):
        raise InputError(
            "n_jobs",
            "must be 1 for an encoder of your own: a module cannot be given to another process",
            hint="In this process anything can be an encoder.",
        )
    crossed = carried(encoder)
    try:
        if crossed[0] is not None:
            arrived(crossed)
    except EdaphosError as error:  # of a head of the user's own
        raise InputError(
            "n_jobs", f"must be 1 for this fit, which no other process can read ({error})"
        ) from error
    for name, value in values.items():
        problem = "a module" if isinstance(value, nn.Module) else problem_of(value)
        if problem:
            raise InputError(
                name,
                f"cannot be given to another process ({problem})",
                found=type(value).__name__,
                hint="With n_jobs=1 it can stay in this one.",
            )


def problem_of(value: Any) -> str:
    """Return why a value cannot be given to another process; "" where it can."""
    try:
        with without_main():
            pickle.dumps(value)
    except Exception as error:  # a function of the user's script, an open file
        return f"{type(error).__name__}: {error}"
    return ""

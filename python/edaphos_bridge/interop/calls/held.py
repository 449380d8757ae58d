"""What R holds, as Python's: bytes of a state or a Python object, arrays, factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from edaphos_bridge.any_fit import FoundationFit
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.interop.calls.values import NA_INTEGER
from edaphos_bridge.interop.kept import Kept
from edaphos_bridge.raster.tile_file import tiles_from_bytes
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.weights.encoder_file import encoder_from_bytes


def encoder_behind(encoder: Any) -> Any:
    """Return the module behind what R holds: bytes of a state, or a Python object itself.

    The module is for reading: the one of a state is kept, and the next call gets it again.
    """
    if isinstance(encoder, bytes | bytearray):
        return _encoders.get(encoder)
    return encoder


_encoders = Kept(encoder_from_bytes)


def fit_behind(state: bytes | bytearray, modules: Mapping[str, Any] | None = None) -> FoundationFit:
    """Return the fit in `state`, of whatever task, kept while it is in use.

    The R object holds bytes, so it survives ``saveRDS()``; this is its Python side. `modules` has
    ``encoder`` and ``head``, modules of the user's own or None.
    """
    given = modules or {}
    return _fits.get(state, encoder_behind(given.get("encoder")), given.get("head"))


_fits = Kept(lambda state, *modules: FoundationFit.from_bytes(state, *modules))


def tiles_behind(state: Any) -> FoundationTileDataset:
    """Return the dataset that R's bytes describe; its files are opened when they are read."""
    return tiles_from_bytes(bytes(state))


def patches(x: Any, *, allow_empty: bool = False, argument: str = "x") -> Patches:
    """Return the patches in an array, path or state, R's missing integers among them."""
    return Patches(
        patches_behind(x),
        missing_value=missing_value(x),
        allow_empty=allow_empty,
        argument=argument,
    )


def patches_behind(x: Any) -> Any:
    """Return what R holds: the tile data set of a state, or an array or path itself."""
    return tiles_behind(x) if isinstance(x, bytes | bytearray) else x


def missing_value(x: Any) -> int | None:
    """Return the number that stands for NA in an array of R's integers, None in any other."""
    is_r_integer = isinstance(x, np.ndarray) and x.dtype == np.int32
    return NA_INTEGER if is_r_integer else None


def masks_behind(masks: Any, levels: list[Any] | None) -> Any:
    """Return masks of R: numbers as they are, else text or bool by its place in `levels`.

    Cells of NA are masked numbers, or None. None are those of a tile data set.
    """
    if masks is None:
        return None
    missing = missing_value(masks)
    if levels is None:
        return masks if missing is None else np.ma.masked_equal(masks, missing)
    names = np.array([*levels, None], dtype=object)
    return names[np.where(np.asarray(masks) == NA_INTEGER, -1, masks)]


def labels_of(codes: Any, levels: Any, ordered: bool) -> pd.Categorical:
    """Return a factor from its codes, counted from 0, and its levels."""
    # NA - 1 is still NA in R; a Categorical calls it -1.
    codes = np.where(np.asarray(codes) == NA_INTEGER, -1, codes)
    return pd.Categorical.from_codes(codes.tolist(), categories=list(levels), ordered=ordered)

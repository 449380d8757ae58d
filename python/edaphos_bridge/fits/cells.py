"""Tables of cells, as tools that know no patches give them: a row a cell, a column a band.

They are patches of 1 x 1 cells.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.masked import MaskedTensor

from edaphos_bridge.data.input_scale import warn_about_scale
from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.data.tables import columns_of, numbers_in, numbers_of
from edaphos_bridge.data.tensors import check_tensor
from edaphos_bridge.encoders.features import check_channels
from edaphos_bridge.encoders.raster_input import find_normalisation
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.patches_at import are_numbers
from edaphos_bridge.raster.tiles import FoundationTileDataset

# Cells that are looked at to know the scale of all.
_MOST_IN_SAMPLE = 1024
_WANTED = "a table of cells (N, C) of real numbers"


class Cells(NamedTuple):
    """What `read_cells` returns.

    Attributes
    ----------
    n : int
        Rows of the table.
    known : numpy.ndarray of int64, shape (M,)
        Those without a missing number.
    patches : torch.Tensor, shape (M, C, 1, 1), float32
        Their cells, as the encoder expects them.
    """

    n: int
    known: NDArray[np.int64]
    patches: torch.Tensor


def is_table_of_cells(x: Any) -> bool:
    """Return whether `x` is a table or has two dimensions, whatever package it is of.

    Raises `InputError` of a tensor without plain numbers.
    """
    if isinstance(x, torch.Tensor):
        if not isinstance(x, MaskedTensor):
            check_tensor(x, "x")
        return x.ndim == 2
    if columns_of(x) is not None:
        return True
    if isinstance(x, list | tuple):
        try:
            return bool(x) and np.ndim(x[0]) == 1
        except Exception:  # ragged, or objects of any kind
            return False
    try:
        shape = getattr(x, "shape", None)
    except Exception:  # an object that refuses in a way of its own
        return False
    return isinstance(shape, tuple) and len(shape) == 2


def read_cells(
    x: Any,
    encoder: torch.nn.Module,
    dataset: FoundationTileDataset | None,
    in_channels: int,
    patch_size: list[int],
) -> Cells:
    """Return the cells of a table as patches.

    Where the encoder, or `dataset`, knows the names of its bands, columns are taken by their names,
    and others may be there too; else they are the channels, in order. Where it knows means and
    standard deviations, cells are raw and become its input, as those of a raster do.

    Raises `InputError` if the fit was not trained on patches of one cell, a band has no column, or
    a column no numbers. Warns if cells do not look like those that the encoder was pretrained on.
    """
    if patch_size != [1, 1]:
        raise InputError(
            "x",
            "must be patches (N, C, H, W) of {} x {} cells, as this fit was trained on, and not a "
            "table of cells".format(*patch_size),
            found=type(x).__name__,
            hint="A raster itself gives a map: predict(fit, stack) in R, "
            "foundation_predict_raster(fit, stack) in Python; `coords` give points of it.",
        )
    known_by = None
    if dataset is not None or normalisation_of(encoder) is not None:
        known_by = find_normalisation(encoder, dataset, "encoder")
        check_channels(in_channels, len(known_by.bands), "dataset")
    values = _values(x, known_by, in_channels)
    with np.errstate(over="ignore", invalid="ignore"):
        known = np.flatnonzero(np.isfinite(values.astype(np.float32)).all(axis=1))
    cells = values[known][:, :, None, None]
    if known_by is None:
        return Cells(len(values), known, torch.from_numpy(cells.astype(np.float32)))
    patches = torch.from_numpy(known_by.apply(cells, np.ones(cells.shape, dtype=bool)))
    if len(patches):
        few = patches[:: -(-len(patches) // _MOST_IN_SAMPLE)]
        hint = "Are its cells in the same units?"
        warn_about_scale(few, known_by, "x", training=False, hint=hint)
    return Cells(len(values), known, patches)


def _values(x: Any, known_by: Normalisation | None, in_channels: int) -> NDArray[np.float64]:
    """Return the cells (N, C), a column a channel, NaN where they are missing."""
    columns = columns_of(x)
    if columns is None:
        values = numbers_of(x, "x", _WANTED)
        _check_number(values.shape[1], in_channels, list(values.shape))
        return values
    names = [str(name) for name in columns]
    bands = [] if known_by is None or _are_counted(known_by.bands) else list(known_by.bands)
    if bands and columns != list(range(len(columns))):  # else pandas counted them
        missing = [band for band in bands if band not in names]
        if missing:
            raise InputError(
                "x",
                "must have a column for each band of the fit; there is none for "
                + ", ".join(missing),
                found=names,
            )
        twice = [band for band in bands if names.count(band) > 1]
        if twice:
            raise InputError("x", "must have one column for each band", found=twice)
        columns = [columns[names.index(band)] for band in bands]
    else:
        if len(set(names)) < len(names):
            raise InputError("x", "must have columns of different names", found=names)
        _check_number(len(columns), in_channels, names)
    return np.stack([numbers_in(x[name], "x", name, _WANTED) for name in columns], axis=1)


def _check_number(found: int, expected: int, shown: Any) -> None:
    if found != expected:
        raise InputError(
            "x", f"must have {expected} columns, one a channel of the fit", found=shown
        )


def _are_counted(bands: tuple[str, ...]) -> bool:
    """Return whether the names of bands say nothing but their order."""
    return are_numbers(list(bands)) or bands == ("band_1",)

"""Patches around points, normalised as an encoder expects them, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.input_scale import warn_about_scale
from edaphos_bridge.data.normalisation import Normalisation, first_names
from edaphos_bridge.data.orientation import ROWS_FIRST, turn
from edaphos_bridge.data.rows_at_once import rows_at_once
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.raster.centres import window_start
from edaphos_bridge.raster.coords import cells_at, warn_if_all_outside
from edaphos_bridge.raster.crs import crs_text
from edaphos_bridge.raster.raster import Raster


def patches_at(
    raster: Raster,
    points: NDArray[np.float64],
    normalisation: Normalisation,
    orientation: str = ROWS_FIRST,
    argument: str = "stack",
    most: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield rows of `points` and their patches ``(B, C, H, W)``, B as an encoder can take.

    Points ``(N, 2)`` outside the raster, missing ones and those in a cell without data in any band
    are left out. The others come in the order of the file, so that its blocks are decoded once, at
    most `most` at a time, normalised and in the orientation asked for. A patch may reach beyond the
    raster: no data there.

    Warns `EdaphosWarning` if there are points and none lies inside the raster, or if its cells have
    another size, CRS or scale than those that the encoder was pretrained on.
    """
    warn_if_all_outside(raster, points, "coords", argument)
    order = band_order(raster, normalisation, argument)
    normalisation.warn_of_other_cells(argument, raster.cell_size, crs_text(raster.crs))
    size = normalisation.patch_size
    cells, inside = cells_at(raster, points)
    rows = np.flatnonzero(inside)
    rows = rows[np.lexsort((cells[rows, 1], cells[rows, 0]))]
    starts = window_start(cells, size)
    step = rows_at_once((len(rows), len(order), size, size))
    step = step if most is None else min(step, most)
    seen = False
    for first in range(0, len(rows), step):
        batch = rows[first : first + step]
        pairs = [raster.read(int(row), int(col), size, size) for row, col in starts[batch]]
        values, valid = (np.stack(parts)[:, order] for parts in zip(*pairs, strict=True))
        known = valid[:, :, size // 2, size // 2].any(axis=1)
        if known.any():
            patches = normalisation.apply(values[known], valid[known])
            if not seen:
                sample, hint = torch.from_numpy(patches), "Are its cells in the same units?"
                warn_about_scale(sample, normalisation, argument, training=False, hint=hint)
                seen = True
            yield batch[known], turn(patches, orientation)


def band_order(raster: Raster, normalisation: Normalisation, argument: str = "stack") -> list[int]:
    """Return where the raster has each band that an encoder expects: by name, else in order.

    Raises `InputError` if the raster has another number of bands.
    """
    expected, found = list(normalisation.bands), raster.bands
    if len(found) != len(expected):
        raise InputError(
            argument,
            f"must have {len(expected)} bands for this encoder: {first_names(expected)}",
            found=f"{len(found)}: {first_names(found)}",
        )
    if sorted(found) == sorted(expected) and len(set(found)) == len(found):
        return [found.index(name) for name in expected]
    warn_of_other_names(found, expected, argument, "those that the encoder was pretrained on")
    return list(range(len(found)))


def warn_of_other_names(found: list[str], expected: list[str], argument: str, whose: str) -> None:
    """Warn where bands, which are taken in their order, have other names than expected."""
    if found != expected and not (are_numbers(found) and are_numbers(expected)):
        own, there = first_names(expected), first_names(found)
        warn(
            f"The bands of `{argument}` ({there}) have other names than {whose} ({own}); they are "
            "taken in their order."
        )


def are_numbers(names: list[str]) -> bool:
    """Return whether bands are only counted, as in files and arrays that do not name them."""
    prefixes = {name.removesuffix(f"_{number}") for number, name in enumerate(names, 1)}
    return len(names) > 1 and len(prefixes) == 1 and not prefixes & set(names)

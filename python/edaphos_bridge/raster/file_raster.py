"""A raster in files: bands of one or several files on the same grid, read by rasterio."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.crs import crs_text, same_crs
from edaphos_bridge.raster.file_part import FileBands, FilePart
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.transform import Transform, cell_size, is_usable, same_grid


class FileRaster(Raster):
    """Bands of one or more files one after the other; the files stay open.

    Bands are called by `names`, else by the files' band descriptions, else by the files' names. A
    `transform` replaces that of the files, as whoever gives it has seen to it that they are
    aligned: its signs say which way rows and columns run. So does a `crs`. What is opened `again`
    has been warned of. Raises `InputError` if a
    file is no raster of real numbers, has no such band, or lies on another grid than the first.
    """

    def __init__(
        self,
        files: Sequence[FileBands],
        names: Sequence[str] | None,
        transform: Transform | None,
        argument: str,
        crs: Any = None,
        *,
        again: bool = False,
    ) -> None:
        with contextlib.ExitStack() as opened:
            self._parts = [FilePart(file, argument, opened) for file in files]
            first = self._parts[0]
            used = first.transform if transform is None else transform
            if not is_usable(used):
                raise InputError(argument, "must have a transform that can be inverted", found=used)
            if same_grid(first.transform, used, *first.dataset.shape):
                used = first.transform  # to the last digit, so that all entrances agree
            for part in self._parts[1:]:
                _check_aligned(first, part, transform is None, argument)
            for part in self._parts:
                part.lay(used)
            found = [name for part in self._parts for name in part.names()]
            if names is not None and len(names) != len(found):
                raise InputError(
                    argument, f"must name each of its {len(found)} bands", found=list(names)
                )
            own = first.dataset.crs or None
            super().__init__(
                found if names is None else names,
                first.dataset.height,
                first.dataset.width,
                used,
                first.dataset.block_shapes[first.bands[0] - 1],
                crs=own if own is not None and same_crs(own, crs) else crs,
                # terra counts cells too where there is no georeference, from the last row up
                georeferenced=cell_size(used) != (1, 1)
                or (first.georeferenced and bool(own or crs)),
                fits_float32=all(part.fits_float32 for part in self._parts),
            )
            for part in self._parts if not again else ():
                part.warn_of_alpha()
            self._opened = opened.pop_all()

    def describe(self) -> dict[str, Any]:
        """Return paths, bands, names and transform as JSON values, but for bytes of files."""
        return {
            "files": [part.file.describe(part.bands) for part in self._parts],
            "names": list(self.bands),
            "transform": list(self.transform),
            "crs": crs_text(self.crs),
        }

    def files(self) -> list[str]:
        """Return the files with the cells: those of a VRT, and masks beside a file, too."""
        return [path for part in self._parts for path in part.files()]

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        values = np.empty((len(self.bands), window.height, window.width))
        valid = np.empty(values.shape, dtype=bool)
        first = 0
        for part in self._parts:
            last = first + len(part.bands)
            values[first:last], valid[first:last] = part.read(window)
            first = last
        return values, valid


def _check_aligned(first: FilePart, part: FilePart, georeference: bool, argument: str) -> None:
    one, other = first.dataset, part.dataset
    differs: tuple[str, object, object] | None = None
    if one.shape != other.shape:
        differs = ("height and width", list(one.shape), list(other.shape))
    elif georeference and not same_grid(first.transform, part.transform, *one.shape):
        differs = ("transform", list(first.transform), list(part.transform))
    elif georeference and one.crs and other.crs and one.crs != other.crs:
        differs = ("coordinate reference system", one.crs.to_string(), other.crs.to_string())
    if differs is not None:
        what, expected, found = differs
        raise InputError(
            argument,
            f"must be files on one grid: {part.shown} has another {what} than {first.shown} "
            f"({expected})",
            found=found,
            hint="foundation_tile_align() brings them on one grid.",
        )

"""A raster in files: bands of one or several files on the same grid, read by rasterio."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import EdaphosError, InputError, warn
from edaphos_bridge.raster.raster import Raster, Window, only_finite
from edaphos_bridge.raster.transform import IDENTITY, Transform, is_usable, same_grid


@dataclass(frozen=True)
class FileBands:
    """A file and which of its bands to take, counted from 1; None takes all."""

    path: str
    bands: Sequence[int] | None = None


class FileRaster(Raster):
    """Bands of files one after the other; the files stay open.

    Parameters
    ----------
    files : sequence of FileBands
        At least one.
    names : sequence of str, optional
        Names of the bands. By default the files' band descriptions, else their names.
    transform : tuple of six floats, optional
        Replaces that of the files: whoever gives it has seen to it that they are aligned.
    argument : str
        What the caller's function calls it, for errors.

    Raises
    ------
    InputError
        If a file is no raster of real numbers, has no such band, or lies on another grid
        than the first.
    """

    def __init__(
        self,
        files: Sequence[FileBands],
        names: Sequence[str] | None,
        transform: Transform | None,
        argument: str,
    ) -> None:
        self._argument = argument
        with contextlib.ExitStack() as opened:
            self._parts = [_Part(file, argument, opened) for file in files]
            first = self._parts[0]
            used = first.transform if transform is None else transform
            if not is_usable(used):
                raise InputError(argument, "must have a transform that can be inverted", found=used)
            for part in self._parts[1:]:
                _check_aligned(first, part, transform is None, argument)
            found = [name for part in self._parts for name in part.names()]
            if names is not None and len(names) != len(found):
                raise InputError(
                    argument, f"must name each of its {len(found)} bands", found=list(names)
                )
            super().__init__(
                found if names is None else names,
                first.dataset.height,
                first.dataset.width,
                used,
                first.dataset.block_shapes[first.bands[0] - 1],
            )
            for part in self._parts:
                part.warn_of_alpha()
            self._opened = opened.pop_all()

    def describe(self) -> dict[str, Any]:
        """Return paths, bands, names and transform as JSON values."""
        return {
            "files": [{"path": part.path, "bands": list(part.bands)} for part in self._parts],
            "names": list(self.bands),
            "transform": list(self.transform),
        }

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        values = np.empty((len(self.bands), window.height, window.width))
        valid = np.empty(values.shape, dtype=bool)
        first = 0
        for part in self._parts:
            last = first + len(part.bands)
            values[first:last], valid[first:last] = part.read(window, self._argument)
            first = last
        return values, valid


class _Part:
    """One open file."""

    def __init__(self, file: FileBands, argument: str, opened: contextlib.ExitStack) -> None:
        self.path = file.path
        self.dataset, self.transform = _open(file.path, argument)
        opened.enter_context(self.dataset)
        count = self.dataset.count
        if count == 0:
            parts = ", ".join(self.dataset.subdatasets[:5])
            raise InputError(
                argument,
                "must have bands",
                found=file.path,
                hint=f"It is a container of: {parts}." if parts else "",
            )
        self.bands = list(range(1, count + 1)) if file.bands is None else list(file.bands)
        if not self.bands or not all(1 <= band <= count for band in self.bands):
            raise InputError(
                argument, f"must ask for bands 1 to {count} of {file.path}", found=self.bands
            )
        dtypes = {self.dataset.dtypes[band - 1] for band in self.bands}
        if any("complex" in dtype for dtype in dtypes):
            raise InputError(
                argument, f"must hold real numbers in {file.path}", found=", ".join(sorted(dtypes))
            )
        self._scales, self._offsets = (
            np.array([numbers[band - 1] for band in self.bands])[:, None, None]
            for numbers in (self.dataset.scales, self.dataset.offsets)
        )
        # Without nodata values GDAL would take the alpha band for the mask of the others.
        flags = [flag for band in self.bands for flag in self.dataset.mask_flag_enums[band - 1]]
        self._alpha = any(flag.name == "alpha" for flag in flags)
        self._scaled = bool((self._scales != 1).any() or (self._offsets != 0).any())

    def names(self) -> Iterator[str]:
        """Yield the descriptions of the bands, else the file's name with their numbers."""
        stem = Path(self.path).stem
        for band in self.bands:
            default = stem if self.dataset.count == 1 else f"{stem}_{band}"
            yield self.dataset.descriptions[band - 1] or default

    def read(self, window: Window, argument: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        row, col, height, width = window
        try:
            found = self.dataset.read(
                self.bands,
                window=((row, row + height), (col, col + width)),
                masked=not self._alpha,
            )
        except rasterio().errors.RasterioError as error:
            raise InputError(argument, f"cannot be read ({error})", found=self.path) from error
        values, valid = np.ma.getdata(found).astype(np.float64), ~np.ma.getmaskarray(found)
        if self._scaled:
            values[~valid] = 0  # whatever stands for nodata may be too large to scale
            with np.errstate(over="ignore", invalid="ignore"):
                values = values * self._scales + self._offsets
        return only_finite(values, valid)

    def warn_of_alpha(self) -> None:
        """Warn where a band is marked as transparency: GDAL marks the fourth of four bytes so."""
        if self._alpha:
            meanings = [meaning.name for meaning in self.dataset.colorinterp]
            warn(
                f"Band {meanings.index('alpha') + 1} of {self.path} is marked as alpha. It counts "
                "as data, and its zeros hide no cells of the other bands."
            )


def rasterio() -> Any:
    """Return the package rasterio, or raise `EdaphosError` with how to install it."""
    try:
        return importlib.import_module("rasterio")
    except ImportError as error:
        raise EdaphosError(
            "Rasters in files need the package rasterio. Install it with `pip install rasterio`."
        ) from error


def _open(path: str, argument: str) -> tuple[Any, Transform]:
    """Return an open file and its transform: the identity, as for arrays, where it has none."""
    package = rasterio()
    missing = package.errors.NotGeoreferencedWarning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", missing)
        try:
            dataset = package.open(path)
            a, b, c, d, e, f = (float(number) for number in dataset.transform[:6])
        except (package.errors.RasterioError, ValueError) as error:
            raise InputError(
                argument, f"cannot be opened as a raster ({error})", found=path
            ) from error
    for warning in caught:
        if not issubclass(warning.category, missing):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    # With that warning, rasterio's transform may be memory that nobody has set.
    if any(issubclass(warning.category, missing) for warning in caught):
        return dataset, IDENTITY
    return dataset, (a, b, c, d, e, f)


def _check_aligned(first: _Part, part: _Part, georeference: bool, argument: str) -> None:
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
            f"must be files on one grid: {part.path} has another {what} than {first.path} "
            f"({expected})",
            found=found,
            hint="Resample it to the grid of the first.",
        )

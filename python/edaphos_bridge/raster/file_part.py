"""One file of a raster: opened by rasterio, and read as it lies on the raster's grid."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.basics.paths import as_path, writable_file
from edaphos_bridge.errors import EdaphosError, InputError, warn
from edaphos_bridge.raster.raster import Window, only_finite
from edaphos_bridge.raster.transform import IDENTITY, Transform, is_turned, north_up, same_grid

# What lies beside a file without any cells of its own: whoever looks at it may write these.
_NO_CELLS = (".aux.xml", ".ovr")


@dataclass(frozen=True)
class FileBands:
    """A file and which of its bands to take.

    Attributes
    ----------
    path : str
        A path, or a name that GDAL knows: ``/vsizip/...``, ``https://...``, ``NETCDF:...``.
    bands : sequence of int, optional
        Counted from 1; None takes all.
    data : bytes, optional
        The content of a GeoTIFF that lies nowhere; `path` is then not opened.
    shown : str
        What errors call it; by default the path.
    """

    path: str
    bands: Sequence[int] | None = None
    data: bytes | None = None
    shown: str = ""

    def describe(self, bands: Sequence[int]) -> dict[str, Any]:
        """Return what `open_raster` takes in a mapping's ``files``."""
        described: dict[str, Any] = {"path": self.path, "bands": list(bands)}
        if self.data is not None:
            described["data"] = self.data
        if self.shown:
            described["shown"] = self.shown
        return described


def raster_path(argument: str, given: Any) -> str:
    """Return an absolute path, and a name that only GDAL knows as it is.

    Raises `InputError` if it can be neither; see `edaphos_bridge.basics.paths.as_path`.
    """
    text = str(given)
    is_gdals = text.startswith("/vsi") or re.match(r"[A-Za-z][\w+.]+:", text)
    if is_gdals and "\0" not in text and not os.path.exists(text):
        return text
    return os.path.abspath(as_path(argument, given, "raster"))


def writable_raster(argument: str, given: Any) -> Path:
    """Return the path of a GeoTIFF that can be written, or raise `InputError`."""
    path = writable_file(argument, given)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(argument, "must end in .tif: a GeoTIFF is written", found=str(path))
    try:
        os.path.realpath(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(argument, "must be a path in UTF-8", found=str(path)) from error
    return path


class FilePart:
    """One open file.

    Attributes
    ----------
    transform : Transform
        As the file has it, but north up; the identity where it has none.
    georeferenced : bool
        Whether it has one.
    bands : list of int
        The bands that are taken, counted from 1.
    fits_float32 : bool
        Whether float32 holds every cell as it is.
    """

    def __init__(self, file: FileBands, argument: str, opened: contextlib.ExitStack) -> None:
        self.file = file
        self.shown = file.shown or file.path
        self._argument = argument
        self.dataset, own = _open(file, self.shown, argument, opened)
        self.georeferenced = own != IDENTITY  # which rasterio gives where there is none
        self._own = own
        self.transform = north_up(own, *self.dataset.shape) if self.georeferenced else own
        self._turn: tuple[slice, ...] = np.s_[:, :, :]
        count = self.dataset.count
        if count == 0:
            parts = ", ".join(self.dataset.subdatasets[:5])
            raise InputError(
                argument,
                "must have bands",
                found=self.shown,
                hint=f"It is a container of: {parts}." if parts else "",
            )
        self.bands = list(range(1, count + 1)) if file.bands is None else list(file.bands)
        if not self.bands or not all(1 <= band <= count for band in self.bands):
            raise InputError(
                argument, f"must ask for bands 1 to {count} of {self.shown}", found=self.bands
            )
        dtypes = {self.dataset.dtypes[band - 1] for band in self.bands}
        if any("complex" in dtype for dtype in dtypes):
            raise InputError(
                argument, f"must hold real numbers in {self.shown}", found=", ".join(sorted(dtypes))
            )
        self._of_several_types = len(dtypes) > 1  # which rasterio does not read at once
        self._scales, self._offsets = (
            np.array([numbers[band - 1] for band in self.bands])[:, None, None]
            for numbers in (self.dataset.scales, self.dataset.offsets)
        )
        # Without nodata values GDAL would take the alpha band for the mask of the others.
        flags = [flag for band in self.bands for flag in self.dataset.mask_flag_enums[band - 1]]
        self._alpha = any(flag.name == "alpha" for flag in flags)
        self._scaled = bool((self._scales != 1).any() or (self._offsets != 0).any())
        self.fits_float32 = not self._scaled and all(
            np.can_cast(dtype, np.float32) for dtype in dtypes
        )

    def names(self) -> Iterator[str]:
        """Yield the descriptions of the bands, else the file's name with their numbers."""
        stem = Path(self.file.path).stem.split(":")[-1]
        for band in self.bands:
            default = stem if self.dataset.count == 1 else f"{stem}_{band}"
            yield self.dataset.descriptions[band - 1] or default

    def files(self) -> list[str]:
        """Return the files that cells come from; none where the content is given."""
        found = [] if self.file.data is not None else self.dataset.files
        return [path for path in found if not path.endswith(_NO_CELLS)]

    def lay(self, transform: Transform) -> None:
        """Have `read` give rows and columns in the directions of a raster's transform.

        Raises `InputError` if the file is turned against that raster.
        """
        if not self.georeferenced or same_grid(self._own, transform, *self.dataset.shape):
            return
        if is_turned(self._own) or is_turned(transform):
            raise InputError(
                self._argument,
                f"must not be turned against the axes of its coordinates, as {self.shown} is",
                found=list(self._own),
                hint="terra::rectify() in R and rasterio.warp.reproject() in Python turn it.",
            )
        rows = -1 if self._own[4] * transform[4] < 0 else 1
        columns = -1 if self._own[0] * transform[0] < 0 else 1
        self._turn = np.s_[:, ::rows, ::columns]

    def read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the cells of a window inside the file, 0 and False where it has no data."""
        row, col, height, width = window
        if self._turn[1].step == -1:
            row = self.dataset.height - row - height
        if self._turn[2].step == -1:
            col = self.dataset.width - col - width
        place = {"window": ((row, row + height), (col, col + width)), "masked": not self._alpha}
        try:
            if self._of_several_types:
                each = [self.dataset.read(band, **place) for band in self.bands]
                found = np.ma.stack([cells.astype(np.float64) for cells in each])
            else:
                found = self.dataset.read(self.bands, **place)
        except rasterio().errors.RasterioError as error:
            raise InputError(
                self._argument, f"cannot be read ({error})", found=self.shown
            ) from error
        found = found[self._turn]
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
                f"Band {meanings.index('alpha') + 1} of {self.shown} is marked as alpha. It counts "
                "as data, and its zeros hide no cells of the other bands."
            )


def rasterio() -> Any:
    """Return the package rasterio, or raise `EdaphosError` with how to install it."""
    try:
        return imported("rasterio")
    except ImportError as error:
        raise EdaphosError(
            "Rasters in files need the package rasterio. Install it with `pip install rasterio`."
        ) from error


def gdal_errors() -> tuple[type[Exception], ...]:
    """Return what rasterio raises of GDAL: its own errors, and GDAL's as they are."""
    return rasterio().errors.RasterioError, imported("rasterio._err").CPLE_BaseError


def _open(
    file: FileBands, shown: str, argument: str, opened: contextlib.ExitStack
) -> tuple[Any, Transform]:
    """Return an open file and its transform: the identity, as for arrays, where it has none."""
    package = rasterio()
    missing = package.errors.NotGeoreferencedWarning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", missing)
        try:
            # As contexts they would begin an environment of GDAL's in this thread, which ends in
            # the one that closes them.
            if file.data is None:
                dataset = package.open(file.path)
            else:  # nothing but a GeoTIFF, which names no other file
                memory = package.MemoryFile(file.data)
                opened.callback(memory.close)
                dataset = memory.open(driver="GTiff")
            opened.callback(dataset.close)
            a, b, c, d, e, f = (float(number) for number in dataset.transform[:6])
        except (package.errors.RasterioError, ValueError, TypeError) as error:
            raise InputError(
                argument, f"cannot be opened as a raster ({error})", found=shown
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

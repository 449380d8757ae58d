"""The file of a map: a tiled, compressed GeoTIFF in COG layout, put together from its blocks."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import at_once, imported, pause
from edaphos_bridge.basics.workers import own_libraries_first
from edaphos_bridge.errors import InputError
from edaphos_bridge.files.disk import put_in_place
from edaphos_bridge.maps.creation_options import DEFAULTS, TILE, keeps_numbers, write_colours
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.parts import Parts, writing
from edaphos_bridge.raster.file_part import gdal_errors, rasterio
from edaphos_bridge.raster.raster import Window
from edaphos_bridge.raster.transform import IDENTITY

# Above, GDAL copies in a process of its own: nothing can interrupt it in this one.
_MOST_AT_ONCE = 2**24
_COPY = (
    "import json, sys; from rasterio.shutil import copy; "
    "copy(*sys.argv[1:3], **json.loads(sys.argv[3]))"
)

# What lies beside a file that is replaced, and would belong to the new one.
_OF_ANOTHER = (".ovr", ".msk")


def write_map(
    out: Path,
    parts: Parts,
    blocks: Sequence[Window],
    grid: MapGrid,
    layers: Layers,
    crs: Any,
    options: Mapping[str, Any],
) -> None:
    """Write finished blocks to `out`, which appears when it is whole.

    Names of classes stand beside it, in ``<out>.aux.xml``, where GDAL looks for them.

    Raises
    ------
    InputError
        If there is no room, or a block is damaged.
    """
    plain, ready = (parts.folder / f".map-{secrets.token_hex(4)}.tif" for _ in range(2))
    missing = rasterio().errors.NotGeoreferencedWarning  # as the raster's is, if it is
    try:
        with writing(parts.folder), warnings.catch_warnings():
            warnings.simplefilter("ignore", missing)
            _write_plain(plain, parts, blocks, grid, layers, crs)
            _copy_to_cog(plain, ready, layers, options)
            _check(ready, parts, blocks, exactly=keeps_numbers(options))
            put_in_place(ready, out)
            names = _beside(ready)
            if names.exists():
                os.replace(names, _beside(out))
            else:
                _beside(out).unlink(missing_ok=True)  # of the map that was replaced
            for ending in _OF_ANOTHER:
                out.with_name(out.name + ending).unlink(missing_ok=True)
    finally:
        for path in (plain, ready):
            for each in (path, _beside(path)):
                with contextlib.suppress(OSError):
                    each.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".aux.xml")


def _write_plain(
    path: Path,
    parts: Parts,
    blocks: Sequence[Window],
    grid: MapGrid,
    layers: Layers,
    crs: Any,
) -> None:
    """Write a tiled GeoTIFF without compression, block by block."""
    package = rasterio()
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": len(layers.names),
        "dtype": layers.dtype,
        "nodata": layers.nodata,
        "crs": crs,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "interleave": "band",
        "BIGTIFF": "IF_SAFER",
    }
    if grid.transform != IDENTITY:
        profile["transform"] = package.Affine(*grid.transform)
    ranges = _Ranges(layers)
    try:
        with package.open(path, "w", **profile) as file:
            for block in blocks:
                pause()
                values = np.ascontiguousarray(parts.read(block))
                file.write(values, window=_place(block))
                ranges.add(values)
            ranges.write_to(file)
            for number, name in enumerate(layers.names, 1):
                file.set_band_description(number, name)
            write_colours(file, layers)
    except gdal_errors() as error:
        raise InputError("out", f"cannot be written ({error})", found=str(path.parent)) from error
    if layers.classes is not None:
        _beside(path).write_text(_table_of(layers), encoding="utf-8")


class _Ranges:
    """The lowest and the highest number of each layer, where GDAL and terra look for them."""

    def __init__(self, layers: Layers) -> None:
        self._nodata = layers.nodata
        self._low = np.full(len(layers.names), np.inf)
        self._high = -self._low

    def add(self, values: NDArray[Any]) -> None:
        known = np.isfinite(values) & (values != self._nodata)
        low = np.where(known, values, np.inf).min(axis=(1, 2))
        high = np.where(known, values, -np.inf).max(axis=(1, 2))
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)

    def write_to(self, file: Any) -> None:
        for number, (low, high) in enumerate(zip(self._low, self._high, strict=True), 1):
            if low <= high:
                file.update_tags(number, STATISTICS_MINIMUM=low, STATISTICS_MAXIMUM=high)


def _check(path: Path, parts: Parts, blocks: Sequence[Window], *, exactly: bool) -> None:
    """Raise OSError unless a file has all blocks: GDAL may not say that a disk was full."""
    try:
        with rasterio().open(path) as file:
            for block in blocks:
                pause()
                found = file.read(window=_place(block))
                if exactly and not np.array_equal(found, parts.read(block), equal_nan=True):
                    raise OSError("it does not hold what was written to it")
    except gdal_errors() as error:
        raise OSError(f"it cannot be read again: {error}") from error


def _place(block: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a window as rasterio has it."""
    return (block.row, block.row + block.height), (block.col, block.col + block.width)


def _table_of(layers: Layers) -> str:
    """Return what GDAL keeps beside a file: names of codes, and a table of them with colours."""
    assert layers.classes is not None
    assert layers.colours is not None
    # name, type (0 a whole number, 2 text), usage of each column
    fields = [
        ("value", 0, 5),
        (layers.names[0], 2, 2),
        ("red", 0, 6),
        ("green", 0, 7),
        ("blue", 0, 8),
    ]
    header = "".join(
        f'<FieldDefn index="{place}"><Name>{escape(name)}</Name><Type>{kind}</Type>'
        f"<Usage>{usage}</Usage></FieldDefn>"
        for place, (name, kind, usage) in enumerate(fields)
    )
    rows = "".join(
        f'<Row index="{place}">'
        + "".join(f"<F>{escape(str(value))}</F>" for value in (place + 1, name, *colour))
        + "</Row>"
        for place, (name, colour) in enumerate(zip(layers.classes, layers.colours, strict=True))
    )
    table = (
        f'<GDALRasterAttributeTable tableType="thematic">{header}{rows}</GDALRasterAttributeTable>'
    )
    # Some readers (stars) take rows of the table by their place: names by code go before it.
    names = "".join(f"<Category>{escape(name)}</Category>" for name in ("", *layers.classes))
    band = f"<CategoryNames>{names}</CategoryNames>{table}"
    return f'<PAMDataset><PAMRasterBand band="1">{band}</PAMRasterBand></PAMDataset>\n'


def _copy_to_cog(source: Path, target: Path, layers: Layers, options: Mapping[str, Any]) -> None:
    resampling = "AVERAGE" if layers.classes is None else "NEAREST"
    chosen = {"driver": "COG", "OVERVIEW_RESAMPLING": resampling, **DEFAULTS, **options}
    if source.stat().st_size <= _MOST_AT_ONCE:
        try:
            imported("rasterio.shutil").copy(source, target, **chosen)
        except gdal_errors() as error:
            raise OSError(str(error)) from error
        return
    _in_a_process(source, target, chosen)


def _in_a_process(source: Path, target: Path, chosen: Mapping[str, Any]) -> None:
    command = [sys.executable, "-c", _COPY, str(source), str(target), json.dumps(dict(chosen))]
    environment = {**os.environ, **own_libraries_first()}
    with subprocess.Popen(  # noqa: S603  (this Python, and code of ours)
        command, env=environment, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            with at_once():
                said = process.communicate()[1].decode(errors="replace").strip()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise OSError(said.splitlines()[-1] if said else f"exit status {process.returncode}")

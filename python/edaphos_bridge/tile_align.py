"""`foundation_tile_align()`: rasters of different grids become one stack."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.raster.aligned import align

_folders: dict[int, str] = {}


@plain
def foundation_tile_align(
    sources: Any,
    target_res: float | Sequence[float] | None = None,
    target_crs: Any = None,
    aoi: Any = None,
    method: str | Sequence[str] = "bilinear",
    filename: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Bring rasters of different grids on one grid, as the bands of one GeoTIFF.

    GDAL warps them, window by window: neither a source nor the result is ever held whole.

    Parameters
    ----------
    sources : sequence of paths or of xarray.DataArray
        Rasters of any grids, resolutions and CRS, of one or more bands each: what
        `foundation_tile_dataset` takes as `stack` and says where it lies. The first gives the
        defaults.
    target_res : float or pair of float, optional
        Size of a cell, or its width and height, in units of the CRS. By default that of the first
        source's cells; where `target_crs` is another, that of a square as large as one of them in
        the middle of the area.
    target_crs : optional
        What rasterio takes for a CRS: a code as ``"EPSG:32723"``, a PROJ string, WKT. By default
        that of the first source.
    aoi : sequence of four float, or geometries of geopandas, optional
        The area: ``(xmin, ymin, xmax, ymax)`` in the CRS of the result, or geometries, whose
        bounding box is taken; a CRS that they carry is respected. By default what all sources have
        in common: the intersection of their bounding boxes in that CRS.
    method : str or sequence of str
        "nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "max", "min",
        "med", "q1", "q3", "sum" or "rms", of GDAL; one for all, or one a source. Classes take
        "nearest", or "mode" where cells become larger: any other makes numbers between them.
    filename : path-like, optional
        The GeoTIFF to write. By default one in a folder that is removed when Python ends.
    overwrite : bool
        Whether a file of that name may be replaced. That happens when the new one is whole.

    Returns
    -------
    pathlib.Path
        Of a tiled, compressed GeoTIFF: the bands of all sources in order, with their names, float32
        where that holds the cells of all sources as they are, else float64, and NaN without data.

    Raises
    ------
    InputError
        If an argument cannot be used, a source does not say where it lies, or sources do not
        overlap; before anything is written. If the file cannot be written.
    EdaphosError
        If rasterio is not installed.

    Notes
    -----
    Where resolution and CRS are those of the first source, the grid is its own, cut or extended by
    whole cells so that it takes in the area; its cells are copied bit by bit, as are those of any
    other source that lie on the same lattice, whatever the method. Else the grid begins at the
    upper left corner of the area. Elsewhere GDAL places cells to a thousandth of a
    source's cell.

    Examples
    --------
    >>> import numpy as np, rasterio, tempfile
    >>> from edaphos_bridge import foundation_tile_align, foundation_tile_dataset
    >>> folder = tempfile.TemporaryDirectory()
    >>> def write(name, cells, size):
    ...     path = f"{folder.name}/{name}.tif"
    ...     profile = {"count": 1, "height": len(cells), "width": len(cells), "dtype": "float32"}
    ...     transform = rasterio.Affine(size, 0, 500000, 0, -size, 9000000)
    ...     with rasterio.open(path, "w", crs="EPSG:32723", transform=transform, **profile) as file:
    ...         file.write(cells.astype("float32"), 1)
    ...     return path
    >>> cells = np.random.default_rng(1).normal(size=(60, 60))
    >>> fine, coarse = write("ndvi", cells, 10), write("rain", cells[:20, :20], 30)
    >>> stack = foundation_tile_align([fine, coarse], filename=f"{folder.name}/stack.tif")
    >>> foundation_tile_dataset(stack, patch_size=8, n_patches=5, seed=1)
    <edaphos_tile_dataset>
      stack       : 60 x 60 x 2 (rows x cols x channels)
      patch_size  : 8 x 8
      n_patches   : 5
      channels    : ndvi, rain
    >>> folder.cleanup()
    """
    target = _temporary() if filename is None else filename
    return align(sources, target_res, target_crs, aoi, method, target, overwrite)


def _temporary() -> Path:
    """Return the path of no file yet, in a folder that goes with this process."""
    if os.getpid() not in _folders:
        _folders[os.getpid()] = tempfile.mkdtemp(prefix="edaphos-bridge-")
        atexit.register(_remove_folder)
    return Path(_folders[os.getpid()]) / f"aligned-{secrets.token_hex(8)}.tif"


def _remove_folder() -> None:
    """Remove the folder of this process; a fork leaves that of its parent."""
    folder = _folders.pop(os.getpid(), None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)

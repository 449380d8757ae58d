"""Rasters of many kinds: plain rasterio is the reference."""

import re
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from edaphos_bridge import foundation_patches_at_coords, foundation_tile_dataset
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.sources import open_raster

CELLS = np.arange(2.0 * 8 * 10).reshape(2, 8, 10)
CUSTOM = "+proj=laea +lat_0=-15 +lon_0=-50 +datum=WGS84 +units=m"
DEGREES = Affine(0.25, 0, 178, 0, -0.25, 10)
LOWEST = float(np.finfo("float32").min)


def with_holes(hole):
    cells = CELLS.copy()
    cells[:, 3, 4] = hole
    return cells


KINDS = {
    "one row": {"array": CELLS[:, :1]},
    "one column": {"array": CELLS[:, :, :1]},
    "one cell": {"array": CELLS[:, :1, :1]},
    "one band": {"array": CELLS[:1]},
    "int8 with a negative nodata value": {"array": (CELLS[:1] - 40).astype("int8"), "nodata": -20},
    "64 bits": {"array": (CELLS * 2**40).astype("int64"), "nodata": 7 * 2**40},
    "unsigned 64 bits": {"array": (CELLS + 2**40).astype("uint64"), "nodata": 7 + 2**40},
    "a huge nodata value": {"array": with_holes(LOWEST).astype("float32"), "nodata": LOWEST},
    "a huge nodata value in 64 bits": {"array": with_holes(-1.7e308), "nodata": -1.7e308},
    "degrees across 180": {"array": CELLS, "transform": DEGREES, "crs": "EPSG:4326"},
    "a custom CRS": {"array": CELLS, "crs": CUSTOM},
    "cells that are not square": {"array": CELLS, "transform": Affine(10, 0, 0, 0, -25, 0)},
    "scale and offset": {
        "array": CELLS.astype("int16"), "nodata": 7, "scales": (0.1, 2.0), "offsets": (-3.0, 1.0),
    },
    "a palette": {"array": CELLS[:1].astype("uint8"), "photometric": "palette"},
    "half precision": {"array": CELLS.astype("float32"), "nbits": 16},
}  # fmt: skip


def reference(path):
    with rasterio.open(path) as file:
        found = file.read(masked=True).astype(np.float64)
        scales, offsets = (np.array(n)[:, None, None] for n in (file.scales, file.offsets))
        return np.ma.filled(found * scales + offsets, np.nan), file.transform, file.crs


def whole(stack):
    with open_raster(stack) as raster:
        values, valid = raster.read(0, 0, raster.height, raster.width)
        return np.where(valid, values, np.nan), raster


@pytest.mark.parametrize("name", KINDS)
def test_every_cell_has_the_value_that_rasterio_reads(write_tif, name):
    path = write_tif("one.tif", **KINDS[name])
    expected, transform, crs = reference(path)
    found, raster = whole(path)
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.isfinite(found).any()
    assert raster.transform == tuple(transform[:6])
    assert raster.cell_size == (abs(transform.a), abs(transform.e))
    assert raster.crs == crs


def test_overviews_and_blocks_change_nothing(write_tif):
    cells = np.random.default_rng(1).normal(size=(2, 70, 90))
    path = write_tif("one.tif", cells, tiled=True, blockxsize=32, blockysize=32)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    assert np.array_equal(whole(path)[0], cells)


def test_a_cloud_optimised_geotiff_is_read_as_any_other(write_tif, tmp_path):
    import rasterio.shutil

    path = tmp_path / "cog.tif"
    rasterio.shutil.copy(write_tif("one.tif", CELLS), path, driver="COG")
    assert np.array_equal(whole(path)[0], CELLS)


def vrt(path, files, transform, height, width):
    """Two bands of files that lie beside each other."""
    a, b, c, d, e, f = transform[:6]
    bands = "".join(
        f'<VRTRasterBand dataType="Float64" band="{band}">'
        + "".join(
            f"<SimpleSource><SourceFilename>{file}</SourceFilename><SourceBand>{band}</SourceBand>"
            f'<SrcRect xOff="0" yOff="0" xSize="10" ySize="8"/>'
            f'<DstRect xOff="{10 * place}" yOff="0" xSize="10" ySize="8"/></SimpleSource>'
            for place, file in enumerate(files)
        )
        + "</VRTRasterBand>"
        for band in (1, 2)
    )
    path.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32723</SRS>'
        f"<GeoTransform>{c}, {a}, {b}, {f}, {d}, {e}</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def test_a_mosaic_in_a_vrt_is_one_raster(write_tif, tmp_path):
    files = [write_tif("a.tif", CELLS), write_tif("b.tif", CELLS + 500)]
    path = vrt(tmp_path / "both.vrt", files, Affine(10, 0, 500, 0, -10, 900), 8, 20)
    assert np.array_equal(whole(path)[0], np.concatenate([CELLS, CELLS + 500], axis=2))


def test_a_vrt_may_run_from_south_to_north(write_tif, tmp_path):
    path = vrt(
        tmp_path / "south.vrt", [write_tif("a.tif", CELLS)], Affine(10, 0, 500, 0, 10, 820), 8, 10
    )
    found, raster = whole(path)
    assert raster.transform == (10, 0, 500, 0, -10, 900)
    assert np.array_equal(found, CELLS[:, ::-1])


def test_names_that_only_gdal_knows_are_opened(write_tif, tmp_path):
    import zipfile

    path = write_tif("one.tif", CELLS)
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as file:
        file.write(path, "one.tif")
    assert np.array_equal(whole(f"/vsizip/{tmp_path}/one.zip/one.tif")[0], CELLS)
    assert np.array_equal(whole(f"zip://{tmp_path}/one.zip!one.tif")[0], CELLS)
    assert np.array_equal(whole(f"vrt://{path}?bands=2")[0], CELLS[[1]])
    tiles = foundation_tile_dataset(f"/vsizip/{tmp_path}/one.zip/one.tif", 2, 5, seed=1)
    assert np.array_equal(tiles.from_dict(tiles.to_dict()).read([0]), tiles.read([0]))


def test_a_raster_behind_an_address_is_read_over_the_network(write_tif):
    path = write_tif("one.tif", CELLS)
    serve = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        [*serve, "--directory", str(path.parent)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        try:
            address = re.search(r"http://[\d.:]+", server.stdout.readline()).group()
            for name in (f"/vsicurl/{address}/one.tif", f"{address}/one.tif"):
                assert np.array_equal(whole(name)[0], CELLS)
            with pytest.raises(InputError, match="`stack` cannot be opened"):
                open_raster(f"/vsicurl/{address}/two.tif")
        finally:
            server.kill()


@pytest.mark.filterwarnings("ignore:.*share cells with another")
def test_a_point_on_the_last_edges_has_the_last_cells_patch(write_tif):
    path = write_tif("one.tif", CELLS)  # x 500 to 600, y 900 down to 820
    tiles = foundation_tile_dataset(path, 2, 5, normalise=False, seed=1)
    edges = np.array([[600.0, 825.0], [595.0, 820.0], [600.0, 820.0]])
    found = foundation_patches_at_coords(tiles, edges, path)[:, :, 1, 1]
    assert np.array_equal(found, np.tile(CELLS[:, -1, -1], (3, 1)))

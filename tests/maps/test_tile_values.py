"""What gives values for every cell maps on the same engine, without seams."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from closeness import assert_close
from edaphos_bridge.data.orientation import ROWS_FIRST
from edaphos_bridge.maps.block_patches import PatchReader
from edaphos_bridge.maps.grid import MapGrid
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.run import Output, make_map
from edaphos_bridge.maps.tile_values import TileValues
from edaphos_bridge.raster.sources import open_raster
from mapped import cells, tiles


def brightness(tile):
    """A value that knows its own cell alone."""
    return tile.mean(axis=1, keepdims=True)


def knows_its_tile(tile):
    """A value that is another one in each tile."""
    return np.full_like(tile[:, :1], np.abs(tile).mean())


def as_it_is(values):
    return values


def segmenter(raster, predict, **changes):
    normalisation = replace(tiles().normalisation, patch_size=12)
    reader = PatchReader(MapGrid.of(raster, 1), normalisation, (0, 1, 2, 3), ROWS_FIRST)
    settings = {"overlap": 6, "blending": "linear", **changes}
    known = {"n_values": 1, "model": predict.__name__}
    return TileValues(reader, Layers(("v",)), predict, as_it_is, settings=known, **settings)


def mapped(tmp_path, predict, block_size, **changes):
    out = tmp_path / f"{block_size}.tif"
    output = Output.of(out, block_size, None, True, True, None, False)
    with open_raster(cells()) as raster:
        make_map(raster, segmenter(raster, predict, **changes), output)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(out) as file:
        return file.read(1)


def test_a_function_of_cells_comes_through_as_it_is(tmp_path):
    normalisation = tiles().normalisation
    known = np.isfinite(cells())
    expected = normalisation.apply(cells(), known).mean(axis=0)
    found = mapped(tmp_path, brightness, 16)
    assert np.array_equal(np.isnan(found), ~known.any(axis=0))
    assert_close(found[known.any(axis=0)], expected[known.any(axis=0)], 1e-6)


@pytest.mark.parametrize("blending", ["linear", "cosine"])
def test_blocks_do_not_show(tmp_path, blending):
    maps = [mapped(tmp_path, knows_its_tile, size, blending=blending) for size in (16, 23, 64)]
    assert np.array_equal(maps[0], maps[1], equal_nan=True)
    assert np.array_equal(maps[0], maps[2], equal_nan=True)


def test_tiles_do_not_show(tmp_path):
    found = mapped(tmp_path, knows_its_tile, 64)
    steps = np.abs(np.diff(found[20:28], axis=1))
    # without blending all of the difference between two tiles would lie between two cells
    alone = mapped(tmp_path, knows_its_tile, 63, overlap=0)
    assert np.nanmax(steps) < 0.5 * np.nanmax(np.abs(np.diff(alone[20:28], axis=1)))

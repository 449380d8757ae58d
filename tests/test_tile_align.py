"""`foundation_tile_align()`: what a user calls, and what the stack is good for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

import edaphos_bridge
from edaphos_bridge import foundation_tile_align, foundation_tile_dataset
from edaphos_bridge.errors import InputError
from raster_cells import whole


@pytest.fixture
def write(tmp_path):
    def write(name, cells, size, crs="EPSG:32723", left=500000, top=9000000):
        path = tmp_path / f"{name}.tif"
        profile = {"count": 1, "height": cells.shape[0], "width": cells.shape[1]}
        where = rasterio.Affine(size, 0, left, 0, -size, top)
        with rasterio.open(path, "w", dtype="float32", crs=crs, transform=where, **profile) as file:
            file.write(cells.astype("float32"), 1)
        return path

    return write


@pytest.fixture
def fine(write):
    return write("ndvi", np.random.default_rng(1).normal(size=(60, 60)), 10)


@pytest.fixture
def coarse(write):
    return write("rain", np.random.default_rng(2).normal(size=(20, 20)), 30)


def test_rasters_of_different_grids_become_a_stack_of_patches(fine, coarse, tmp_path):
    path = foundation_tile_align([fine, coarse], filename=tmp_path / "stack.tif")
    assert path == tmp_path / "stack.tif"
    tiles = foundation_tile_dataset(path, patch_size=8, n_patches=5, seed=1)
    assert tiles.bands == ["ndvi", "rain"]
    np.testing.assert_array_equal(whole(path)[0], whole(fine)[0])


@pytest.mark.parametrize("kind", ["size", "place", "crs"])
def test_a_stack_of_different_grids_is_refused_with_this_call(fine, coarse, write, kind):
    other = {
        "size": coarse,
        "place": write("place", np.zeros((60, 60)), 10, left=500005),
        "crs": write("crs", np.zeros((60, 60)), 10, crs="EPSG:32722"),
    }[kind]
    with pytest.raises(
        InputError, match=r"`stack` must be files on one grid.*foundation_tile_align"
    ):
        foundation_tile_dataset([fine, other])
    with pytest.raises(
        InputError, match=r"`valid_mask` must.*foundation_tile_align\(\) brings both"
    ):
        foundation_tile_dataset(fine, 8, 5, valid_mask=other)


def test_without_a_name_the_file_goes_with_the_process(fine):
    path = foundation_tile_align([fine])
    np.testing.assert_array_equal(whole(path), whole(fine))
    assert foundation_tile_align([fine]) != path
    code = "import sys, edaphos_bridge as e; print(e.foundation_tile_align([sys.argv[1]]))"
    folder = str(Path(edaphos_bridge.__file__).parents[1])
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {folder!r}); {code}",
        str(fine),
    ]
    gone = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    assert gone.suffix == ".tif"
    assert not gone.parent.exists()


def test_nothing_is_written_before_all_is_checked(fine, tmp_path):
    before = sorted(tmp_path.iterdir())
    bad = {"method": "best", "target_res": -1, "target_crs": "none", "aoi": (1,), "overwrite": 1}
    for name, value in bad.items():
        with pytest.raises(InputError, match=f"`{name}`"):
            foundation_tile_align([fine], filename=tmp_path / "a.tif", **{name: value})
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("west", "settings"),
    [
        ([200], {"target_res": 2.0}),
        ([200, -160], {}),
        ([-160, 200], {}),
        ([170, -190], {"target_res": 2.0}),
        ([200], {"target_crs": "EPSG:4674"}),
    ],
)
def test_longitudes_beyond_180_are_the_same_places_on_a_grid_of_longitudes(
    write, tmp_path, west, settings
):
    rows = np.repeat(np.arange(20.0)[:, None], 20, axis=1)
    stack = [
        write(f"band{k}", rows, 1, "EPSG:4326", left=left, top=10) for k, left in enumerate(west)
    ]
    found = whole(foundation_tile_align(stack, filename=tmp_path / "stack.tif", **settings))
    assert not np.isnan(found).any()
    for band in found:
        np.testing.assert_array_equal(band, found[0])

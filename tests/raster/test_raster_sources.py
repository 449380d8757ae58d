"""Rasters: files, several files, arrays and mappings give the same cells, window by window."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given
from hypothesis import strategies as st
from rasterio import Affine

from edaphos_bridge.errors import EdaphosError, InputError
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.sources import open_raster
from raster_cells import whole


def test_the_bands_of_several_files_follow_each_other_and_each_keeps_its_nodata(write_tif):
    one = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
    other = np.arange(20, dtype=np.float32).reshape(1, 4, 5) - 5
    paths = [write_tif("a.tif", one, nodata=3), str(write_tif("b.tif", other, nodata=-1))]
    expected = np.concatenate(
        [np.where(one == 3, np.nan, one.astype(float)), np.where(other == -1, np.nan, other)]
    )
    assert np.array_equal(whole(paths), expected, equal_nan=True)
    assert np.array_equal(whole(tuple(paths)), expected, equal_nan=True)


def test_bands_are_named_by_their_descriptions_else_by_their_file(write_tif):
    one, two = np.zeros((1, 4, 5)), np.zeros((2, 4, 5))
    paths = [
        write_tif("ph.tif", one),
        write_tif("s2.tif", two),
        write_tif("named.tif", two, names=("B4", None)),
    ]
    with open_raster(paths) as raster:
        assert raster.bands == ["ph", "s2_1", "s2_2", "B4", "named_2"]


class OfShape(Raster):
    """A raster that has blocks but no cells."""

    def __init__(self, channels, height, width, block_shape):
        names = [str(band) for band in range(channels)]
        super().__init__(names, height, width, (1, 0, 0, 0, 1, 0), block_shape)

    def describe(self):
        return None

    def _read(self, window):
        raise AssertionError


@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40), st.data())
def test_blocks_cover_the_raster_once_and_hold_a_bounded_number_of_values(
    channels, height, width, data
):
    shape = data.draw(st.integers(1, height + 5)), data.draw(st.integers(1, width + 5))
    limit = data.draw(st.integers(1, 400))
    seen = np.zeros((height, width), dtype=int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", limit)
        for row, col, rows, columns in OfShape(channels, height, width, shape).blocks():
            assert rows > 0
            assert columns > 0
            assert channels * rows * columns <= max(limit, channels)
            seen[row : row + rows, col : col + columns] += 1
    assert (seen == 1).all()


def test_blocks_are_whole_blocks_of_the_file_where_these_fit(monkeypatch):
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 4 * 1000)
    tiled = list(OfShape(4, 100, 100, (16, 16)).blocks())
    assert tiled[0] == Window(0, 0, 16, 48)
    assert all(not (one.row % 16 or one.col % 16) for one in tiled)
    strips = list(OfShape(4, 100, 100, (4, 100)).blocks())
    assert strips[0] == Window(0, 0, 8, 100)
    assert all(other.row - one.row == 8 for one, other in pairwise(strips))


def test_what_describes_a_raster_in_files_opens_it_again(write_tif, image):
    path = write_tif("one.tif", image, names=("a", "b", "c"))
    with open_raster([path, path]) as raster:
        described = json.loads(json.dumps(raster.describe()))
    assert described == {
        "files": [{"path": str(path), "bands": [1, 2, 3]}] * 2,
        "names": ["a", "b", "c"] * 2,
        "transform": [10, 0, 500, 0, -10, 900],
        "crs": "EPSG:32723",
    }
    with open_raster(described) as raster:
        assert raster.describe() == described
    assert np.array_equal(whole(described), np.concatenate([image, image]), equal_nan=True)


def test_a_mapping_chooses_and_names_bands_and_says_where_the_raster_lies(write_tif, image):
    path = write_tif("one.tif", image)
    stack = {
        "files": [{"path": path, "bands": [3.0, 1]}],
        "names": ["x", "y"],
        "transform": [1, 0, 5, 0, -1, 7],
    }
    with open_raster(stack) as raster:
        assert raster.bands == ["x", "y"]
        assert raster.transform == (1, 0, 5, 0, -1, 7)
    assert np.array_equal(whole(stack), image[[2, 0]], equal_nan=True)


def test_a_single_band_and_name_may_come_without_a_list_as_r_gives_them(write_tif, image):
    path = str(write_tif("one.tif", image))
    stack = {"files": [{"path": path, "bands": 2}], "names": "b", "transform": None}
    with open_raster(stack) as raster:
        assert raster.bands == ["b"]
        assert raster.transform == (10, 0, 500, 0, -10, 900)
    assert np.array_equal(whole(stack), image[[1]], equal_nan=True)


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": None},
        {"files": [{"path": "one.tif"}]},
        {"files": ["one.tif"]},
        {"transform": [1, 2, 3]},
        {"transform": [0, 0, 0, 0, 0, 0]},
        {"transform": [1, 0, np.nan, 0, 1, 0]},
        {"names": ["a"]},
        {"bands": []},
        {"bands": [0]},
        {"bands": [4]},
        {"bands": [1.5]},
    ],
)
def test_a_mapping_that_is_no_raster_is_an_error_that_names_the_argument(write_tif, image, change):
    bands = change.pop("bands", [1, 2])
    path = str(write_tif("one.tif", image))
    stack = {"files": [{"path": path, "bands": bands}], "names": ["a", "b"], **change}
    with pytest.raises(InputError, match=r"^`stack` must"):
        open_raster(stack)


def test_files_without_georeference_have_columns_and_rows_for_coordinates(write_tif, tmp_path):
    array = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    path = tmp_path / "plain.pgm"  # a driver that leaves the transform unset
    path.write_bytes(b"P5 3 2 255 " + array.tobytes())
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        tif = write_tif("one.tif", array, transform=None, crs=None)
    for stack in (path, tif, [path, tif]):
        with open_raster(stack) as raster:
            assert raster.transform == (1, 0, 0, 0, 1, 0)
    assert np.array_equal(whole(path), array)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"height": 36}, "height and width"),
        ({"transform": Affine(10, 0, 501, 0, -10, 900)}, "transform"),
        ({"transform": Affine(10.1, 0, 500, 0, -10, 900)}, "transform"),
        ({"crs": "EPSG:4326"}, "coordinate reference system"),
    ],
)
def test_files_on_another_grid_are_an_error_that_names_the_first_and_what_differs(
    write_tif, image, change, what
):
    one = write_tif("one.tif", image)
    other = write_tif("other.tif", image[:, : change.get("height", 37)], **change)
    with pytest.raises(InputError, match=what) as caught:
        open_raster([one, one, other, one])
    assert f"{other} has another {what} than {one}" in str(caught.value)


def test_files_are_aligned_where_georeferences_differ_by_rounding_or_one_has_no_crs(
    write_tif, image
):
    one = write_tif("one.tif", image)
    nearly = Affine(10.00001, 0, 500.00001, 0, -10, 900)
    other = write_tif("other.tif", image, transform=nearly, crs=None)
    with open_raster([one, other]) as raster:
        assert raster.transform == (10, 0, 500, 0, -10, 900)


def test_whoever_gives_the_transform_has_seen_to_the_georeference_but_not_to_the_extents(
    write_tif, image
):
    one = write_tif("one.tif", image)
    moved = write_tif("moved.tif", image, transform=Affine(2, 0, 0, 0, -2, 0))
    small = write_tif("small.tif", image[:, 1:])

    def stack(path):
        files = [{"path": str(one), "bands": [1]}, {"path": str(path), "bands": [1]}]
        return {"files": files, "transform": [1, 0, 0, 0, -1, 37]}

    with open_raster(stack(moved)) as raster:
        assert raster.transform == (1, 0, 0, 0, -1, 37)
    with pytest.raises(InputError, match="height and width"):
        open_raster(stack(small))


def test_a_file_that_is_missing_or_no_raster_is_an_error_that_names_it(tmp_path):
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    for path in (tmp_path / "missing.tif", text, str(tmp_path)):
        with pytest.raises(InputError, match=r"^`stack` cannot be opened as a raster") as caught:
            open_raster(path)
        assert caught.value.found == str(path)


@pytest.mark.parametrize(
    "stack",
    [
        None,
        1,
        [],
        [1, 2],
        ["a.tif", None],
        b"a.tif",
        np.zeros((3, 3)),
        np.zeros((1, 3, 3, 3)),
        np.zeros((0, 3, 3)),
        np.zeros((1, 0, 3)),
        np.zeros((1, 3, 3), dtype=complex),
        np.full((1, 3, 3), "a"),
        torch.zeros(3, 3),
    ],
)
def test_something_that_is_no_raster_is_an_error_that_names_the_argument(stack):
    with pytest.raises(InputError, match=r"^`other` must") as caught:
        open_raster(stack, argument="other")
    assert "; found " in str(caught.value)


def test_files_are_closed_at_the_end_of_the_block_and_when_opening_fails(
    write_tif, image, monkeypatch
):
    opened = []
    original = rasterio.open

    def recording(*arguments, **options):
        opened.append(original(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(rasterio, "open", recording)
    one, other = write_tif("one.tif", image), write_tif("other.tif", image[:, 1:])
    opened.clear()
    with open_raster([one, one]):
        assert [file.closed for file in opened] == [False, False]
    assert [file.closed for file in opened] == [True, True]
    with pytest.raises(InputError):
        open_raster([one, other])
    assert [file.closed for file in opened] == [True] * 4


def test_without_rasterio_files_are_an_error_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(EdaphosError, match="pip install rasterio"):
        open_raster(Path("a.tif"))


def test_a_name_of_gdal_may_be_longer_than_that_of_a_file():
    with pytest.raises(InputError, match="`stack` cannot be opened as a raster"):
        open_raster("NETCDF:" + "a" * 300)


def test_arrays_need_no_rasterio(fresh_python):
    code = """
import sys
sys.modules["rasterio"] = sys.modules["affine"] = None
import numpy as np
from edaphos_bridge.encoders.foundation import foundation_encoder
from edaphos_bridge.embed_at_coords import foundation_embed_at_coords
from edaphos_bridge.tile_dataset import foundation_tile_dataset
image = np.random.default_rng(1).normal(size=(2, 20, 20))
tiles = foundation_tile_dataset(image, 5, 10, seed=1)
encoder = foundation_encoder("moco", 2, seed=1)
found = foundation_embed_at_coords(encoder, [[3, 3]], image, dataset=tiles)
print(tiles.read([0]).shape, found.shape)
"""
    assert fresh_python(code).split("\n")[0] == "(1, 2, 5, 5) (1, 64)"

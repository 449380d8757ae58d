"""Tile data sets are copied and kept by what describes them, and open files when they read."""

import copy
import pickle

import numpy as np
import pytest
import xarray as xr

from edaphos_bridge import foundation_moco_pretrain_tiles, foundation_tile_dataset
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.raster.file_raster import FileRaster
from edaphos_bridge.raster.tile_file import tiles_from_bytes, tiles_to_bytes
from edaphos_bridge.raster.tiles import FoundationTileDataset

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda tiles: pickle.loads(pickle.dumps(tiles)),
    "bytes": lambda tiles: tiles_from_bytes(tiles_to_bytes(tiles)),
}


@pytest.fixture
def path(write_tif, image):
    return write_tif("one.tif", image)


@pytest.fixture
def tiles(path):
    return foundation_tile_dataset(path, 4, 20, seed=1)


@pytest.fixture
def nothing_is_opened(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a raster was opened")

    with monkeypatch.context() as patch:
        patch.setattr(FileRaster, "__init__", refuse)
        yield patch


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_a_dataset_gives_the_same_patches(tiles, name):
    twin = COPIES[name](tiles)
    again = COPIES[name](twin)
    tiles.raster.close()
    for one in (twin, again):
        assert np.array_equal(one.read(range(20)), foundation_tiles(tiles).read(range(20)))
        assert one.fingerprint() == tiles.fingerprint()
        assert repr(one) == repr(tiles)


def foundation_tiles(tiles):
    """The data set anew."""
    return FoundationTileDataset.from_dict(tiles.to_dict())


@pytest.mark.parametrize("name", ["copy", "deepcopy", "pickle"])
def test_a_dataset_of_an_array_is_copied_with_its_array(image, name):
    for stack in (image, xr.DataArray(image, dims=("band", "y", "x"))):
        tiles = foundation_tile_dataset(stack, 4, 20, seed=1)
        assert np.array_equal(COPIES[name](tiles).read(range(20)), tiles.read(range(20)))


def test_what_is_copied_holds_no_file_open_and_reads_after_it_was_closed(tiles):
    twin = pickle.loads(pickle.dumps(tiles))
    before = twin.read([3])
    with twin.raster:
        assert np.array_equal(twin.read([3]), before)
    assert np.array_equal(twin.read([3]), before)


@pytest.mark.parametrize("place", ["/vsicurl/http://127.0.0.1:1/a.tif", "http://127.0.0.1:1/a.tif"])
def test_a_state_with_a_network_path_opens_nothing_when_it_is_loaded(
    tiles, place, nothing_is_opened
):
    tensors, metadata = unpack("tile dataset", tiles_to_bytes(tiles))
    metadata["stack"]["files"][0]["path"] = place
    data = pack("tile dataset", tensors, metadata)
    loaded = tiles_from_bytes(data)
    for twin in (loaded, copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert twin.shape == tiles.shape
        assert "20" in repr(twin)
        assert twin.overlapping == tiles.overlapping
    assert tiles_to_bytes(loaded) == data


def test_a_path_is_kept_whole_so_that_another_folder_finds_it(path, monkeypatch, tmp_path):
    monkeypatch.chdir(path.parent)
    tiles = foundation_tile_dataset(path.name, 4, 20, seed=1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert np.array_equal(copy.deepcopy(tiles).read([1]), tiles.read([1]))


def test_a_home_folder_is_expanded(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    assert foundation_tile_dataset(f"~/{path.name}", 4, 20, seed=1).n_patches == 20


# --- a GeoTIFF that lies nowhere ---------------------------------------------------------------


@pytest.fixture
def held(path):
    files = [{"path": "", "bands": [1, 2, 3], "data": path.read_bytes(), "shown": "in memory"}]
    path.unlink()
    return {"files": files, "names": ["a", "b", "c"], "transform": [10, 0, 500, 0, -10, 900]}


def test_a_geotiff_as_bytes_goes_with_the_dataset(held, image):
    tiles = foundation_tile_dataset(held, 4, 20, seed=1)
    expected = foundation_tile_dataset(image, 4, 20, seed=1)
    for make in COPIES.values():
        assert np.array_equal(make(tiles).read(range(20)), expected.read(range(20)))
    fit = foundation_moco_pretrain_tiles(COPIES["bytes"](tiles), epochs=1, batch_size=8, seed=1)
    assert np.isfinite(fit.final_loss)


def test_nothing_but_a_geotiff_is_opened_from_bytes(held, tmp_path):
    vrt = b"<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>"
    for data in (vrt, b"", b"II*\0" + bytes(20)):
        held["files"][0]["data"] = data
        with pytest.raises(InputError, match=r"cannot be opened.*'in memory'"):
            foundation_tile_dataset(held, 4, 20)


def test_bytes_that_are_cut_or_lost_are_a_typed_error(held):
    tensors, metadata = unpack(
        "tile dataset", tiles_to_bytes(foundation_tile_dataset(held, 4, 20, seed=1))
    )
    lost = {"cells": tensors["cells"]}
    cut = {**tensors, "file.0": tensors["file.0"][:500].clone()}
    for damaged in (lost, cut):
        with pytest.raises((InputError, WeightsError)):
            tiles_from_bytes(pack("tile dataset", damaged, metadata)).read([0])


@pytest.mark.parametrize("change", [{"files": 3}, {"files": [3]}, {"transform": None}, {}])
def test_a_description_that_is_none_is_a_typed_error(tiles, change):
    values = tiles.to_dict()
    values["stack"] = {**values["stack"], **change} if change else 3
    with pytest.raises((InputError, WeightsError)):
        FoundationTileDataset.from_dict(values).read([0])

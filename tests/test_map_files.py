"""Where a map goes: to the file that is meant, never over its raster, as GDAL can write it."""

import os
import shutil

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray

from edaphos_bridge import (
    foundation_applicability,
    foundation_applicability_raster,
    foundation_embed_raster,
    foundation_predict_raster,
    foundation_smooth_raster,
    foundation_tile_align,
    foundation_uncertainty_raster,
)
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.sources import open_raster
from mapped import cells, classifier, encoder, map_of


@pytest.fixture
def raster(write_tif):
    return write_tif("in.tif", cells(), nodata=np.nan)


def mapped(raster, out, **how):
    how = {"stride": 8, **how}
    return foundation_predict_raster(classifier(), raster, out, **how)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# --- the raster itself ---------------------------------------------------------------------------

VERBS = {
    "predict": lambda raster, out: mapped(raster, out, overwrite=True),
    "embed": lambda raster, out: foundation_embed_raster(
        encoder(), raster, out, stride=8, overwrite=True
    ),
    "smooth": lambda raster, out: foundation_smooth_raster(raster, out, overwrite=True),
    "uncertainty": lambda raster, out: foundation_uncertainty_raster(raster, out, overwrite=True),
    "applicability": lambda raster, out: foundation_applicability_raster(
        foundation_applicability(np.nan_to_num(cells()).reshape(4, -1).T[:50]),
        raster,
        out,
        overwrite=True,
    ),
    "align": lambda raster, out: foundation_tile_align([raster], filename=out, overwrite=True),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", ["itself", "a link", "a hard link", "the source of a VRT"])
def test_no_map_replaces_the_raster_that_it_is_made_of(raster, tmp_path, verb, kind):
    out, stack = tmp_path / "in.tif", raster
    if kind == "a link":
        out = tmp_path / "link.tif"
        out.symlink_to("in.tif")
    elif kind == "a hard link":
        out = tmp_path / "link.tif"
        out.hardlink_to(raster)
    elif kind == "the source of a VRT":
        stack = tmp_path / "in.vrt"
        rasterio.shutil.copy(raster, stack, driver="VRT")
    before, names = raster.read_bytes(), names_in(tmp_path)
    with pytest.raises(InputError, match=r"a file of the raster itself|one of the sources"):
        VERBS[verb](stack, out)
    assert raster.read_bytes() == before
    assert names_in(tmp_path) == names


def test_a_data_array_remembers_the_file_that_it_was_opened_from(raster):
    array = xarray.DataArray(cells(), dims=("band", "y", "x"))
    array.encoding["source"] = str(raster)
    with pytest.raises(InputError, match="`out` is a file of the raster itself"):
        mapped(array, raster, overwrite=True)


def test_what_a_raster_is_made_of_are_sources_and_masks_and_no_statistics(raster, tmp_path):
    vrt = tmp_path / "in.vrt"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(raster, "r+") as file:
        file.write_mask(np.ones((41, 53), dtype=bool))
    rasterio.shutil.copy(raster, vrt, driver="VRT")
    (tmp_path / "in.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    with open_raster(raster) as found:
        assert set(found.files()) == {str(raster), f"{raster}.msk"}
        assert found.is_made_of(raster)
        assert not found.is_made_of(tmp_path / "other.tif")
    with open_raster(vrt) as found:
        assert {str(vrt), str(raster)} <= set(found.files())
    assert open_raster(cells()).files() == []


# --- the place -----------------------------------------------------------------------------------


def test_a_link_stays_one_and_blocks_lie_beside_the_file_behind_it(raster, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    out = tmp_path / "map.tif"
    out.symlink_to("there/real.tif")
    beside = []
    map_of(classifier(), raster, out, lambda report: beside.append(names_in(there)), stride=8)
    assert beside == [["real.tif.parts"]]
    assert os.readlink(out) == "there/real.tif"
    assert names_in(there) == ["real.tif", "real.tif.aux.xml"]
    assert names_in(tmp_path) == ["in.tif", "map.tif", "there"]


def test_a_map_that_replaces_another_keeps_its_mode_and_nothing_beside_it(raster, tmp_path):
    out = mapped(raster, tmp_path / "map.tif")
    out.chmod(0o640)
    for ending in (".ovr", ".msk"):
        shutil.copy(raster, f"{out}{ending}")
    mapped(raster, out, type="prob", overwrite=True)
    assert out.stat().st_mode & 0o777 == 0o640
    assert names_in(tmp_path) == ["in.tif", "map.tif"]


def test_a_relative_path_is_meant_from_where_the_call_began(raster, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    found = map_of(
        classifier(), raster, "map.tif", lambda report: os.chdir(tmp_path / "other"), stride=8
    )
    assert str(found) == "map.tif"
    assert names_in(tmp_path) == ["in.tif", "map.tif", "map.tif.aux.xml", "other"]
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize(
    "name", ["zip:x.tif", "file:x.tif", "GTIFF_DIR:1:x.tif", "a?b#c%20.tif", "ü ß&'\".tif", "x.TIF"]
)
def test_a_name_that_gdal_would_read_in_its_own_way_is_a_files(raster, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    mapped(raster, name, type="prob")
    assert names_in(tmp_path) == sorted(["in.tif", name])


@pytest.mark.parametrize("name", ["x", "x.png", "x.tif.gz"])
def test_a_name_of_another_kind_of_file_is_refused(raster, tmp_path, name):
    with pytest.raises(InputError, match=r"`out` must end in \.tif: a GeoTIFF is written"):
        mapped(raster, tmp_path / name)
    assert names_in(tmp_path) == ["in.tif"]


def test_a_name_that_is_no_text_is_refused_before_anything_is_computed(raster, tmp_path):
    names = names_in(tmp_path)
    with pytest.raises(InputError, match="`out` must be a path in UTF-8"):
        mapped(raster, tmp_path / "a\udcff.tif")
    with pytest.raises(InputError, match="`filename` must be a path in UTF-8"):
        foundation_tile_align([raster], filename=tmp_path / "a\udcff.tif")
    assert names_in(tmp_path) == names


def test_a_file_that_appears_meanwhile_is_not_replaced(raster, tmp_path):
    out = tmp_path / "map.tif"

    def appear(report):
        if not out.exists():
            out.write_text("of somebody else")

    with pytest.raises(InputError, match=r"`out` exists already.*overwrite=True"):
        map_of(classifier(), raster, out, appear, stride=4)
    assert out.read_text() == "of somebody else"
    rest = []
    map_of(classifier(), raster, out, rest.append, stride=4, overwrite=True)
    assert rest == []  # all blocks were there
    assert rasterio.open(out).count == 1


# --- what is refused leaves nothing --------------------------------------------------------------


def test_a_map_without_a_finished_block_leaves_no_folder(tmp_path):
    no_probabilities = np.ones((2, 20, 20))
    with pytest.raises(InputError, match="`stack` must have probabilities"):
        foundation_uncertainty_raster(no_probabilities, tmp_path / "map.tif")
    assert not list(tmp_path.iterdir())


OPTIONS = {
    "what rasterio takes": ({"driver": "GTiff"}, "class"),
    "where it is read": ({"src": "in.tif"}, "class"),
    "where it is written": ({"dst": "out.tif"}, "class"),
    "how strictly": ({"strict": False}, "class"),
    "no tile": ({"BLOCKSIZE": 0}, "class"),
    "no tile in small letters": ({"blocksize": "0"}, "class"),
    "a tile of less than nothing": ({"BLOCKSIZE": -16}, "prob"),
    "a tile of a word": ({"BLOCKSIZE": "large"}, "prob"),
    "a tile of other cells": ({"BLOCKSIZE": 200}, "prob"),
    "a tile beyond any memory": ({"BLOCKSIZE": 2**31}, "prob"),
    "a picture of codes": ({"COMPRESS": "JPEG"}, "class"),
    "a picture of numbers": ({"COMPRESS": "JPEG"}, "prob"),
    "a predictor of other numbers": ({"PREDICTOR": 3}, "class"),
    "fewer bits than numbers have": ({"NBITS": 16}, "prob"),
    "fewer bits than codes have": ({"NBITS": 1, "PREDICTOR": "NO"}, "class"),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("to_file", [True, False])
def test_options_that_gdal_cannot_follow_are_refused_before_work(tmp_path, name, to_file):
    options, kind = OPTIONS[name]
    out = tmp_path / "map.tif" if to_file else None
    with pytest.raises(InputError, match="`options` must be creation options"):
        mapped(cells(), out, type=kind, options=options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"PREDICTOR": 3}, "prob"),
        ({"compress": "zstd", "BlockSize": "256"}, "class"),
        ({"NBITS": 2, "PREDICTOR": "NO"}, "class"),
        ({"COMPRESS": "LERC", "MAX_Z_ERROR": 0.01}, "prob"),
    ],
)
def test_options_are_those_of_the_numbers_that_a_map_has(tmp_path, options, kind):
    out = mapped(cells(), tmp_path / "map.tif", type=kind, options=options)
    expected = mapped(cells(), None, type=kind).values
    with rasterio.open(out) as file:
        found = file.read()
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(abs(found - expected.astype(float))) <= options.get("MAX_Z_ERROR", 0)

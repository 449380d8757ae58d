"""What numbers of a raster of classes are called: by GDAL beside a file, by CF in an array."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from edaphos_bridge.errors import EdaphosWarning
from edaphos_bridge.raster.class_names import class_names
from edaphos_bridge.raster.sources import open_raster

NAMES = {1.0: "wood", 3.0: "crop & field"}
CATEGORIES = (
    "<CategoryNames><Category></Category><Category>wood</Category><Category/>"
    "<Category>crop &amp; field</Category></CategoryNames>"
)


def table(value, name, rows=(("1", "wood"), ("3", "crop &amp; field"))):
    """A raster attribute table with the usages of its columns, and one of colours before them."""
    columns = "".join(
        f"<FieldDefn index='{n}'><Name>any</Name><Type>{kind}</Type><Usage>{usage}</Usage>"
        "</FieldDefn>"
        for n, (kind, usage) in enumerate([(1, 6), (0, value), (2, name)])
    )
    cells = "".join(f"<Row><F>0.5</F><F>{v}</F><F>{n}</F></Row>" for v, n in rows)
    return f"<GDALRasterAttributeTable>{columns}{cells}</GDALRasterAttributeTable>"


@pytest.fixture
def path(write_tif):
    return write_tif("classes.tif", np.ones((2, 4, 5), dtype=np.uint8))


def beside(path, *bands):
    parts = "".join(
        f"<PAMRasterBand band='{number}'>{band}</PAMRasterBand>" for number, band in bands
    )
    text = f"<PAMDataset>{parts}</PAMDataset>"
    Path(f"{path}.aux.xml").write_text(text, encoding="utf-8")


def names_of(stack):
    with open_raster(stack) as raster:
        return class_names(stack, raster)


@pytest.mark.parametrize(
    "band",
    [
        CATEGORIES,
        table(5, 2),
        table(0, 0),  # as terra writes it
        CATEGORIES + table(5, 2, [("1", "other")]),
    ],
)
def test_names_stand_beside_the_file_as_categories_or_in_a_table(path, band):
    beside(path, (1, band))
    assert names_of(path) == NAMES


def test_a_band_has_its_own_names(path):
    beside(path, (1, CATEGORIES), (2, table(5, 2, [("7", "water")])))
    assert names_of({"files": [{"path": str(path), "bands": [2]}]}) == {7.0: "water"}


def test_rows_without_a_name_or_a_number_name_nothing(path):
    beside(path, (1, table(5, 2, [("1", ""), ("x", "a"), ("2", "b")]) + "<Row/>"))
    assert names_of(path) == {2.0: "b"}


@pytest.mark.parametrize(
    "band", ["", "<CategoryNames/>", table(5, 2, []), "<GDALRasterAttributeTable/>"]
)
def test_without_any_there_are_none(path, band):
    assert names_of(path) is None
    beside(path, (1, band))
    assert names_of(path) is None
    assert names_of(np.ones((1, 4, 5))) is None


def test_a_damaged_file_names_nothing_and_a_warning_says_so(path):
    path.with_name("classes.tif.aux.xml").write_text("<PAMDataset><PAM", encoding="utf-8")
    with open_raster(path) as raster, pytest.warns(EdaphosWarning, match=r"aux.xml is damaged"):
        assert class_names(path, raster) is None


def test_flags_of_a_data_array_are_names():
    flags = {"flag_values": np.array([3, 1], dtype=np.int8), "flag_meanings": "crop wood"}
    array = xr.DataArray(np.ones((4, 5)), dims=("y", "x"), attrs=flags)
    assert list(names_of(array).items()) == [(3.0, "crop"), (1.0, "wood")]
    array.attrs["classes"] = ["crop & field", "wood"]  # as maps of this package have them too
    assert names_of(array)[3.0] == "crop & field"
    for attrs in ({}, {"flag_values": [1, 2], "flag_meanings": "crop"}):
        array.attrs = attrs
        assert names_of(array) is None


def test_a_geotiff_of_bytes_has_no_file_beside_it(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    beside("", (1, CATEGORIES))
    held = {"files": [{"path": "", "bands": [1], "data": path.read_bytes()}]}
    assert names_of(held) is None

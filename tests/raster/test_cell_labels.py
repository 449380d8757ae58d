"""Labels of cells: rasters, arrays and shapes become codes of classes, or an error says why."""

import sys
from types import SimpleNamespace

import dask.array
import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
import xarray as xr

from edaphos_bridge.errors import EdaphosError, EdaphosWarning, InputError
from edaphos_bridge.raster.cell_labels import open_labels
from edaphos_bridge.raster.sources import open_raster
from raster_shapes import Frame, point, polygon, square

# 0 stands for no class; stacks and rasters of labels are written where write_tif() puts them.
CELLS = np.zeros((6, 8), dtype=int)
CELLS[0:2, 0:3], CELLS[3:6, 4:8], CELLS[2, 7] = 3, 1, 7
KNOWN = np.where(CELLS == 0, -1, np.searchsorted([1, 3, 7], CELLS))
NAMES = np.array([None, "wood", None, "crop", None, None, None, "water"], dtype=object)
TRANSFORM = (10, 0, 500, 0, -10, 900)


@pytest.fixture
def stack(write_tif):
    values = np.random.default_rng(1).normal(size=(2, 6, 8))
    with open_raster(write_tif("stack.tif", values)) as raster:
        yield raster


def codes(labels, stack, field=None, unlabelled=None):
    """The codes of all cells, and the classes."""
    with open_labels(labels, field, unlabelled, stack) as found:
        whole = found.codes(0, 0, 6, 8)
    assert whole.dtype == np.int16
    return whole, found.classes


def in_utm(side, *, left=0, top=0):
    """A square of so many cells, with its upper left corner in a cell's."""
    return square(500 + 10 * left, 900 - 10 * (top + side), 10 * side)


@pytest.fixture
def frame():
    """Polygons that label `CELLS`, and some that label nothing."""
    crop = polygon([(500, 900), (530, 900), (530, 880), (500, 880)])
    wood = polygon([(540, 870), (580, 870), (580, 840), (540, 840)])
    return Frame(
        [wood, crop, None, point(577, 871), in_utm(6), square(0, 0, 5)],
        "EPSG:32723",
        cover=pd.Series(["wood", "crop", "crop", "water", None, "rock"]),
        number=pd.Series([1, 3, 3, 7, np.nan, 9]),
        size=pd.Series([1.5, 2, 3, 4.5, None, 6]),
    )


# --- rasters and arrays ----------------------------------------------------------------------


KINDS = ["int", "float", "masked", "dask", "tensor", "band", "table", "file", "nodata", "xarray"]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_are_classes_and_cells_without_data_unlabelled(stack, write_tif, kind):
    holed = np.where(CELLS == 0, np.nan, CELLS)
    given = {
        "int": lambda: CELLS,
        "float": lambda: holed,
        "masked": lambda: np.ma.masked_equal(CELLS, 0),
        "dask": lambda: dask.array.from_array(CELLS, chunks=2),
        "tensor": lambda: torch.from_numpy(holed),
        "band": lambda: holed[None],
        "table": lambda: pd.DataFrame(holed),
        "file": lambda: write_tif("labels.tif", holed[None]),
        "nodata": lambda: write_tif("labels.tif", CELLS[None].astype(np.uint8), nodata=0),
        "xarray": lambda: xr.DataArray(
            holed,
            dims=("y", "x"),
            coords={"y": 895 - 10 * np.arange(6), "x": 505 + 10 * np.arange(8)},
        ),
    }[kind]()
    unlabelled = 0 if kind in ("int", "dask") else None
    found, classes = codes(given, stack, unlabelled=unlabelled)
    assert classes == [1, 3, 7]
    assert all(type(label) is int for label in classes)
    assert np.array_equal(found, KNOWN)


def test_0_is_a_class_unless_it_is_said_to_stand_for_none(stack):
    found, classes = codes(CELLS, stack)
    assert classes == [0, 1, 3, 7]
    assert np.array_equal(found, KNOWN + 1)
    assert codes(CELLS, stack, unlabelled=0.0)[1] == [1, 3, 7]
    assert codes(CELLS, stack, unlabelled=99)[1] == [0, 1, 3, 7]


@pytest.mark.parametrize("kind", [np.ndarray, np.ma.masked_array, "text"])
def test_text_is_sorted_and_may_be_missing(stack, kind):
    labels = NAMES[CELLS]
    if kind is np.ma.masked_array:
        labels = np.ma.masked_array(np.where(CELLS == 0, "rock", labels).astype(str), CELLS == 0)
    if kind == "text":
        labels = np.where(CELLS == 0, "", labels).astype(str)
    found, classes = codes(labels, stack, unlabelled="" if kind == "text" else None)
    assert classes == ["crop", "water", "wood"]
    assert np.array_equal(found, np.array([-1, 2, -1, 0, -1, -1, -1, 1])[CELLS])


@pytest.mark.parametrize(
    "make", [np.asarray, torch.from_numpy, lambda a: xr.DataArray(a, dims=("y", "x"))]
)
def test_bool_has_the_classes_false_and_true(make):
    with open_raster(np.ones((1, 6, 8))) as raster:
        found, classes = codes(make(CELLS > 1), raster)
    assert (classes, found.tolist()) == ([False, True], (CELLS > 1).astype(int).tolist())
    assert all(type(label) is bool for label in classes)


def test_names_beside_a_file_are_its_classes_in_their_order(stack, write_tif):
    path = write_tif("labels.tif", CELLS[None].astype(np.uint8), nodata=0)
    listed = "<Category/><Category>wood</Category><Category>ice</Category><Category>crop</Category>"
    band = "<PAMRasterBand band='1'><CategoryNames>{}</CategoryNames></PAMRasterBand>"
    xml = f"<PAMDataset>{band}</PAMDataset>"
    beside = path.with_name("labels.tif.aux.xml")
    beside.write_text(xml.format(listed + 3 * "<Category/>" + "<Category>water</Category>"))
    found, classes = codes(path, stack)
    assert classes == ["wood", "crop", "water"]
    assert np.array_equal(found, KNOWN)
    assert codes(path, stack, unlabelled="crop")[1] == ["wood", "water"]
    # what has no name is of no class, and is told
    beside.write_text(xml.format(listed))
    with pytest.warns(EdaphosWarning, match=r"Cells of `labels` are 7, .*\(wood, ice, crop\)"):
        found, classes = codes(path, stack)
    assert (classes, found[2, 7]) == (["wood", "crop"], -1)
    # two numbers of one name are one class
    beside.write_text(xml.format(listed + 3 * "<Category/>" + "<Category>wood</Category>"))
    found, classes = codes(path, stack)
    assert (classes, found[2, 7], found[5, 5]) == (["wood", "crop"], 0, 0)


def test_levels_that_come_with_a_raster_are_its_names_and_no_file_is_asked(stack, write_tif):
    """As R gives a SpatRaster: without levels it has none, whatever stands beside its file."""
    path = write_tif("labels.tif", CELLS[None].astype(np.uint8), nodata=0)
    path.with_name("labels.tif.aux.xml").write_text("no XML")
    given = {"files": [{"path": str(path), "bands": [1]}]}
    assert codes({**given, "levels": None}, stack)[1] == [1, 3, 7]
    found, classes = codes({**given, "levels": {3.0: "b", 1.0: "a", 7.0: "c"}}, stack)
    assert classes == ["b", "a", "c"]
    assert np.array_equal(found, np.array([-1, 1, -1, 0, -1, -1, -1, 2])[CELLS])


def test_labels_lie_where_their_coordinates_say(stack, write_tif):
    flipped = write_tif(
        "labels.tif", CELLS[None, ::-1, ::-1].astype(np.uint8), nodata=0,
        transform=rasterio.Affine(-10, 0, 580, 0, 10, 840),
    )  # fmt: skip
    assert np.array_equal(codes(flipped, stack)[0], KNOWN)


def test_a_cell_without_data_in_any_band_is_unlabelled(write_tif):
    values = np.random.default_rng(1).normal(size=(2, 6, 8))
    values[:, 4, 5] = values[0, 0, 0] = np.nan
    with open_raster(write_tif("stack.tif", values)) as raster:
        found = codes(np.where(CELLS == 0, np.nan, CELLS), raster)[0]
    expected = KNOWN.copy()
    expected[4, 5] = -1
    assert np.array_equal(found, expected)


def test_beyond_the_raster_there_is_no_label(stack):
    with open_labels(CELLS, None, 0, stack) as labels:
        found = labels.codes(-2, 5, 5, 6)
    expected = np.full((5, 6), -1)
    expected[2:, :3] = KNOWN[:3, 5:]
    assert np.array_equal(found, expected)


# --- polygons and points -----------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [20, 10**6])
@pytest.mark.parametrize(("field", "expected"), [("cover", ["crop", "water", "wood"]),
                                                 ("number", [1, 3, 7])])  # fmt: skip
def test_shapes_label_cells_by_a_column_and_those_without_a_class_nothing(
    stack, frame, field, expected, blocks, monkeypatch
):
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", blocks)
    found, classes = codes(frame, stack, field)
    assert classes == expected  # "rock" and 9 label no cell of this raster
    order = np.array([-1, 2, -1, 0, -1, -1, -1, 1]) if field == "cover" else None
    assert np.array_equal(found, KNOWN if order is None else order[CELLS])


def test_categories_have_their_own_order_and_intervals_their_names(stack, frame):
    frame._columns["cover"] = pd.Categorical(
        ["wood", "crop", "crop", "water", None, "rock"], ["water", "wood", "ice", "rock", "crop"]
    )
    assert codes(frame, stack, "cover")[1] == ["water", "wood", "crop"]
    frame._columns["size"] = pd.cut(frame["size"], [0, 1.9, 2.5, 9])
    assert codes(frame, stack, "size")[1] == ["(0.0, 1.9]", "(1.9, 2.5]", "(2.5, 9.0]"]


def test_a_class_that_stands_for_none_neither_labels_nor_hides(stack, frame):
    frame._columns["cover"][4] = "unknown"  # over all of them
    found, classes = codes(frame, stack, "cover", "unknown")
    assert classes == ["crop", "water", "wood"]
    assert np.array_equal(found, np.array([-1, 2, -1, 0, -1, -1, -1, 1])[CELLS])


def test_where_polygons_of_other_classes_overlap_the_last_counts_and_cells_are_counted(stack):
    frame = Frame(
        [in_utm(3), in_utm(2, left=2, top=2), in_utm(2, left=1, top=1), in_utm(2)],
        a=pd.Series([1, 2, 2, 1]), b=pd.Series([1, 1, 1, 2]),
    )  # fmt: skip
    with pytest.warns(EdaphosWarning, match="^4 cells of `stack` lie in shapes of several classes"):
        found, _ = codes(frame, stack, "a")
    assert (found[:2, :2] == 0).all()
    assert (found[2, 1:3] == 1).all()
    with pytest.warns(EdaphosWarning, match="^4 cells"):
        assert (codes(frame, stack, "b")[0][:2, :2] == 1).all()


def test_shapes_in_another_crs_are_moved_to_that_of_the_stack(stack, frame):
    """`tests/raster/test_shapes.py` says how."""
    from rasterio.warp import transform_geom

    moved = Frame(
        [None if g is None else transform_geom("EPSG:32723", "EPSG:4326", g.__geo_interface__)
         for g in frame.geometry], "EPSG:4326", cover=frame["cover"],
    )  # fmt: skip
    assert np.array_equal(codes(moved, stack, "cover")[0], codes(frame, stack, "cover")[0])


def test_with_a_field_a_path_is_that_of_a_file_of_shapes(stack, frame, monkeypatch, tmp_path):
    read = []
    package = SimpleNamespace(read_file=lambda path: read.append(path) or frame)
    monkeypatch.setitem(sys.modules, "geopandas", package)
    monkeypatch.chdir(tmp_path)
    assert codes("fields.gpkg", stack, "cover")[1] == ["crop", "water", "wood"]
    assert read == [str(tmp_path / "fields.gpkg")]

    def fail(path):
        raise RuntimeError("no such layer")

    package.read_file = fail
    with pytest.raises(InputError, match=r"`labels` cannot be opened as .*\(no such layer\)"):
        codes("fields.gpkg", stack, "cover")
    monkeypatch.setitem(sys.modules, "geopandas", None)
    with pytest.raises(EdaphosError, match="pip install geopandas"):
        codes("fields.gpkg", stack, "cover")


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (CELLS + 0.5 * (CELLS == 3), "must hold classes; some numbers are not whole; found 3.5"),
        (np.arange(48).reshape(6, 8)[:, :7], "one band and the height and width"),
        (np.stack([CELLS, CELLS]), "one band"),
        (CELLS.astype(complex), "real numbers"),
        (NAMES[CELLS][:3], "height and width"),
        (np.where(CELLS > 1, np.array("a", dtype=object), 1.5), "whole numbers, text or bool"),
        (np.full((6, 8), {}, dtype=object), "whole numbers, text or bool"),
        (np.full((6, 8), "a\0b"), "valid text"),
        (np.full((6, 8), np.nan), "label no cell of `stack`"),
        (np.full((6, 8), None), "label no cell of `stack`"),
        (CELLS * 0 + 4, r"at least two classes; found \[4\]"),
        (True, "must be the path"),
        ("missing.tif", "cannot be opened as a raster"),
    ],
)
def test_labels_that_are_none_are_an_error_that_names_them(stack, labels, says):
    with pytest.raises(InputError, match=says) as caught:
        codes(labels, stack)
    assert caught.value.argument == "labels"


def test_more_classes_than_a_mask_can_have_are_refused_before_all_are_read(monkeypatch):
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 500)
    with open_raster(np.ones((1, 40, 50))) as raster:
        windows = []
        original = type(raster).read
        monkeypatch.setattr(
            type(raster), "read", lambda self, *w: windows.append(w) or original(self, *w)
        )
        with pytest.raises(InputError, match="at most 256 classes"):
            open_labels(np.arange(2000).reshape(40, 50), None, None, raster)
    assert len(windows) == 1
    many = np.arange(2000).reshape(40, 50) % 257
    with open_raster(np.ones((1, 40, 50))) as raster:
        assert open_labels(many, None, 256, raster).classes == list(range(256))
        with pytest.raises(InputError, match="at most 256 classes"):
            open_labels(many, None, None, raster)


def test_labels_on_another_grid_are_refused_with_both(stack, write_tif):
    cells = CELLS[None].astype(np.uint8)
    moved = write_tif("moved.tif", cells, transform=rasterio.Affine(10, 0, 510, 0, -10, 900))
    other = write_tif("other.tif", cells, crs="EPSG:32722")
    for path, says in ((moved, "510"), (other, "EPSG:32722")):
        with pytest.raises(InputError, match=f"`labels` must lie on the grid of `stack`.*{says}"):
            codes(path, stack)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (None, "with the class of each shape: cover, number, size, geometry; found None"),
        ("soil", "found 'soil'"),
        (3, "found 3"),
    ],
)
def test_a_field_that_is_no_column_is_refused(stack, frame, field, says):
    with pytest.raises(InputError, match=says) as caught:
        codes(frame, stack, field)
    assert caught.value.argument == "field"


def test_a_field_of_a_raster_is_refused_and_so_are_shapes_without_columns(stack, frame):
    with pytest.raises(InputError, match="must be left out where `labels` is a raster"):
        codes(CELLS, stack, "cover")
    with pytest.raises(InputError, match="a GeoDataFrame has columns"):
        codes(frame.geometry, stack, "cover")


@pytest.mark.parametrize(
    ("geometries", "says"),
    [
        ([], "must have polygons or points; found 0"),
        ([None], "must have polygons or points"),
        ([square(0, 0, 5)], "must lie on `stack`: x from 500 to 580, y from 840 to 900; found"),
        ([square(501, 891, 2)], "label no cell.*whose centres it holds"),
        ([in_utm(3)], r"at least two classes; found \[5\]. Cells without a label"),
        ([{"type": "LineString", "coordinates": [(500, 900), (580, 840)]}], "found 'LineString'"),
    ],
)
def test_shapes_that_label_too_little_are_refused(stack, geometries, says):
    frame = Frame(geometries, "EPSG:32723", cover=pd.Series([5] * len(geometries), dtype=float))
    with pytest.raises(InputError, match=says) as caught:
        codes(frame, stack, "cover")
    assert caught.value.argument == "labels"


@pytest.mark.parametrize("field", ["size", "geometry"])
def test_a_column_that_holds_no_classes_is_refused(stack, frame, field):
    with pytest.raises(InputError, match="must hold") as caught:
        codes(frame, stack, field)
    assert caught.value.argument == "labels"


@pytest.mark.parametrize(
    ("labels", "value", "says"),
    [
        (CELLS, "0", "must be as classes are: 0, 1, 3, 7; found '0'"),
        (CELLS, True, "found True"),
        (CELLS, [0], "must be one class; found"),
        (CELLS, np.array([0, 1]), "must be one class"),
        (NAMES[CELLS], 0, "crop, water, wood; found 0"),
        (CELLS > 1, 0, "False, True; found 0"),
    ],
)
def test_a_value_that_no_class_can_have_stands_for_nothing(stack, labels, value, says):
    with pytest.raises(InputError, match=says) as caught:
        codes(labels, stack, unlabelled=value)
    assert caught.value.argument == "unlabelled"


def test_text_of_a_data_array_lies_where_its_coordinates_say(stack):
    rows, columns = 895 - 10.0 * np.arange(6), 505 + 10.0 * np.arange(8)
    text = np.where(NAMES[CELLS] == None, "", NAMES[CELLS])  # noqa: E711
    labels = xr.DataArray(text.astype(str), {"y": rows, "x": columns}, ("y", "x"))
    expected, classes = codes(labels, stack, unlabelled="")
    for turned in (labels[::-1], labels.astype(object)[::-1], labels[:, ::-1], labels.T):
        found, same = codes(turned, stack, unlabelled="")
        assert same == classes
        assert np.array_equal(found, expected)
    with pytest.raises(InputError):
        codes(labels.assign_coords(y=rows + 5000), stack)

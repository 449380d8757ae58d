"""The one grid of rasters of different grids: whose cells, how large, and where."""

from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.aligned_grid import grid_for
from edaphos_bridge.raster.moved import Box, moved, moved_box
from edaphos_bridge.raster.sources import open_raster

UTM, LONLAT = CRS.from_epsg(32723), CRS.from_epsg(4326)


@pytest.fixture
def raster(write_tif):
    """Open an empty raster of the grid that is asked for."""
    opened = []

    def make(left, top, size, width, height, crs="EPSG:32723", *, down=-1):
        where = rasterio.Affine(size, 0, left, 0, down * size, top)
        path = write_tif(
            f"{len(opened)}.tif", np.zeros((1, height, width), np.float32), transform=where, crs=crs
        )
        opened.append(open_raster(path))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def assert_near(box, expected, metres):
    assert np.abs(np.subtract(box, expected)).max() < metres


def test_the_grid_of_the_first_is_kept_and_cut_to_what_all_have_in_common(raster):
    first = raster(500000, 8900000, 10, 60, 50)
    second = raster(500103, 8899897, 30, 100, 100)
    grid = grid_for([first, second], None, None, None)
    assert grid.transform == (10, 0, 500100, 0, -10, 8899900)
    assert (grid.height, grid.width) == (40, 50)
    assert grid.crs == UTM
    alone = grid_for([first], None, None, None)
    assert (alone.transform, alone.height, alone.width) == (first.transform, 50, 60)


def test_an_area_extends_the_grid_of_the_first_by_whole_cells(raster):
    first = raster(500000, 8900000, 10, 60, 50)
    grid = grid_for([first], None, None, (499991, 8899795, 500030, 8900030))
    assert grid.transform == (10, 0, 499990, 0, -10, 8900030)
    assert (grid.height, grid.width) == (24, 4)


@pytest.mark.parametrize(("res", "expected"), [(25, (25, 25)), ([20, 50], (20, 50))])
def test_other_cells_begin_at_the_upper_left_corner_of_the_area(raster, res, expected):
    first = raster(500000, 8900000, 10, 60, 50)
    grid = grid_for([first], res, None, (500013, 8899800, 500113, 8899990))
    width, height = expected
    assert grid.transform == (width, 0, 500013, 0, -height, 8899990)
    assert (grid.height, grid.width) == (int(np.ceil(190 / height)), int(np.ceil(100 / width)))


def test_the_size_of_the_first_that_is_written_out_is_no_other(raster):
    first = raster(500000, 8900000, 10, 60, 50)
    grid = grid_for([first], [10, 10.0], "EPSG:32723", (500013, 8899800, 500113, 8899990))
    assert grid.transform[2] == 500010


def test_a_source_in_another_crs_bounds_the_area_too(raster):
    first = raster(500000, 8900000, 10, 200, 200)
    second = raster(-45.0005, -9.949, 0.001, 8, 8, "EPSG:4326")
    grid = grid_for([first, second], None, None, None)
    _, bottom, right, top = transform_bounds(
        LONLAT, UTM, -45.0005, -9.957, -44.9925, -9.949, densify_pts=31
    )
    box = grid.box
    assert box.xmin == 500000
    assert 0 <= box.xmax - right < 10
    assert 0 <= box.ymax - min(top, 8900000) < 10
    assert 0 <= max(bottom, 8898000) - box.ymin < 10
    assert right < 502000 or top < 8900000


def test_in_another_crs_cells_are_as_large_as_those_of_the_first(raster):
    first = raster(-45.001, -10, 0.001, 30, 20, "EPSG:4326")
    grid = grid_for([first], None, "EPSG:32723", None)
    x, y = transform(LONLAT, UTM, [-44.986, -44.985, -44.986], [-10.01, -10.01, -10.011])
    area = (x[1] - x[0]) * (y[0] - y[2])
    assert grid.transform[0] == -grid.transform[4]
    assert_close(grid.transform[0] ** 2, area, 1e-3)


@pytest.mark.parametrize("first_of_all", ["world", "field"])
def test_a_raster_of_the_whole_world_leaves_the_area_to_the_others(raster, first_of_all):
    world = raster(-180, 90, 1, 360, 180, "EPSG:4326")
    field = raster(500000, 8900000, 10, 60, 50)
    if first_of_all == "field":
        assert grid_for([field, world], None, None, None).box == Box(
            500000, 8899500, 500600, 8900000
        )
    else:
        grid = grid_for([world, field], 10, "EPSG:32723", None)
        assert_near(grid.box, (500000, 8899500, 500600, 8900000), 10)


def test_longitudes_to_360_are_the_same_places(raster):
    field = raster(500000, 8900000, 10, 60, 50)
    world = raster(0, 90, 1, 360, 180, "EPSG:4326")
    assert grid_for([field, world], None, None, None).width == 60


def test_rows_from_south_to_north_are_the_same_grid(raster):
    plain = grid_for([raster(500000, 8900000, 10, 60, 50)], None, None, None)
    flipped = grid_for([raster(500000, 8899500, 10, 60, 50, down=1)], None, None, None)
    assert plain == flipped


def test_the_area_may_be_geometries_with_a_crs_of_their_own(raster):
    first = raster(500000, 8900000, 10, 60, 50)
    bounds = transform_bounds(UTM, LONLAT, 500100, 8899700, 500300, 8899900)

    class Frame(SimpleNamespace):
        """A GeoDataFrame in what is asked of it."""

        def __len__(self):
            return 1

    series = Frame(geom_type=["Polygon"], crs=LONLAT, total_bounds=np.array(bounds))
    for aoi in (Frame(geometry=series), series):
        grid = grid_for([first], None, None, aoi)
        assert_near(grid.box, (500100, 8899700, 500300, 8899900), 20)
    shape = SimpleNamespace(bounds=(500100, 8899700, 500300, 8899900), geom_type="Polygon")
    assert grid_for([first], None, None, shape).box == Box(500100, 8899700, 500300, 8899900)


def test_rasters_without_any_crs_are_taken_to_be_in_one(raster):
    first = raster(500000, 8900000, 10, 60, 50, None)
    second = raster(500100, 8899900, 20, 60, 50, None)
    grid = grid_for([first, second], None, None, None)
    assert grid.crs is None
    assert grid.box == Box(500100, 8899500, 500600, 8899900)


def refused(message, sources, res=None, crs=None, aoi=None):
    with pytest.raises(InputError, match=message):
        grid_for(sources, res, crs, aoi)


def test_what_cannot_be_a_grid_is_refused_by_its_argument(raster):
    first = raster(500000, 8900000, 10, 60, 50)
    bare = open_raster(np.zeros((1, 3, 3)))
    unknown = raster(500000, 8900000, 10, 60, 50, None)
    far = raster(600000, 8900000, 10, 60, 50)
    refused(r"`sources` must say where their cells lie.*first: 1", [first, bare])
    refused(r"`sources` must all have a coordinate.*first: 1.*terra::crs", [first, unknown])
    refused(r"`sources` must all have a coordinate", [unknown], crs="EPSG:32723")
    refused(r"`sources` must overlap each other.*first: 1.*600000", [first, far])
    refused(r"`sources` must overlap `aoi`.*first: 0", [first], aoi=(0, 0, 10, 10))
    refused("`target_crs` must be a coordinate reference system.*'UTM'", [first], crs="UTM")
    for res in (0, -1, float("nan"), [1, 2, 3], "10 m", []):
        refused("`target_res`", [first], res=res)
    refused("`target_res` must give at most", [first], res=1e-9)
    refused("`target_res` must not be larger than the area, which is 600 x 500", [first], res=1e10)
    refused("`target_res`.*'b.tif'.* one list, `sources`", [first], res="b.tif")
    for aoi in ((1, 2, 3), "here", (0, 0, float("inf"), 1), [["a"] * 4]):
        refused("`aoi` must be a bounding box", [first], aoi=aoi)
    refused(
        "`aoi` must have xmin < xmax .* in the order",
        [first],
        aoi=(500600, 8899500, 500000, 8900000),
    )


def test_a_place_that_does_not_come_back_is_none():
    x, y = np.array([-45.0, 45.0, -45.0, np.nan]), np.array([-10.0, 0.0, 95.0, 0.0])
    found = np.stack(moved(x, y, LONLAT, UTM, within=0.01))
    assert np.isnan(found).tolist() == [[False, True, True, True]] * 2
    expected = transform(LONLAT, UTM, [-45.0], [-10.0])
    assert found[:, 0].tolist() == [expected[0][0], expected[1][0]]


def test_a_box_across_the_180th_meridian_goes_on_beyond_it():
    box = moved_box(Box(166000, 7990000, 176000, 8000000), CRS.from_epsg(32701), LONLAT)
    assert 176 < box.xmin < box.xmax < 184 or -184 < box.xmin < box.xmax < -176
    assert box.xmax - box.xmin < 1

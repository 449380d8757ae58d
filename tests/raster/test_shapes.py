"""Polygons and points of geopandas: their corners, in the CRS of a raster."""

import warnings

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.warp import transform

from closeness import assert_close
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.raster.shapes import shapes_of
from edaphos_bridge.raster.sources import open_raster
from raster_shapes import Geometries, multi, point, polygon

UTM = "EPSG:32723"
RING = [(500000.0, 9000000.0), (500100.0, 9000000.0), (500100.0, 9000200.0)]


@pytest.fixture
def utm(write_tif):
    with open_raster(write_tif("utm.tif", np.zeros((1, 4, 5)), crs=UTM)) as raster:
        yield raster


def shapes(geometries, crs=None):
    return shapes_of(Geometries(geometries, crs), ["a"] * len(geometries), "labels")


def test_rings_follow_each_other_and_know_their_shape():
    hole = [(1, 1), (2, 1), (2, 2)]
    found = shapes([
        polygon([(0, 0), (5, 0), (5, 5)], hole), None, multi(polygon(hole), polygon(hole)),
        point(7, 8), {"type": "MultiPoint", "coordinates": [(1, 2), (3, 4)]},
        {"type": "Polygon", "coordinates": []},
    ])  # fmt: skip
    assert found.ring.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [4, 5, 6]
    assert found.shape.tolist() == [0, 0, 2, 2, 3, 4, 4]
    assert found.corners[:4].tolist() == [[0, 0], [5, 0], [5, 5], [0, 0]]
    assert found.corners[-3:].tolist() == [[7, 8], [1, 2], [3, 4]]


def test_heights_are_left_out():
    found = shapes([polygon([(0, 0, 9), (5, 0, 9), (5, 5, 9)]), point(1, 2)])
    assert found.corners.shape == (5, 2)
    with_height = {"type": "Point", "coordinates": (1, 2, 9)}
    assert shapes([with_height]).corners.tolist() == [[1, 2]]


def test_none_at_all_have_no_corners():
    assert shapes([]).corners.shape == shapes([None]).corners.shape == (0, 2)


@pytest.mark.parametrize("kind", ["LineString", "MultiLineString", "GeometryCollection"])
def test_what_has_no_area_and_is_no_point_is_refused_with_its_kind_and_rows(kind):
    other = {"type": kind, "coordinates": [(0, 0), (1, 1)]}
    with pytest.raises(InputError, match=rf"must be polygons or points; 2 of 3 .*{kind}") as caught:
        shapes([polygon(RING), other, other])
    assert (caught.value.argument, caught.value.rows) == ("labels", (1, 2))


def test_in_another_crs_every_corner_is_moved(utm):
    longitude, latitude = transform(UTM, "EPSG:4326", *zip(*RING, strict=True))
    found = shapes([polygon(list(zip(longitude, latitude, strict=True)))], 4326)
    assert_close(found.in_crs_of(utm, "labels").corners, [*RING, RING[0]], 1e-9)


@pytest.mark.parametrize("crs", [None, UTM, CRS.from_epsg(32723).to_wkt()])
def test_in_the_same_crs_or_without_one_corners_stay_to_the_last_bit(utm, crs):
    moved = shapes([polygon(RING)], crs).in_crs_of(utm, "labels")
    assert moved.corners.tolist() == [list(corner) for corner in [*RING, RING[0]]]


def test_over_a_raster_without_a_crs_they_are_taken_as_they_are_with_a_warning():
    with open_raster(np.zeros((1, 4, 5))) as raster:
        with pytest.warns(EdaphosWarning, match="`labels` has a .* and `stack` has none"):
            moved = shapes([point(1, 2)], 4326).in_crs_of(raster, "labels")
        assert moved.corners.tolist() == [[1, 2]]


def test_a_crs_that_gdal_does_not_know_is_refused(utm):
    found = shapes([point(1, 2)])
    object.__setattr__(found, "crs", "a grid of their own")
    with pytest.raises(InputError, match=r"`labels` must be in a coord.*a grid of their own"):
        found.in_crs_of(utm, "labels")


def test_shapes_with_a_corner_without_a_place_are_left_out_with_a_warning(utm):
    """A quarter of the world away, UTM has none."""
    here = polygon([(-45.0, -9.0), (-44.9, -9.0), (-44.9, -9.1)])
    far = polygon([(-45.0, -9.0), (45.0, -9.0), (45.0, -9.1)])
    broken = polygon([(np.nan, 1), (0, 1), (0, 2)])
    mixed = shapes([far, multi(here, far), here, point(-45, -9), broken], 4326)
    with pytest.warns(EdaphosWarning, match="3 of the 5 shapes of `labels` have corners without"):
        found = mixed.in_crs_of(utm, "labels")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = shapes([None, None, here, point(-45, -9)], 4326).in_crs_of(utm, "labels")
    with pytest.raises(InputError, match=r"must have a place in the coordinate .*EPSG:4326"):
        shapes([far, None, broken], 4326).in_crs_of(utm, "labels")
    for name in ("corners", "ring", "shape"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))

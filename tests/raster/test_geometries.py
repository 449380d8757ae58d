"""Points of geopandas: only points, in the raster's CRS. A stand-in does what geopandas does."""

from types import SimpleNamespace

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.warp import transform

from closeness import assert_close
from edaphos_bridge import foundation_patches_at_coords, foundation_tile_dataset
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.raster.coords import read_coords

UTM = CRS.from_epsg(32723)


class Points:
    """A GeoSeries in what is asked of it."""

    def __init__(self, geometries, crs=None):
        self.geometries = geometries
        self.crs = None if crs is None else CRS.from_user_input(crs)
        self.geom_type = [getattr(geometry, "geom_type", None) for geometry in geometries]

    def __len__(self):
        return len(self.geometries)

    def __iter__(self):
        return iter(self.geometries)

    def to_crs(self, wkt):
        given = [geometry for geometry in self.geometries if geometry is not None]
        x, y = transform(self.crs, CRS.from_wkt(wkt), [g.x for g in given], [g.y for g in given])
        moved = iter([point(*pair) for pair in zip(x, y, strict=True)])
        return Points([g and next(moved) for g in self.geometries], wkt)


def point(x, y):
    return SimpleNamespace(geom_type="Point", is_empty=False, x=x, y=y)


def several(kind, points):
    return SimpleNamespace(geom_type=kind, is_empty=False, geoms=points)


EMPTY = SimpleNamespace(geom_type="Point", is_empty=True)
IN_UTM = [[500005.0, 8999995.0], [500015.0, 8999985.0]]


def test_points_are_their_coordinates_and_missing_or_empty_ones_are_nan():
    points = read_coords(Points([point(1, 2), None, EMPTY, point(3.5, 4)]))
    assert np.array_equal(points[[0, 3]], [[1, 2], [3.5, 4]])
    assert np.isnan(points[1:3]).all()
    assert read_coords(Points([])).shape == (0, 2)


def test_the_geometry_of_a_frame_is_taken_and_not_its_columns():
    frame = SimpleNamespace(geometry=Points([point(1, 2)]), columns=["x", "y", "geometry"])
    assert read_coords(frame).tolist() == [[1, 2]]


def test_a_multipoint_of_one_point_is_that_point():
    assert read_coords(Points([several("MultiPoint", [point(1, 2)])])).tolist() == [[1, 2]]


@pytest.mark.parametrize("kind", ["Polygon", "LineString", "MultiPoint", "GeometryCollection"])
def test_what_is_not_one_point_a_row_is_refused_with_its_kind_and_rows(kind):
    other = several(kind, [point(0, 0), point(1, 1)])
    with pytest.raises(InputError, match=rf"`coords` must be points.* 2 of 3 .*{kind}") as caught:
        read_coords(Points([point(1, 2), other, other], UTM), crs=UTM)
    assert caught.value.rows == (1, 2)


def test_points_in_another_crs_are_transformed_and_equal_ones_left_to_the_last_bit():
    longitude, latitude = transform(UTM, "EPSG:4326", *zip(*IN_UTM, strict=True))
    lonlat = [point(*pair) for pair in zip(longitude, latitude, strict=True)]
    moved = read_coords(Points([*lonlat, None], 4326), crs=UTM)
    assert_close(moved[:2], IN_UTM, 1e-9)
    assert np.isnan(moved[2]).all()
    same = Points([point(*pair) for pair in IN_UTM], CRS.from_wkt(UTM.to_wkt()))
    same.to_crs = None  # would fail
    assert read_coords(same, crs=UTM).tolist() == IN_UTM


def test_without_a_crs_of_their_own_points_are_in_that_of_the_raster():
    assert read_coords(Points([point(*pair) for pair in IN_UTM]), crs=UTM).tolist() == IN_UTM


def test_points_with_a_crs_over_a_raster_without_one_are_taken_as_they_are_with_a_warning():
    with pytest.warns(EdaphosWarning, match="`coords` has a coordinate reference .* `x` has none"):
        points = read_coords(Points([point(1, 2)], 4326), stack="x")
    assert points.tolist() == [[1, 2]]


def test_what_cannot_be_transformed_is_refused_and_keeps_the_cause():
    def fail(wkt):
        raise RuntimeError("no grid")

    points = Points([point(1, 2)], 4326)
    points.to_crs = fail
    with pytest.raises(InputError, match=r"`coords` cannot be transformed .*no grid") as caught:
        read_coords(points, crs=UTM)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_crs_that_only_the_points_know_is_transformed_by_them():
    points = Points([point(1, 2)])
    points.crs = "a grid of their own"
    points.to_crs = lambda wkt: Points([point(3, 4)], wkt)
    assert read_coords(points, crs=UTM).tolist() == [[3, 4]]


def test_patches_are_those_of_the_transformed_points(write_tif, image):
    import rasterio

    place = rasterio.Affine(10, 0, 500000, 0, -10, 9000000)
    path = write_tif("utm.tif", image, transform=place)
    tiles = foundation_tile_dataset(path, 5, 10, seed=1)
    numbers = np.array([[500205.0, 8999795.0], [500315.0, 8999685.0]])
    longitude, latitude = transform(UTM, "EPSG:4326", *numbers.T)
    lonlat = Points([point(*pair) for pair in zip(longitude, latitude, strict=True)], 4326)
    expected = foundation_patches_at_coords(tiles, numbers, path)
    assert np.isfinite(expected).all()
    assert np.array_equal(foundation_patches_at_coords(tiles, lonlat, path), expected)

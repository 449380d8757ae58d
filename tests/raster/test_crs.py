"""Whether the cells of two rasters mean the same ground, and what is said where they do not."""

import warnings

import pytest
import rasterio

from edaphos_bridge.errors import EdaphosWarning
from edaphos_bridge.raster.crs import as_crs, crs_text, same_crs, warn_of_other_cells

UTM = "EPSG:32723"
WKT = rasterio.crs.CRS.from_epsg(32723).to_wkt()
LAEA = "+proj=laea +lat_0=-15 +lon_0=-50 +datum=WGS84 +units=m"


@pytest.mark.parametrize("given", [UTM, WKT, "epsg:32723", rasterio.crs.CRS.from_epsg(32723)])
def test_a_crs_with_a_code_is_written_as_its_code(given):
    assert crs_text(as_crs(given)) == UTM


@pytest.mark.parametrize("given", [None, "", " ", "a local grid", "EPSG:local", rasterio.crs.CRS()])
def test_what_is_no_crs_is_none(given):
    assert as_crs(given) is None
    assert crs_text(as_crs(given)) is None


def test_two_texts_of_one_crs_are_the_same_and_what_is_not_known_is():
    custom = crs_text(as_crs(LAEA))
    assert same_crs(UTM, WKT)
    assert same_crs(custom, LAEA)
    assert same_crs(None, UTM)
    assert not same_crs(UTM, custom)
    assert not same_crs(UTM, "EPSG:32722")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (((10, 10), UTM), ((10, 10), WKT)),
        (((10, 10), UTM), ((10.001, 9.999), UTM)),
        (((10, 10), None), ((10, 10), UTM)),
        ((None, None), ((10, 10), UTM)),
        (((20, 20), "EPSG:4326"), (None, None)),
        ((None, UTM), ((10, 10), UTM)),
    ],
)
def test_cells_that_are_the_same_as_far_as_is_known_are_not_spoken_of(found, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_other_cells("stack", found, expected)


@pytest.mark.parametrize(
    ("found", "expected", "says"),
    [
        (
            ((20, 20), UTM),
            ((10, 10), UTM),
            "`stack` has cells of 20 x 20 in EPSG:32723, but the encoder was pretrained on cells "
            "of 10 x 10 in EPSG:32723",
        ),
        (((10, 20), None), ((10, 10), None), "cells of 10 x 20, but .* of 10 x 10: "),
        (((10, 10), UTM), ((10, 10), "EPSG:32722"), "EPSG:32723, but .* EPSG:32722"),
        ((None, UTM), ((10, 10), "EPSG:32722"), "unknown size in EPSG:32723, but"),
        (((0.1, 0.1), "EPSG:4326"), ((10, 10), crs_text(as_crs(LAEA))), "of 10 x 10 in unknown: "),
    ],
)
def test_other_cells_are_told_with_both_sizes_and_both_crs(found, expected, says):
    with pytest.warns(EdaphosWarning, match=says):
        warn_of_other_cells("stack", found, expected)

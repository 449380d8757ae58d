"""Smoothing, doubt and applicability of maps in files are those of the whole arrays."""

import numpy as np
import pytest
import rasterio

from closeness import assert_close, size_of
from edaphos_bridge import (
    foundation_applicability,
    foundation_applicability_raster,
    foundation_embed,
    foundation_embed_raster,
    foundation_predict_raster,
    foundation_smooth,
    foundation_smooth_raster,
    foundation_uncertainty,
    foundation_uncertainty_raster,
)
from edaphos_bridge.errors import EdaphosWarning, InputError
from mapped import cells, classifier, encoder, tiles


@pytest.fixture(scope="module")
def prob(tmp_path_factory):
    """A map of probabilities in a file."""
    out = tmp_path_factory.mktemp("maps") / "prob.tif"
    return foundation_predict_raster(classifier(), cells(), out, type="prob")


def read(path):
    with rasterio.open(path) as file:
        return file.read()


@pytest.fixture(autouse=True)
def without_georeference():
    """The maps here lie nowhere, and rasterio says so whenever it reads them."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


@pytest.mark.parametrize("block_size", [16, 23, 64])
def test_probabilities_are_smoothed_as_in_one_piece(prob, tmp_path, block_size):
    how = {"window": 5, "neigh_fraction": 0.4, "smoothness": [10, 20, 30]}
    out = foundation_smooth_raster(prob, tmp_path / "out.tif", block_size=block_size, **how)
    expected = foundation_smooth(read(prob), **how)
    assert np.array_equal(read(out), expected.astype(np.float32), equal_nan=True)
    with rasterio.open(out) as file:
        assert file.descriptions == ("dry", "moist", "wet")


@pytest.mark.parametrize("method", ["bayesian", "majority"])
def test_a_window_larger_than_the_raster_sees_all_of_it_and_no_more_memory(prob, method):
    raster = read(prob)[:, :9, :12]
    whole = foundation_smooth(raster, method, window=23)
    for window in (25, 20001, 2**31 - 1):
        assert np.array_equal(
            foundation_smooth(raster, method, window=window), whole, equal_nan=True
        )
        found = foundation_smooth_raster(raster, method=method, window=window).values
        expected = whole.astype(found.dtype)
        assert np.array_equal(found.squeeze(), expected.squeeze(), equal_nan=True)
    if method == "majority":
        codes = raster[0].round()
        assert np.array_equal(
            foundation_smooth(codes, method, window=2**31 - 1),
            foundation_smooth(codes, method, window=23),
            equal_nan=True,
        )


def test_the_majority_is_a_map_of_classes(prob, tmp_path):
    out = foundation_smooth_raster(prob, tmp_path / "out.tif", "majority", window=7, block_size=16)
    assert np.array_equal(read(out)[0], foundation_smooth(read(prob), "majority", window=7))
    assert "moist" in out.with_name("out.tif.aux.xml").read_text()
    lazy = foundation_smooth_raster(prob, method="majority", window=7)
    assert lazy.attrs["classes"] == ["dry", "moist", "wet"]
    assert np.array_equal(lazy.values, read(out))


@pytest.mark.parametrize("measure", ["entropy", "margin", "least_confidence"])
def test_doubt_is_that_of_the_array(prob, measure):
    found = foundation_uncertainty_raster(prob, measure=measure, block_size=16)
    assert found.band.values.tolist() == [measure]
    expected = foundation_uncertainty(read(prob), measure).astype(np.float32)
    assert np.array_equal(found.values[0], expected, equal_nan=True)


def test_applicability_is_that_of_the_rows(tmp_path):
    embedded = foundation_embed_raster(encoder(), cells(), tmp_path / "e.tif")
    train = foundation_embed(encoder(), tiles())
    known = foundation_applicability(train, folds=np.arange(len(train)) % 5)
    found = foundation_applicability_raster(known, embedded, block_size=16)
    assert found.band.values.tolist() == ["DI", "AOA", "LPD"]
    rows = read(embedded).reshape(8, -1).T
    measured = known.measure(rows)
    shape = found.shape[1:]
    assert_close(
        found.values[0], measured.di.reshape(shape).astype(np.float32), 1e-6,
        size=size_of(measured.di),
    )  # fmt: skip
    missing = np.isnan(measured.di).reshape(shape)
    assert missing.any()
    inside = np.where(missing, np.nan, measured.inside.reshape(shape))
    assert np.array_equal(found.values[1], inside.astype(np.float32), equal_nan=True)
    lpd = measured.lpd.reshape(shape).astype(np.float32)
    assert np.array_equal(found.values[2], lpd, equal_nan=True)


def test_predictors_are_found_by_name(write_tif):
    import pandas as pd

    rng = np.random.default_rng(1)
    raster = rng.normal(size=(3, 12, 14))
    table = pd.DataFrame(raster.reshape(3, -1).T, columns=["a", "b", "c"])
    known = foundation_applicability(table.iloc[:50])
    path = write_tif("in.tif", raster[[2, 0, 1]], names=("c", "a", "b"))
    found = foundation_applicability_raster(known, path)
    assert np.array_equal(found.values[0].ravel(), known.di(table).astype(np.float32))
    other = write_tif("other.tif", raster, names=("a", "b", "slope"))
    with pytest.warns(EdaphosWarning, match="slope.*have other names than the predictors"):
        foundation_applicability_raster(known, other)


HALVES = np.full((2, 5, 5), 0.5)
BAD = {
    "one layer": (foundation_smooth_raster, (HALVES[:1],), "a layer of probabilities for each"),
    "no probabilities": (foundation_smooth_raster, (6 * HALVES,), "must have probabilities"),
    "window": (foundation_smooth_raster, (HALVES,), "`window` must be odd"),
    "method": (foundation_smooth_raster, (HALVES, None, "median"), "`method` must be one of"),
    "measure": (foundation_uncertainty_raster, (HALVES, None, "doubt"), "`measure` must be"),
    "no model": (foundation_applicability_raster, (7, HALVES), "`object` must be what"),
}


def test_colours_are_for_the_majority_alone():
    with pytest.raises(InputError, match="`colours` are for a map of classes"):
        foundation_smooth_raster(HALVES, colours=["#000000", "#ffffff"])


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    verb, arguments, message = BAD[name]
    settings = {"window": 4} if name == "window" else {}
    with pytest.raises(InputError, match=message):
        verb(*arguments, **settings).compute()


def test_other_layers_than_were_learnt_from_are_refused():
    known = foundation_applicability(np.random.default_rng(1).normal(size=(20, 3)))
    with pytest.raises(InputError, match="must have the 3 predictors"):
        foundation_applicability_raster(known, np.ones((2, 5, 5)))

"""A classifier predicts the points of a raw raster as it does their normalised patches."""

import numpy as np
import pandas as pd
import pytest

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_pretrain_tiles,
    foundation_patches_at_coords,
    foundation_tile_dataset,
)
from edaphos_bridge.errors import InputError


@pytest.fixture(scope="module")
def stack():
    stack = np.random.default_rng(3).normal(100, 20, size=(3, 30, 40))
    stack[:, 10, 10] = np.nan
    stack[0, 20, 20] = np.nan
    return stack


@pytest.fixture(scope="module")
def points():
    """Twenty inside, then: without data, beyond the edge, missing."""
    rng = np.random.default_rng(4)
    inside = np.stack([rng.uniform(0, 40, 20), rng.uniform(11, 30, 20)], axis=1)
    return np.concatenate([inside, [[10.5, 10.5], [40.5, 3], [np.nan, 3]]])


@pytest.fixture(scope="module")
def x(stack, points):
    tiles = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=1)
    return foundation_patches_at_coords(tiles, points[:20], stack)


@pytest.fixture(scope="module")
def fit(stack, x):
    tiles = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=1)
    encoder = foundation_moco_pretrain_tiles(tiles, epochs=2, seed=1)
    return foundation_fit_classifier(encoder, x, ["b", "a"] * 10, epochs=3, seed=1)


def test_probabilities_are_those_of_the_patches_and_missing_outside(fit, stack, points, x):
    prob = fit.predict_proba(stack, coords=points)
    assert prob.shape == (23, 2)
    assert_close(prob[:20], fit.predict_proba(x), 1e-6)
    assert np.isnan(prob[20:]).all()
    frame = fit.predict(stack, type="prob", coords=points)
    assert frame.columns.tolist() == ["a", "b"]
    np.testing.assert_array_equal(frame.to_numpy(), prob)


def test_classes_are_a_categorical_that_is_missing_outside(fit, stack, points, x):
    predicted = fit.predict(stack, coords=points)
    assert isinstance(predicted, pd.Categorical)
    assert predicted.categories.tolist() == ["a", "b"]
    assert predicted[:20].tolist() == fit.predict(x).tolist()
    assert (predicted.codes[20:] == -1).all()


def test_a_loaded_classifier_still_knows_the_raster(fit, stack, points, tmp_path):
    fit.save(tmp_path / "fit.safetensors")
    loaded = FoundationClassifier.load(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(
        loaded.predict_proba(stack, coords=points), fit.predict_proba(stack, coords=points)
    )


def test_without_points_there_are_no_rows(fit, stack):
    assert fit.predict_proba(stack, coords=np.empty((0, 2))).shape == (0, 2)


def test_an_encoder_without_normalisation_says_so(stack, points, x):
    encoder = foundation_encoder("moco", 3, seed=1)
    plain = foundation_fit_classifier(encoder, x, ["b", "a"] * 10, epochs=1, seed=1)
    with pytest.raises(InputError, match="`coords` needs an encoder that carries"):
        plain.predict(stack, coords=points)


@pytest.mark.parametrize(
    ("changes", "argument"),
    [({"coords": "here"}, "coords"), ({"coords": [[1, 2, 3]]}, "coords"), ({"x": 3}, "x")],
)
def test_what_cannot_be_used_is_refused_by_its_name(fit, stack, points, changes, argument):
    with pytest.raises(InputError, match=f"`{argument}`"):
        fit.predict(**{"x": stack, "coords": points, **changes})


def test_another_number_of_bands_is_refused(fit, stack, points):
    with pytest.raises(InputError, match="`x` must have 3 bands"):
        fit.predict(stack[:2], coords=points)

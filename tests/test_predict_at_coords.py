"""A classifier predicts the points of a raw raster as it does their normalised patches."""

import numpy as np
import pandas as pd
import pytest

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_embed_at_coords,
    foundation_encoder,
    foundation_finetune_ensemble,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_mcdropout_predict,
    foundation_moco_pretrain_tiles,
    foundation_patches_at_coords,
    foundation_tile_dataset,
)
from edaphos_bridge.errors import EdaphosWarning, InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")


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


def test_fits_of_every_task_and_ensembles_predict_at_points(fit, stack, points, x):
    how = {"epochs": 2, "head": "mlp", "dropout": 0.3}
    clay = x[:, 0].mean(axis=(1, 2))
    regressor = foundation_fit_regressor(fit.encoder, x, clay, seed=1, **how)
    labels = foundation_fit_multilabel(fit.encoder, x, [["a"], []] * 10, seed=1, **how)
    ensemble = foundation_finetune_ensemble(fit.encoder, x, clay, "regression", K_ens=2, **how)
    found = regressor.predict(stack, coords=points)
    assert_close(found[:20], regressor.predict(x), 1e-5)
    assert np.isnan(found[20:]).all()
    held = labels.predict(stack, coords=points)
    assert held[:20].equals(labels.predict(x).astype("boolean"))
    assert held[20:].isna().all(axis=None)
    assert labels.predict(stack, type="label", coords=points)[20:] == [None] * 3
    each = ensemble.predict(stack, coords=points)
    assert_close(each[:, :20], ensemble.predict(x), 1e-5)
    assert np.isnan(each[:, 20:]).all()
    draws = foundation_mcdropout_predict(regressor, stack, 3, seed=1, coords=points)
    assert draws.shape == (3, 23)
    assert np.isnan(draws).any(axis=0).tolist() == [False] * 20 + [True] * 3


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
    with pytest.raises(InputError, match=r"`coords` needs an encoder that carries.*`dataset`"):
        plain.predict(stack, coords=points)


def test_an_encoder_without_normalisation_takes_that_of_a_dataset(fit, stack, points, x):
    tiles = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=1)
    encoder = foundation_encoder("moco", 3, seed=1)
    plain = foundation_fit_classifier(encoder, x, ["b", "a"] * 10, epochs=1, seed=1)
    prob = plain.predict_proba(stack, coords=points, dataset=tiles)
    assert_close(prob[:20], plain.predict_proba(x), 1e-6)
    predicted = plain.predict(stack, coords=points, dataset=tiles)
    assert predicted[:20].tolist() == plain.predict(x).tolist()
    assert plain.normalisation is None
    encoder.normalisation = tiles.normalisation
    known = foundation_fit_classifier(encoder, x, ["b", "a"] * 10, epochs=1, seed=1)
    np.testing.assert_array_equal(known.predict_proba(stack, coords=points), prob)


def test_a_dataset_that_does_not_fit_is_refused(fit, stack, points, x):
    plain = foundation_fit_classifier(
        foundation_encoder("moco", 3, seed=1), x, ["b", "a"] * 10, epochs=1, seed=1
    )
    larger = foundation_tile_dataset(stack, patch_size=7, n_patches=40, seed=1)
    with pytest.raises(InputError, match=r"`dataset` must have the patch_size .* 5 x 5; found 7"):
        plain.predict(stack, coords=points, dataset=larger)
    with pytest.raises(InputError, match="`dataset` must not differ from the normalisation"):
        fit.predict(stack, coords=points, dataset=larger)
    with pytest.raises(InputError, match="`dataset` must be a data set"):
        fit.predict(stack, coords=points, dataset=stack)
    with pytest.raises(
        InputError, match=r"`dataset` is for points of a raster. Give `coords` too, or make a map"
    ):
        fit.predict(x, dataset=larger)


def test_a_raster_without_points_and_points_without_a_name_say_what_to_write(fit, stack, points):
    with pytest.raises(InputError, match=r"`x` must .*predict\(\) takes a raster .*`coords`"):
        fit.predict("stack.tif")
    with pytest.raises(InputError, match=r"`type` must .* by name: predict\(x, coords=points\)"):
        fit.predict(stack, points)


def test_points_that_all_lie_outside_are_a_warning_that_names_x(fit, stack):
    with pytest.warns(EdaphosWarning, match=r"All 2 points of `coords` lie outside `x`"):
        predicted = fit.predict(stack, coords=[[-47, -15], [-46, -14]])
    assert predicted.isna().all()


@pytest.mark.parametrize("assigned", ["a dataset", "a dict"])
def test_a_normalisation_of_another_type_is_refused_and_not_ignored(stack, points, assigned):
    tiles = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=1)
    encoder = foundation_encoder("moco", 3, seed=1)
    encoder.normalisation = tiles if assigned == "a dataset" else tiles.normalisation.to_dict()
    with pytest.raises(InputError, match=r"`normalisation` of an encoder must be .*`dataset\.norm"):
        foundation_embed_at_coords(encoder, points, stack)


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

"""`foundation_mcdropout_predict()`: draws from dropout, which come from the seed alone."""

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    foundation_finetune_ensemble,
    foundation_fit_regressor,
    foundation_mcdropout_predict,
)
from edaphos_bridge.errors import InputError
from small_fits import REGIMES, quick


@pytest.fixture
def clay(x):
    return 40 + 60 * x[:, 0].mean(axis=(1, 2))


@pytest.fixture
def fit(encoder, x, y):
    return quick(encoder, x, y, head="mlp", hidden=(16,), dropout=0.4)


def test_draws_of_a_regressor_are_rows_in_the_unit_of_the_target(encoder, x, clay):
    how = {"head": "mlp", "dropout": 0.3, "epochs": 2, "seed": 1}
    fit = foundation_fit_regressor(encoder, x, clay, **how)
    draws = foundation_mcdropout_predict(fit, x, n_draws=5, seed=1)
    assert (draws.shape, draws.dtype) == ((5, 41), np.float64)
    assert (draws.std(axis=0) > 0).all()
    table = np.stack([clay, -clay], axis=1)
    both = foundation_fit_regressor(encoder, x, table, **how)
    assert foundation_mcdropout_predict(both, x, n_draws=5, seed=1).shape == (5, 41, 2)


def test_draws_of_a_classifier_are_probabilities(fit, x):
    draws = foundation_mcdropout_predict(fit, x, n_draws=4, seed=1)
    assert draws.shape == (4, 41, 3)
    assert_close(draws.sum(axis=2), np.ones((4, 41)), 1e-12)
    assert foundation_mcdropout_predict(fit, x[:0], n_draws=4, seed=1).shape == (4, 0, 3)
    assert foundation_mcdropout_predict(fit, x, seed=1).shape[0] == 50


def test_the_mean_of_many_draws_is_near_the_prediction(fit, x):
    draws = foundation_mcdropout_predict(fit, x, n_draws=3000, seed=1)
    # three standard errors of the mean of the draws, and what the softmax bends
    assert_close(draws.mean(axis=0), fit.predict_proba(x), 3 * draws.std() / 3000**0.5 + 0.01)


def test_draws_come_from_the_seed_alone(fit, x):
    before = torch.get_rng_state()
    one, again = (foundation_mcdropout_predict(fit, x, 6, seed=3) for _ in range(2))
    assert np.array_equal(one, again)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    assert np.array_equal(foundation_mcdropout_predict(fit, x, 6, seed=3), one)
    assert not np.array_equal(foundation_mcdropout_predict(fit, x, 6, seed=4), one)
    assert not np.array_equal(foundation_mcdropout_predict(fit, x, 6), one)


@REGIMES
def test_an_encoder_drops_where_it_did_in_training(dropout_encoder, x, y, freeze_backbone):
    fit = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone)
    if freeze_backbone:
        with pytest.raises(InputError, match="`object` has no dropout to draw from"):
            foundation_mcdropout_predict(fit, x, 4, seed=1)
    else:
        draws = foundation_mcdropout_predict(fit, x, 4, seed=1)
        assert (draws.std(axis=0).max(axis=1) > 0).all()


def test_the_fit_stays_as_it_is(dropout_encoder, x, y, snapshot):
    how = {"head": "mlp", "dropout": 0.5, "freeze_backbone": False}
    fit = quick(dropout_encoder, x, y, **how)
    before = snapshot(fit.encoder), snapshot(fit.head), fit.predict_proba(x).tobytes()
    foundation_mcdropout_predict(fit, x, 4, seed=1)
    assert (snapshot(fit.encoder), snapshot(fit.head), fit.predict_proba(x).tobytes()) == before


def test_a_fit_of_a_file_draws_the_same(fit, x):
    twin = type(fit).from_bytes(fit.to_bytes())
    one, other = (foundation_mcdropout_predict(each, x, 4, seed=2) for each in (fit, twin))
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("n_draws", 0, "positive whole number; found 0"),
        ("n_draws", 2.5, "positive whole number; found 2.5"),
        ("seed", "one", "whole number"),
        ("device", "gpu", "must be one of"),
        ("object", nn.Linear(1, 1), "must be a fit of a head"),
        ("object", None, "must be a fit of a head"),
        ("x", np.zeros((41, 3, 5, 5)), "must have 4 channels"),
    ],
)
def test_bad_input_is_named(fit, x, argument, value, says):
    with pytest.raises(InputError) as caught:
        foundation_mcdropout_predict(**{"object": fit, "x": x, argument: value})
    assert caught.value.argument == argument
    assert says in str(caught.value)


@pytest.mark.parametrize("how", [{}, {"head": "mlp"}], ids=["linear", "mlp"])
def test_a_head_that_drops_nothing_is_an_error_that_says_what_to_do(encoder, x, y, how):
    with pytest.raises(InputError, match="Fit it with a head that drops, as head = 'mlp'"):
        foundation_mcdropout_predict(quick(encoder, x, y, **how), x)


def test_an_ensemble_is_no_fit_of_one_head(encoder, x, y):
    ensemble = foundation_finetune_ensemble(encoder, x, y, K_ens=2, epochs=1)
    with pytest.raises(InputError, match="found 'FoundationEnsemble'"):
        foundation_mcdropout_predict(ensemble, x)

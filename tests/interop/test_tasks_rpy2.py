"""Fits of other tasks than classification, and ensembles, from R inside Python and back."""

import numpy as np
import pandas as pd
import pytest
import rpy2.robjects as ro

import edaphos_bridge as eb
from edaphos_bridge.interop.rpy2 import converter, install

QUICK = {"epochs": 2, "head": "mlp", "dropout": 0.3}
IN_R = "epochs = 2, head = 'mlp', dropout = 0.3"


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(5).normal(size=(40, 4, 5, 5))


@pytest.fixture
def r(x):
    """R with the functions, `x`, targets and labels, and an encoder `e`."""
    install()
    with converter.context():
        ro.globalenv["x"] = x
    ro.r("e <- foundation_encoder('moco', in_channels = 4, seed = 1)")
    ro.r("clay <- 30 + 20 * apply(x[, 1, , ], 1, mean); both <- cbind(clay = clay, sand = -clay)")
    ro.r("wet <- cbind(crop = x[, 1, 3, 3] > 0, water = x[, 2, 3, 3] > 0)")
    return ro.r


def given(name):
    with converter.context():
        return ro.globalenv[name]


@pytest.fixture
def data(r):
    both = pd.DataFrame(np.array(r("both")), columns=["clay", "sand"])
    wet = pd.DataFrame(np.array(r("wet")).astype(bool), columns=["crop", "water"])
    encoder = eb.foundation_encoder("moco", 4, seed=1)
    return encoder, {"clay": both["clay"].to_numpy(), "both": both, "wet": wet}


FITS = {
    "clay": ("foundation_fit_regressor", "FoundationRegressor", "clay"),
    "both": ("foundation_fit_regressor", "FoundationRegressor", "both"),
    "wet": ("foundation_fit_multilabel", "FoundationMultiLabel", "wet"),
    "lists": ("foundation_fit_multilabel", "FoundationMultiLabel", "wet"),
}


@pytest.mark.parametrize("which", FITS)
def test_r_gives_pythons_bits_and_its_fit_is_pythons(r, x, data, which):
    verb, kind, targets = FITS[which]
    r("lists <- lapply(seq_len(40), function(row) colnames(wet)[wet[row, ]])")
    r(f"fit <- {verb}(e, x, {which}, {IN_R}, seed = 11)")
    encoder, known = data
    fit = getattr(eb, verb)(encoder, x, known[targets], **QUICK, seed=11)
    twin = given("fit")
    assert type(twin).__name__ == kind
    assert twin.to_bytes() == fit.to_bytes()
    with converter.context():
        ro.globalenv["back"] = fit
    assert r("identical(back, fit)")[0]
    assert list(r("format(back)")) == fit.describe()


@pytest.mark.parametrize("which", ["clay", "both"])
def test_predictions_of_a_regressor_are_pythons(r, x, which):
    r(f"fit <- foundation_fit_regressor(e, x, {which}, {IN_R}, seed = 11)")
    fit = given("fit")
    assert np.array_equal(np.array(r("predict(fit, x)")), np.asarray(fit.predict(x)))
    draws = eb.foundation_mcdropout_predict(fit, x, 3, seed=2)
    in_r = np.array(r("foundation_mcdropout_predict(fit, x, n_draws = 3, seed = 2)"))
    assert np.array_equal(in_r, draws)


def test_predictions_of_labels_are_pythons(r, x, data):
    r(f"fit <- foundation_fit_multilabel(e, x, wet, {IN_R}, seed = 11, threshold = c(0.4, 0.6))")
    fit = given("fit")
    assert np.array_equal(np.array(r("predict(fit, x, type = 'prob')")), fit.predict_proba(x))
    assert np.array_equal(np.array(r("predict(fit, x)")).astype(bool), fit.predict(x))
    labels = [list(row) for row in r("predict(fit, x, type = 'label')")]
    assert labels == fit.predict(x, type="label")
    table = fit.multi_top_losses(x, data[1]["wet"], k=4)
    assert list(r("(top <- foundation_multi_top_losses(fit, x, wet, k = 4))$row - 1")) == list(
        table["row"]
    )
    assert [list(row) for row in r("top$actual")] == table["actual"].tolist()


@pytest.mark.parametrize("frozen", ["TRUE", "FALSE"])
def test_an_ensemble_goes_to_r_and_comes_back(r, x, data, frozen):
    r(
        f"ensemble <- foundation_finetune_ensemble(e, x, clay, 'regression', K_ens = 2, {IN_R}, "
        f"freeze_backbone = {frozen})"
    )
    encoder, known = data
    how = {"task": "regression", "K_ens": 2, "freeze_backbone": frozen == "TRUE", **QUICK}
    ensemble = eb.foundation_finetune_ensemble(encoder, x, known["clay"], **how)
    assert given("ensemble").to_bytes() == ensemble.to_bytes()
    with converter.context():
        ro.globalenv["back"] = ensemble
    assert r("identical(back, ensemble)")[0]
    assert np.array_equal(np.array(r("predict(ensemble, x)")), ensemble.predict(x))


def test_bad_targets_are_errors_of_r_by_name(r):
    r("clay[3] <- NA")
    code = "foundation_fit_regressor(e, x, clay)"
    condition = r(f"condition <- tryCatch({code}, error = identity); condition$argument")
    assert condition[0] == "y"
    assert "in 1 of 40 rows (first: 3; counted from 1)" in r("conditionMessage(condition)")[0]

"""Rows of a fit and foundation_cross_validate() in an R inside this process."""

import numpy as np
import pandas as pd
import pytest
import rpy2.robjects as ro

from edaphos_bridge import (
    FoundationCrossValidation,
    foundation_cross_validate,
    foundation_encoder,
    foundation_fit_classifier,
)
from edaphos_bridge.interop.rpy2 import converter, install

FIELD = np.random.default_rng(2).permutation(40) % 8
PLACES = np.random.default_rng(3).uniform(0, 100, (40, 2))
Y = ["Oxisol", "Ultisol"] * 20


@pytest.fixture
def x():
    return np.random.default_rng(5).normal(size=(40, 4, 5, 5))


@pytest.fixture
def encoder():
    return foundation_encoder("moco", in_channels=4, seed=1)


@pytest.fixture
def r(x):
    install()
    with converter.context():
        ro.globalenv["x"] = x
    ro.globalenv["field"] = ro.IntVector(FIELD.tolist())
    ro.globalenv["places"] = ro.r.matrix(ro.FloatVector(PLACES.T.ravel().tolist()), ncol=2)
    ro.r("e <- foundation_encoder('moco', in_channels = 4, seed = 1)")
    ro.r("y <- rep(c('Oxisol', 'Ultisol'), 20)")
    return ro.r


@pytest.mark.parametrize(
    ("in_r", "in_python"),
    [
        ("groups = paste('field', field)", {"groups": FIELD}),
        (
            "blocks = places, block_size = 25, buffer = 3",
            {"blocks": PLACES, "block_size": 25, "buffer": 3},
        ),
        ("folds = field, fold = 2", {"folds": FIELD, "fold": 2}),
        ("validation = which(field == 2)", {"validation": FIELD == 2}),
        ("validation = field == 2", {"validation": np.flatnonzero(FIELD == 2)}),
        ("folds = list(1:3, 4:9)", {"folds": [range(3), range(3, 9)]}),
    ],
)
def test_rows_are_parted_as_in_python(r, x, encoder, in_r, in_python):
    expected = foundation_fit_classifier(encoder, x, Y, epochs=2, seed=1, **in_python)
    r(f"fit <- foundation_fit_classifier(e, x, y, epochs = 2, seed = 1, {in_r})")
    assert list(r("fit$loss_history")) == expected.loss_history
    assert list(r("fit$val_accuracy_history")) == expected.val_accuracy_history
    counts = r("unlist(fit$config$split[c('n_train', 'n_validation', 'n_left_out')])")
    split = expected.config["split"]
    assert list(counts) == [split["n_train"], split["n_validation"], split["n_left_out"]]


def test_a_cross_validation_has_the_numbers_of_python_and_crosses_both_ways(r, x, encoder):
    expected = foundation_cross_validate(
        "foundation_fit_classifier", encoder, x, Y, groups=FIELD, k=3, seed=1, epochs=2
    )
    r(
        "result <- foundation_cross_validate(foundation_fit_classifier, e, x, y, epochs = 2L, "
        "groups = field, k = 3, seed = 1)"
    )
    assert list(r("result$table$fold")) == [1, 2, 3]
    assert list(r("result$table$log_loss")) == expected.table["log_loss"].tolist()
    assert list(r("format(result)")) == expected.describe()
    assert list(r("capture.output(print(result))")) == expected.describe()
    with converter.context():
        ro.globalenv["ours"] = expected
    for name in ("predictions", "columns", "config", "task"):
        assert r(f"identical(ours${name}, result${name})")[0], name
    with converter.context():
        back = ro.globalenv["ours"]
    assert isinstance(back, FoundationCrossValidation)
    pd.testing.assert_frame_equal(back.table, expected.table)
    pd.testing.assert_frame_equal(back.predictions, expected.predictions)
    assert back.config == expected.config
    assert back.describe() == expected.describe()


def test_processes_start_from_the_embedded_r_too(r):
    call = (
        "foundation_cross_validate(foundation_fit_classifier, e, x, y, epochs = 2, k = 2, seed = 1"
    )
    assert r(f"identical({call}), {call}, n_jobs = 2))")[0]

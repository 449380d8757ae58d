"""foundation_few_label_experiment() in an R inside this process."""

from functools import partial

import numpy as np
import pytest
import rpy2.robjects as ro

from edaphos_bridge import foundation_few_label_experiment, foundation_simclr_pretrain
from edaphos_bridge.interop.rpy2 import converter, install

Y = ["Oxisol", "Ultisol"] * 20
SETTINGS = "labels = c(6, Inf), repeats = 2L, k = 2L, epochs = 1L, batch_size = 4L, seed = 1"


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(5).normal(size=(40, 4, 5, 5))


@pytest.fixture(scope="module")
def expected(x):
    pretrain = partial(foundation_simclr_pretrain, epochs=2)
    return foundation_few_label_experiment(
        {"SimCLR": pretrain}, x, Y, [6, np.inf], repeats=2, k=2, epochs=1, batch_size=4, seed=1
    )


@pytest.fixture
def r(x):
    install()
    with converter.context():
        ro.globalenv["x"] = x
    ro.r("y <- rep(c('Oxisol', 'Ultisol'), 20)")
    return ro.r


@pytest.mark.parametrize(
    "method",
    [
        "list(foundation_simclr_pretrain, epochs = 2)",
        "function(x, seed) foundation_simclr_pretrain(x, epochs = 2, seed = seed)",
    ],
)
def test_an_experiment_has_the_numbers_of_python(r, expected, method):
    r(f"found <- foundation_few_label_experiment(list(SimCLR = {method}), x, y, {SETTINGS})")
    for name in ("method", "labels", "repeat", "n_train", "accuracy", "log_loss"):
        assert list(r(f"found$table[['{name}']]")) == expected.table[name].tolist()
    assert list(r("found$table$fold")) == (expected.table["fold"] + 1).tolist()
    assert list(r("found$differences$conf.low")) == expected.differences()["conf_low"].tolist()
    assert list(r("format(found)")) == expected.describe()


def test_an_experiment_of_python_is_one_in_r(r, expected):
    with converter.context():
        ro.globalenv["ours"] = expected
    assert list(r("capture.output(print(ours))")) == expected.describe()
    assert list(r("ours$summary$log_loss_sd")) == expected.summary()["log_loss_sd"].tolist()


def test_what_stops_in_a_function_of_ones_own_stops_the_experiment(r):
    call = "foundation_few_label_experiment(list(a = function(x, seed) stop('no cells')), x, y"
    said = r(f"tryCatch({call}, {SETTINGS}), error = conditionMessage)")
    assert list(said) == ["no cells"]

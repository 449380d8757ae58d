"""foundation_probe_sweep() in an R inside this process: the numbers and lines of Python."""

import numpy as np
import pandas as pd
import pytest
import rpy2.robjects as ro

from edaphos_bridge import FoundationProbeSweep, foundation_encoder, foundation_probe_sweep
from edaphos_bridge.interop.rpy2 import converter, install

CALLS = {
    "both": (
        "lr = c(0.1, 0.01), weight_decay = 0, C = c(10, 0.1), seeds = c(3, 1), epochs = 3",
        {"lr": [0.1, 0.01], "weight_decay": 0, "C": [10, 0.1], "seeds": [3, 1], "epochs": 3},
    ),
    "adam": (
        "lr = 0.01, C = NULL, seeds = 1:2, epochs = 3",
        {"lr": 0.01, "C": [], "seeds": [1, 2], "epochs": 3},
    ),
    "lbfgs": ("lr = numeric(), C = 0.5, seeds = 2", {"lr": [], "C": 0.5, "seeds": 2}),
}


@pytest.fixture
def x():
    x = np.random.default_rng(5).normal(size=(40, 4, 5, 5))
    for row in range(40):
        x[row, row % 2] += 1
    return x


@pytest.fixture
def r(x):
    install()
    with converter.context():
        ro.globalenv["x"] = x
    ro.r("e <- foundation_encoder('moco', in_channels = 4, seed = 1)")
    ro.r("y <- rep(c('Oxisol', 'Ultisol'), 20)")
    return ro.r


@pytest.mark.parametrize("which", CALLS)
def test_tables_predictions_and_lines_are_those_of_python(r, x, which):
    in_r, in_python = CALLS[which]
    y = ["Oxisol", "Ultisol"] * 20
    encoder = foundation_encoder("moco", in_channels=4, seed=1)
    expected = foundation_probe_sweep(encoder, x, y, **in_python)
    r(f"sweep <- foundation_probe_sweep(e, x, y, {in_r})")
    for name in ("settings", "results"):
        table = getattr(expected, name)
        assert list(r(f"names(sweep${name})")) == table.columns.tolist()
        assert list(r(f"sweep${name}$solver")) == table["solver"].tolist()
        numbers = np.array(r(f"as.matrix(sweep${name}[-1])"))
        np.testing.assert_array_equal(numbers, table.drop(columns="solver").to_numpy(float))
    assert dict(zip(r("names(sweep$best)"), (v[0] for v in r("sweep$best")), strict=True)) == (
        expected.best
    )
    assert bytes(r("sweep$classifier$state")) == expected.classifier.to_bytes()
    prob = np.array(r("predict(sweep, x, type = 'prob')"))
    np.testing.assert_array_equal(prob, expected.predict_proba(x))
    assert list(r("format(sweep)")) == expected.describe()
    assert list(r("capture.output(print(sweep))")) == expected.describe()


def test_what_cannot_be_used_is_an_error_that_names_the_argument(r):
    for code, argument in [
        ("seeds = c(1, NA)", "seeds"),
        ("lr = 'a'", "lr"),
        ("lr = NULL, C = NULL", "lr"),
        ("C = c(1, 1)", "C"),
    ]:
        found = r(
            f"tryCatch(foundation_probe_sweep(e, x, y, {code}), "
            "edaphosbridge_input_error = function(condition) condition$argument)"
        )
        assert found[0] == argument


@pytest.mark.parametrize("which", CALLS)
def test_a_sweep_goes_to_r_and_comes_back(r, x, which):
    encoder = foundation_encoder("moco", in_channels=4, seed=1)
    sweep = foundation_probe_sweep(encoder, x, ["Oxisol", "Ultisol"] * 20, **CALLS[which][1])
    r(f"theirs <- foundation_probe_sweep(e, x, y, {CALLS[which][0]})")
    with converter.context():
        ro.globalenv["ours"] = sweep
    assert r("identical(ours, theirs)")[0]
    with converter.context():
        back = ro.globalenv["ours"]
    assert isinstance(back, FoundationProbeSweep)
    assert back.classifier.to_bytes() == sweep.classifier.to_bytes()
    assert back.best == sweep.best
    assert back.config == sweep.config
    pd.testing.assert_frame_equal(back.settings, sweep.settings)
    pd.testing.assert_frame_equal(back.results, sweep.results)
    assert back.describe() == sweep.describe()
    np.testing.assert_array_equal(back.predict_proba(x), sweep.predict_proba(x))


def test_a_sweep_of_the_first_version_comes_back_to_r_without_settings(r):
    r(f"sweep <- foundation_probe_sweep(e, x, y, {CALLS['adam'][0]})")
    r("sweep$config <- NULL")
    with converter.context():
        back = ro.globalenv["sweep"]
        assert back.config == {}
        ro.globalenv["again"] = back
    assert r("is.null(again$config)")[0]
    assert r("identical(again[names(sweep)], unclass(sweep)[names(sweep)])")[0]


@pytest.mark.parametrize("which", CALLS)
def test_the_methods_of_sweeps_work_in_the_embedded_r(r, which):
    r(f"sweep <- foundation_probe_sweep(e, x, y, {CALLS[which][0]})")
    assert r("inherits(summary(sweep), 'summary.edaphosbridge_probe_sweep')")[0]
    assert r("capture.output(print(summary(sweep)))")[0].startswith("Sweep of linear probes")
    assert r("identical(update(sweep, x, y), sweep)")[0]
    assert r("grDevices::pdf(NULL); identical(plot(sweep), sweep)")[0]
    assert r("inherits(ggplot2::autoplot(sweep), 'ggplot')")[0]
    assert r("identical(generics::tidy(sweep), sweep$settings)")[0]
    assert r("nrow(generics::glance(sweep)) == 1L")[0]
    assert r("identical(generics::augment(sweep, x)$.pred_class, predict(sweep, x))")[0]

"""What a fit does, in an embedded R: from R's own functions, and from Python's objects."""

import numpy as np
import pandas as pd
import pytest
import rpy2.robjects as ro

from closeness import assert_close
from edaphos_bridge import (
    foundation_applicability,
    foundation_attribute,
    foundation_band_importance,
    foundation_embedding_map,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_interpret,
    foundation_knn,
)
from edaphos_bridge.interop.rpy2 import converter, install

LEVELS = ["Ultisol", "Oxisol", "Inceptisol"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    codes = rng.permutation(40) % 3
    x = rng.normal(size=(40, 4, 5, 5)) + codes[:, None, None, None]
    return x, pd.Categorical.from_codes(codes, categories=LEVELS)


@pytest.fixture(scope="module")
def fit(data):
    encoder = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    return foundation_fit_classifier(encoder, *data, epochs=2, seed=1)


@pytest.fixture
def r(data, fit):
    install()
    with converter.context():
        ro.globalenv["x"], ro.globalenv["y"] = data
        ro.globalenv["fit"] = fit
    return ro.r


def test_the_scores_of_r_are_those_of_python(r, data, fit):
    groups = np.arange(40) // 5
    found = foundation_interpret(
        fit, *data, groups=groups, n_boot=20, seed=3, baselines=True, train=data
    )
    r(
        "found <- foundation_interpret(fit, x, y, groups = rep(1:8, each = 5), n_boot = 20, "
        "seed = 3, baselines = TRUE, train = list(x = x, y = y))"
    )
    table = found.as_table()
    for name in ("estimate", "conf_low", "conf_high"):
        in_r = np.array(r(f"found$scores${name.replace('_', '.')}"))
        np.testing.assert_array_equal(in_r, table[name])
    assert list(r("format(found)")) == found.describe()
    with converter.context():
        ro.globalenv["given"] = found
    assert r("identical(given, found)")[0]


@pytest.mark.parametrize(
    ("in_python", "in_r"),
    [
        (
            lambda fit, x, y: foundation_knn(fit, x, y, k=5, n_boot=9, seed=2),
            "foundation_knn(fit, x, y, k = 5, n_boot = 9, seed = 2)",
        ),
        (
            lambda fit, x, y: foundation_embedding_map(fit, x, y),
            "foundation_embedding_map(fit, x, y)",
        ),
        (
            lambda fit, x, y: foundation_applicability(x, fit, folds=np.arange(40) % 4),
            "foundation_applicability(x, fit, folds = rep(1:4, 10))",
        ),
    ],
    ids=["neighbours", "map", "applicability"],
)
def test_what_python_found_is_what_r_finds(r, data, fit, in_python, in_r):
    with converter.context():
        ro.globalenv["given"] = in_python(fit, *data)
    assert r(f"identical(given, {in_r})")[0]


def test_bands_without_names_are_counted_from_1_in_r_and_from_0_in_python(r, data, fit):
    x, y = data
    importance = foundation_band_importance(fit, x, y, n_repeats=2, seed=1)
    r("importance <- foundation_band_importance(fit, x, y, n_repeats = 2, seed = 1)")
    assert_close(np.array(r("importance$losses")), importance.losses, 1e-12)
    assert importance.bands[0] == "band 0"
    assert r("importance$bands[[1]]")[0] == "band 1"
    attribution = foundation_attribute(fit, x[:3])
    assert_close(
        np.array(r("foundation_attribute(fit, x[1:3, , , ])$values")), attribution.values, 1e-6
    )
    with converter.context():
        ro.globalenv["given"] = attribution
    assert list(r("class(given)")) == ["edaphosbridge_attribution", "edaphosbridge_result"]

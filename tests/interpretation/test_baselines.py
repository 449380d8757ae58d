"""Baselines that know nothing of an encoder."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from closeness import assert_close
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation.baselines import (
    Bands,
    band_statistics,
    baseline_values,
    random_convolutions,
)


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(60, 3, 5, 4)) * [[[[2]], [[50]], [[1]]]] + 7


def statistics(x):
    flat = x.astype(np.float32).astype(float).reshape(len(x), 3, -1)
    return np.concatenate([flat.mean(2), flat.std(2), flat.min(2), flat.max(2)], axis=1)


def standardised(x):
    known = statistics(x[:40])
    return [(statistics(part) - known.mean(0)) / known.std(0) for part in (x[:40], x[40:])]


def test_statistics_are_mean_sd_minimum_and_maximum(x):
    assert_close(band_statistics(torch.from_numpy(x).float()).numpy(), statistics(x), 1e-6)


def test_classes_are_learnt_by_logistic_regression(x):
    codes = np.arange(40) % 3
    found = baseline_values(Patches(x[:40]), codes, Patches(x[40:]), 3, 1)
    assert list(found) == ["random_convolutions", "band_statistics"]
    known, asked = standardised(x)
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000).fit(known, codes)
    assert_close(found["band_statistics"], model.predict_proba(asked), 1e-4)
    assert_close(found["random_convolutions"].sum(axis=1), np.ones(20), 1e-12)


def test_pixels_are_all_cells_in_order(x):
    codes = np.arange(40) % 3
    found = baseline_values(Patches(x[:40]), codes, Patches(x[40:]), 3, 1, ["pixels"])
    flat = x.astype(np.float32).astype(float).reshape(60, -1)
    known, asked = ((flat[rows] - flat[:40].mean(0)) / flat[:40].std(0)
                    for rows in (slice(0, 40), slice(40, 60)))  # fmt: skip
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000).fit(known, codes)
    assert list(found) == ["pixels"]
    assert_close(found["pixels"], model.predict_proba(asked), 1e-4)


def test_numbers_are_learnt_by_ridge_regression(x):
    y = np.random.default_rng(2).normal(size=(40, 2))
    found = baseline_values(Patches(x[:40]), y, Patches(x[40:]), None, 1)
    known, asked = standardised(x)
    expected = Ridge(alpha=1.0).fit(known, y).predict(asked)
    assert_close(found["band_statistics"], expected, 1e-6)


def test_a_class_that_only_a_texture_tells_is_learnt_by_convolutions_alone():
    rng = np.random.default_rng(3)
    codes = np.arange(120) % 2
    smooth = np.indices((8, 8)).sum(axis=0) % 2 * 2.0 - 1  # a chessboard
    stripes = np.indices((8, 8))[0] % 2 * 2.0 - 1
    x = np.where(codes[:, None, None, None] == 0, smooth, stripes) + 0.1 * rng.normal(
        size=(120, 1, 8, 8)
    )
    found = baseline_values(Patches(x[:80]), codes[:80], Patches(x[80:]), 2, 1)
    right = {name: (p.argmax(axis=1) == codes[80:]).mean() for name, p in found.items()}
    assert right["random_convolutions"] == 1.0
    assert right["band_statistics"] < 0.8


def test_random_filters_come_from_the_seed():
    bands = Bands(torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    x = torch.ones(2, 3, 5, 5)
    one, same, other = (random_convolutions(bands, [5, 5], seed)(x) for seed in (1, 1, 2))
    assert one.shape == (2, 128)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert random_convolutions(bands, [1, 2], 1)(torch.ones(2, 3, 1, 2)).shape == (2, 128)


def test_training_patches_of_other_channels_are_refused(x):
    with pytest.raises(InputError, match="3 channels") as caught:
        baseline_values(Patches(x[:40, :2]), np.arange(40) % 3, Patches(x), 3, 1)
    assert caught.value.argument == "train"

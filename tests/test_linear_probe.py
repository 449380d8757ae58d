"""`LinearProbe`: the accuracy of the linear head that the engine fits by L-BFGS."""

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import LinearProbe, foundation_embed, foundation_encoder
from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import KnownRows
from edaphos_bridge.encoders.copying import freeze, own_copy
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.run import fit
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.settings import SolveSettings


@pytest.fixture
def noisy(easy):
    """Patches of three classes, a few of them under another name."""
    x, y = easy
    wrong = np.random.default_rng(2).permutation(60)[:12]
    y = y.copy()
    y[wrong] = (y[wrong] + 1) % 3
    return x, y


class Standardised(nn.Module):
    """An encoder whose features have the mean 0 and the variance 1, where they vary."""

    def __init__(self, encoder, mean, sd):
        super().__init__()
        self.encoder, self.mean, self.sd = encoder, mean, torch.where(sd > 0, sd, 1)

    def forward(self, x):
        return (self.encoder(x) - self.mean) / self.sd


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_the_score_is_that_of_a_fit_by_the_same_solver_of_features_of_unit_variance(
    encoder, noisy, penalty
):
    x, y = noisy
    probe = LinearProbe(x, y, C=penalty, val_split=0.4)
    train, held_out = (rows.numpy() for rows in (probe.plan.train_rows, probe.plan.val_rows))
    labels = as_labels(y)
    features = foundation_embed(encoder, x[train]).astype(float)
    units = [torch.tensor(v).float() for v in (features.mean(axis=0), features.std(axis=0))]
    settings = SolveSettings(C=penalty, seed=1, hidden=(1,))
    fitted = fit(
        FoundationClassifier, Classification.of(labels), labels.codes,
        Standardised(encoder, *units), Patches(x), settings, torch.device("cpu"), Events(),
        split=KnownRows(Fold(0, train, held_out), {}),
    )  # fmt: skip
    expected = np.mean(np.asarray(fitted.predict(x[held_out])) == y[held_out])
    assert_close(probe.score(freeze(own_copy(encoder))), expected, 1e-12)
    assert len(held_out) == 24


def test_each_setting_has_its_effect(encoder, noisy):
    def score(**settings):
        return LinearProbe(*noisy, val_split=0.4, **settings).score(freeze(own_copy(encoder)))

    assert len({score(C=C) for C in (1e-6, 0.1, 1e4)}) > 1
    assert len({score(seed=seed) for seed in range(4)}) > 1


def test_classes_that_differ_are_told_apart_and_noise_is_not(easy):
    x, y = easy
    encoder = freeze(foundation_encoder("moco", 4, seed=1))
    assert LinearProbe(x, y).score(encoder) == 1
    noise = np.random.default_rng(1).normal(size=(300, 4, 5, 5))
    assert LinearProbe(noise, np.arange(300) % 3, val_split=0.5).score(encoder) < 0.6


@pytest.mark.parametrize("value", [0, -1, np.nan, "1", None])
def test_a_penalty_that_is_none_is_refused(easy, value):
    with pytest.raises(InputError, match="`C` must be a single finite number, greater than 0"):
        LinearProbe(*easy, C=value)


def test_the_scale_of_features_does_not_matter(encoder, noisy):
    class Scaled(nn.Module):
        def forward(self, x):
            return 1000 * encoder(x) + 7

    encoder.eval()
    probe = LinearProbe(*noisy, C=0.01, val_split=0.4)
    assert_close(probe.score(Scaled()), probe.score(freeze(own_copy(encoder))), 0.05)

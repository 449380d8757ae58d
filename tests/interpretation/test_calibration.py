"""One temperature, and nothing else changes."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import nn

from closeness import assert_close
from edaphos_bridge import FoundationClassifier, foundation_calibrate, foundation_fit_classifier
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.interpretation.calibration import HIGHEST, LOWEST, temperature_of
from small_fits import quick


def cross_entropy(logits, codes, temperature):
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(codes)), codes].mean()


@pytest.mark.parametrize("scale", [0.01, 0.3, 1.0, 8.0])
def test_the_temperature_has_the_smallest_cross_entropy(scale):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, size=300)
    logits = scale * (rng.normal(size=(300, 3)) + np.eye(3)[codes])
    found = temperature_of(logits, codes)
    best = minimize_scalar(
        lambda log_t: cross_entropy(logits, codes, np.exp(log_t)),
        bounds=(-7, 6),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert_close(found, np.exp(best.x), 1e-5)


def test_where_none_is_best_a_bound_is_taken_and_said():
    right = np.eye(3)[[0, 1, 2]]
    with pytest.warns(EdaphosWarning, match="classified right"):
        assert temperature_of(right, np.arange(3)) == LOWEST
    with pytest.warns(EdaphosWarning, match="no better than chance"):
        assert temperature_of(right, np.array([1, 2, 0])) == HIGHEST


def test_small_logits_have_a_temperature_of_their_own_and_no_bound():
    rng = np.random.default_rng(3)
    for _ in range(40):
        logits = rng.normal(size=(200, 2)) * 1.5
        p = np.exp(log_softmax(logits, axis=1))
        codes = (rng.uniform(size=200) > p[:, 0]).astype(int)
        assert_close(
            temperature_of(0.02 * logits, codes) / temperature_of(logits, codes), 0.02, 1e-9
        )


@pytest.fixture
def noisy(easy):
    """Patches of which a fifth have another class."""
    x, y = easy
    wrong = np.arange(len(y)) % 5 == 0
    return x, np.where(wrong, (y + 1) % 3, y)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_probabilities_are_those_of_divided_logits_and_live_in_files(encoder, noisy, head):
    x, y = noisy
    fit = quick(encoder, x, y, head=head, hidden=(6,), epochs=20, lr=0.05)
    before = fit.to_bytes()
    new = foundation_calibrate(fit, x, y)
    assert fit.to_bytes() == before
    temperature = new.config["temperature"]
    powers = fit.predict_proba(x) ** (1 / temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert_close(new.predict_proba(x), expected, 1e-5)
    codes = [fit.classes.index(label) for label in y]
    losses = [cross_entropy(np.log(f.predict_proba(x)), codes, 1) for f in (fit, new)]
    assert losses[1] < losses[0]
    assert list(new.predict(x)) == list(fit.predict(x))
    back = FoundationClassifier.from_bytes(new.to_bytes())
    np.testing.assert_array_equal(back.predict_proba(x), new.predict_proba(x))
    assert back.config == new.config


def test_a_calibrated_fit_is_calibrated_already(encoder, noisy):
    x, y = noisy
    once = foundation_calibrate(quick(encoder, x, y, epochs=20, lr=0.05), x, y)
    assert f"temperature:   {once.config['temperature']:.4g}" in str(once)
    twice = foundation_calibrate(once, x, y)
    assert_close(twice.config["temperature"], once.config["temperature"], 1e-4)


def test_a_frozen_encoder_stays_frozen(encoder, noisy):
    new = foundation_calibrate(quick(encoder, *noisy, epochs=20, lr=0.05), *noisy)
    new.encoder.train()
    assert not any(part.training for part in new.encoder.modules())


@pytest.mark.parametrize("head", [nn.ReLU(), nn.Sequential(nn.Linear(8, 3), nn.Softplus())])
def test_a_head_without_a_linear_end_is_refused(encoder, noisy, head):
    fit = quick(encoder, *noisy)
    fit.head = head
    with pytest.raises(InputError, match="ends in a linear layer"):
        foundation_calibrate(fit, *noisy)


def test_bad_input_is_refused_by_its_name(encoder, easy, x):
    fit = foundation_fit_classifier(encoder, *easy, epochs=1, seed=1)
    for args, argument in [
        ((fit, easy[0][:3], easy[1]), "y"),
        ((fit, easy[0][:, :2], easy[1]), "x"),
        ((fit, easy[0], easy[1] + 1), "y"),
        ((encoder, *easy), "fit"),
        ((fit, np.zeros((0, 4, 5, 5)), []), "x"),
    ]:
        with pytest.raises(InputError) as caught:
            foundation_calibrate(*args)
        assert caught.value.argument == argument
    assert torch.is_grad_enabled()

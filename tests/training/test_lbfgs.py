"""L-BFGS along a path of C against Newton's method, written out with autograd's Hessian."""

import math

import pytest
import torch
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge.errors import EdaphosWarning
from edaphos_bridge.training import lbfgs
from edaphos_bridge.training.lbfgs import logistic_path, standardised, warn_about_unfinished

N, D = 60, 4
PATH = [0.01, 0.1, 1.0, 10.0, 100.0]


def drawn(n_classes):
    generator = torch.Generator().manual_seed(n_classes)
    features = torch.randn(N, D, generator=generator)
    return features, torch.randint(0, n_classes, (N,), generator=generator)


def objective(flat, features, targets, n_classes, c):
    """1/2 |W|^2 + C sum_i -log p[i, t_i] in double; the last column of `flat` is the bias."""
    joined = flat.view(n_classes, D + 1)
    logits = functional.linear(features.double(), joined[:, :-1], joined[:, -1])
    losses = functional.cross_entropy(logits, targets, reduction="sum")
    return (joined[:, :-1] ** 2).sum() / 2 + c * losses


def by_newton(features, targets, n_classes, c):
    """Damped Newton steps from zero; the bias may be shifted by any number, hence pinv."""

    def of(flat):
        return objective(flat, features, targets, n_classes, c)

    flat = torch.zeros(n_classes * (D + 1), dtype=torch.float64)
    for _ in range(60):
        gradient = torch.autograd.functional.jacobian(of, flat)
        hessian = torch.autograd.functional.hessian(of, flat)
        step = torch.linalg.pinv(hessian, rtol=1e-10, hermitian=True) @ gradient
        size = 1.0
        while of(flat - size * step) > of(flat) and size > 1e-8:
            size /= 2
        flat = flat - size * step
        if step.abs().max() <= 1e-9 * flat.abs().max():
            break
    return flat.view(n_classes, D + 1)


def joined(solution):
    return torch.cat([solution.weight, solution.bias[:, None]], dim=1).double()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_each_solution_of_the_path_is_newtons(n_classes):
    features, targets = drawn(n_classes)
    solutions = logistic_path(features, targets, n_classes, PATH)
    for c, solution in zip(PATH, solutions, strict=True):
        expected = by_newton(features, targets, n_classes, c)
        assert solution.converged
        assert solution.weight.dtype == solution.bias.dtype == torch.float32
        assert_close(joined(solution), expected, 1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_gradient_of_the_stated_objective_is_zero(n_classes):
    features, targets = drawn(n_classes)
    for c, solution in zip(PATH, logistic_path(features, targets, n_classes, PATH), strict=True):
        flat = joined(solution).flatten().requires_grad_()
        (objective(flat, features, targets, n_classes, c) / (c * N)).backward()
        assert_close(flat.grad, torch.zeros_like(flat), 2e-6)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_features_of_any_scale_and_mean_have_a_solution_with_a_gradient_of_zero(scale):
    features, targets = drawn(3)
    features = (features + 2) * torch.tensor([1e-2, 0.1, 1.0, 10.0]) * scale
    for c, solution in zip(PATH, logistic_path(features, targets, 3, PATH), strict=True):
        assert solution.converged
        flat = joined(solution).flatten().requires_grad_()
        (objective(flat, features, targets, 3, c) / (c * N)).backward()
        of_each = flat.grad.view(3, D + 1)
        size = torch.cat([features.abs().max(dim=0).values, torch.ones(1)])
        assert_close(of_each, torch.zeros_like(of_each), 2e-6, size.clamp(min=1))


def test_no_step_of_gradient_descent_gets_below_the_solution():
    features, targets = drawn(3)
    (solution,) = logistic_path(features, targets, 3, [1.0])
    found = objective(joined(solution).flatten(), features, targets, 3, 1.0).item()
    flat = torch.zeros(3 * (D + 1), dtype=torch.float64, requires_grad=True)
    for _ in range(500):
        value = objective(flat, features, targets, 3, 1.0)
        assert found <= value.item() * (1 + 1e-11)
        (gradient,) = torch.autograd.grad(value, flat)
        flat = (flat - 0.02 * gradient).detach().requires_grad_()
    assert_close(value, found, 1e-6)


def test_the_order_of_the_path_changes_nothing():
    features, targets = drawn(3)
    up = logistic_path(features, targets, 3, PATH)
    mixed = [10.0, 0.01, 100.0, 0.1, 1.0]
    for c, solution in zip(mixed, logistic_path(features, targets, 3, mixed), strict=True):
        same = up[PATH.index(c)]
        assert torch.equal(solution.weight, same.weight)
        assert torch.equal(solution.bias, same.bias)
        assert solution.loss_history == same.loss_history


def test_a_warm_start_leads_to_the_same_solution_with_fewer_evaluations():
    features, targets = drawn(3)
    (cold,) = logistic_path(features, targets, 3, [100.0])
    warm = logistic_path(features, targets, 3, [50.0, 100.0])[1]
    assert_close(joined(warm), joined(cold), 1e-5)
    assert len(warm.loss_history) < len(cold.loss_history)


def test_losses_begin_with_that_of_zero_weights_and_end_with_that_of_the_solution():
    features, targets = drawn(3)
    (solution,) = logistic_path(features, targets, 3, [1.0])
    logits = functional.linear(features, solution.weight, solution.bias)
    last = functional.cross_entropy(logits, targets).item()
    assert_close(solution.loss_history[0], math.log(3), 1e-6)
    assert_close(solution.loss_history[-1], last, 1e-6)


def test_a_class_without_rows_gets_no_probability():
    features, targets = drawn(2)
    (solution,) = logistic_path(features, targets, 3, [1.0])
    p = functional.linear(features, solution.weight, solution.bias).softmax(dim=1)
    assert solution.converged
    assert_close(p[:, 2], torch.zeros(N), 2e-6)  # their mean is the gradient of its bias


def test_separable_classes_have_a_finite_solution():
    features = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]])
    (solution,) = logistic_path(features, torch.tensor([0, 0, 1, 1]), 2, [1e4])
    assert solution.converged
    assert solution.loss_history[-1] < 0.01
    assert torch.isfinite(solution.weight).all()


def test_what_was_stopped_early_has_not_converged(monkeypatch):
    monkeypatch.setattr(lbfgs, "_ITERATIONS", 2)
    assert not logistic_path(*drawn(3), 3, [100.0])[0].converged


def test_a_warning_names_each_c_that_has_not_converged(recwarn):
    warn_about_unfinished([])
    assert not recwarn.list
    with pytest.warns(EdaphosWarning, match=r"before it converged at C = 1\.0, 10\.0"):
        warn_about_unfinished({10.0, 1.0})


def test_features_targets_and_gradient_mode_are_left_as_they_are():
    features, targets = drawn(3)
    before = features.clone(), targets.clone()
    state = torch.get_rng_state()
    logistic_path(features, targets, 3, [1.0])
    assert torch.equal(features, before[0])
    assert torch.equal(targets, before[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_standardised_features_have_mean_0_and_sd_1_and_others_the_same_units():
    features, _ = drawn(3)
    features = features * torch.tensor([1.0, 1e-3, 1e4, 0.0]) + torch.tensor([0, 5, -1e3, 0.1])
    known, asked = standardised(features[:40], features[40:])
    kept = features[:40].double()
    assert_close(known[:, :3].mean(dim=0), torch.zeros(3).double(), 1e-6)
    assert_close(known[:, :3].std(dim=0, correction=0), torch.ones(3).double(), 1e-6)
    expected = (features[40:].double() - kept.mean(dim=0)) / kept.std(dim=0, correction=0)
    assert_close(asked[:, :3], expected[:, :3], 1e-9)
    assert not known[:, 3].any()  # a feature that never varies
    assert not asked[:, 3].any()

"""Regression: targets scaled by their own spread, the loss of them, the error in their units."""

import copy
import math

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import FoundationRegressor
from edaphos_bridge.data.targets import Targets, as_targets
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.regression import Regression
from engine_fits import EPOCHS, Adam, engine_fit, plan_of_41
from small_fits import REGIMES


@pytest.fixture
def clay_and_zinc(x):
    """Two targets of very different size, in double."""
    clay = 40 + 60 * x[:, 0].mean(axis=(1, 2))
    return np.stack([clay, np.exp(x[:, 1].mean(axis=(1, 2))) * 1e-4], axis=1)


@pytest.fixture
def one(clay_and_zinc):
    return as_targets(clay_and_zinc[:, 0])


@pytest.fixture
def two(clay_and_zinc):
    return as_targets(clay_and_zinc)


def naive_loss(name, outputs, scaled):
    errors = (outputs - scaled).abs()
    if name == "mse":
        return errors.square().mean()
    return torch.where(errors < 1, errors.square() / 2, errors - 0.5).mean()


def test_targets_are_scaled_by_mean_and_sd_of_all_rows_as_r_has_them(two):
    task = Regression.of(two, "mse")
    n = len(two)
    for column, (mean, sd) in enumerate(zip(task.means, task.sds, strict=True)):
        values = two.values[:, column].tolist()
        expected_mean = math.fsum(values) / n
        squares = math.fsum((value - expected_mean) ** 2 for value in values)
        assert_close(mean, expected_mean, 1e-14, size=0)
        assert_close(sd, math.sqrt(squares / (n - 1)), 1e-14, size=0)
        scaled = task.scaled(two)[:, column].double()
        assert_close(scaled.mean(), 0, 1e-6)
        assert_close(scaled.std(), 1, 1e-6)
    assert task.scaled(two).dtype == torch.float32


@pytest.mark.parametrize("loss_fn", ["mse", "huber"])
def test_the_loss_is_that_of_scaled_targets(two, loss_fn):
    task = Regression.of(two, loss_fn)
    outputs = 3 * torch.randn(41, 2, generator=torch.Generator().manual_seed(1))
    scaled = task.scaled(two)
    assert_close(task.loss(outputs, scaled), naive_loss(loss_fn, outputs, scaled), 1e-6)


def test_the_score_is_the_rmse_in_the_unit_of_each_target_whatever_the_batches(two):
    task = Regression.of(two, "mse")
    outputs = torch.randn(41, 2, generator=torch.Generator().manual_seed(1))
    found = task.values(outputs.double()).numpy()
    each = np.sqrt(((found - two.values) ** 2).mean(axis=0))
    scaled = task.scaled(two)
    for size in (41, 7):
        parts = zip(outputs.split(size), scaled.split(size), strict=True)
        counts = torch.stack([task.counts(*part) for part in parts]).sum(dim=0)
        assert_close(task.score(counts), each.mean(), 1e-6)


@REGIMES
@pytest.mark.parametrize("head_type", ["linear", "mlp"])
@pytest.mark.parametrize("loss_fn", ["mse", "huber"])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_it_trains_as_the_loop_written_out(
    x, clay_and_zinc, dropout_encoder, head_type, loss_fn, n_targets, freeze_backbone
):
    values = clay_and_zinc[:, :n_targets]
    targets = Targets(values, ["clay", "zinc"][:n_targets])
    means, sds = values.mean(axis=0), values.std(axis=0, ddof=1)
    scaled = torch.from_numpy(((values - means) / sds).astype(np.float32))
    encoder = dropout_encoder[:3]  # without dropout, whose draws no loop here repeats
    encoder = torch.nn.Sequential(*encoder, *dropout_encoder[4:])
    torch.manual_seed(3)
    head = make_head(head_type, 6, n_targets, (6,), 0.0)
    model, plan = copy.deepcopy(torch.nn.ModuleList([encoder, head])), plan_of_41()
    task = Regression.of(targets, loss_fn)
    fit = engine_fit(
        FoundationRegressor,
        task,
        task.scaled(targets),
        encoder,
        torch.from_numpy(x.astype(np.float32)),
        plan=plan,
        initial_head=head,
        freeze_backbone=freeze_backbone,
        batch_size=11,
    )
    patches = torch.from_numpy(x).float()
    optimizers = [Adam(model[1].parameters(), 0.01, 0.1)]
    if freeze_backbone:
        model[0].requires_grad_(False)
    else:
        optimizers.append(Adam(model[0].parameters(), 0.005, 0.1))
    losses, scores = [], []
    for epoch in range(EPOCHS):
        batch_losses = []
        model[0].train(not freeze_backbone)
        for rows in plan.epoch_rows(epoch).split(11):
            loss = naive_loss(
                loss_fn, model[1](encode_features(model[0], patches[rows])), scaled[rows]
            )
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            batch_losses.append(loss.item())
        losses.append(sum(batch_losses) / len(batch_losses))
        model[0].eval()
        with torch.no_grad():
            outputs = model[1](encode_features(model[0], patches[plan.val_rows]))
        errors = outputs.double().numpy() * sds + means - values[plan.val_rows.numpy()]
        scores.append(np.sqrt((errors**2).mean(axis=0)).mean())
    assert_close(fit.loss_history, losses, 1e-5)
    assert_close(fit.val_rmse_history, scores, 1e-5)
    assert_close(fit.head.state_dict(), model[1].state_dict(), 1e-5)
    with torch.no_grad():
        outputs = model[1](encode_features(model[0], patches)).double().numpy()
    predicted = np.asarray(fit.predict(x)).reshape(41, n_targets)
    assert_close((predicted - means) / sds, outputs, 1e-5)


def test_what_is_described_comes_back(one, two):
    for targets in (one, two):
        task = Regression.of(targets, "huber")
        assert Regression.from_description(task.describe()) == task


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"means": [1.0]}, "it has not one mean and one sd for each target"),
        ({"means": []}, "'means' is"),
        ({"sds": [1.0, 0.0]}, "'sds' is"),
        ({"sds": [1.0, "2"]}, "'sds' is"),
        ({"names": None}, "its targets' names do not fit"),
        ({"names": ["clay"]}, "its targets' names do not fit"),
        ({"names": ["clay", "clay"]}, "its targets' names do not fit"),
        ({"names": "clay"}, "'names' is"),
        ({"loss_fn": "mae"}, "'loss_fn' is"),
        ({"n": -1}, "'n' is"),
    ],
)
def test_a_damaged_description_is_an_error(two, change, says):
    description = Regression.of(two, "mse").describe()
    with pytest.raises(WeightsError, match=says):
        Regression.from_description({**description, **change})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([3.5] * 41, "must vary; it is constant; found 3.5"),
        ([0.1] * 41, "must vary; it is constant; found 0.1"),
        ([5e-324, 0.0] * 20, "must vary; it is constant"),
        ([1e308, -1e308] * 20, "is too large; it has no spread in double; found 1e+308"),
        ([1.0], "must have at least two rows; found 1"),
    ],
)
def test_targets_without_a_spread_are_an_error(values, says):
    with pytest.raises(InputError) as caught:
        Regression.of(as_targets(values), "mse")
    assert caught.value.argument == "y"
    assert says in str(caught.value)


def test_the_constant_one_of_several_targets_is_named(clay_and_zinc):
    clay_and_zinc[:, 1] = 7
    with pytest.raises(InputError, match=r"target 'y2' is constant; found 7\.0"):
        Regression.of(as_targets(clay_and_zinc), "mse")

"""The training loop against the same loop written out by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.errors import TrainingError
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.aids import Aids
from edaphos_bridge.training.backprop import Backprop
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.groups import Groups
from edaphos_bridge.training.inputs import Inputs
from edaphos_bridge.training.linear import LinearLearner
from edaphos_bridge.training.loop import train
from edaphos_bridge.training.phase import Phase
from edaphos_bridge.training.plan import Plan
from heard import Heard

TASK = Classification(["a", "b", "c"])
ORDERS = [[2, 0, 4, 1, 3], [4, 3, 2, 1, 0], [0, 2, 1, 3, 4]]


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


@pytest.fixture
def plan():
    """Five training rows in given orders: with batches of two the last has one row."""
    orders = torch.tensor(ORDERS)
    return Plan(torch.tensor([0, 2, 3, 5, 7]), torch.tensor([6, 1, 4]), lambda epoch: orders[epoch])


def linear():
    torch.manual_seed(2)
    return nn.Linear(3, 3)


def run(model, data, plan, optimizer, events=None, **changes):
    settings = {"epochs": 3, "batch_size": 2, **changes}
    x, codes = data
    inputs = Inputs(3, lambda rows: x[rows], 2)
    phase, groups = Phase(3, 1e-3), Groups(nn.Identity(), model)
    told = events or Events()
    learner = Backprop(
        model, TASK, phase, groups, inputs, codes, optimizer, Aids(), Randomness(1), told
    )
    return train(learner, TASK, plan, events=told, **settings)


class Naive:
    """Softmax regression with Adam in double precision, every formula written out."""

    def __init__(self, model, lr, weight_decay):
        self.p = [p.detach().double().numpy().copy() for p in (model.weight, model.bias)]
        self.m = [np.zeros_like(p) for p in self.p]
        self.v = [np.zeros_like(p) for p in self.p]
        self.lr, self.weight_decay, self.t = lr, weight_decay, 0

    def logits(self, x):
        return x @ self.p[0].T + self.p[1]

    def step(self, x, y):
        """Take one step; return the loss before it."""
        exp = np.exp(self.logits(x))
        probabilities = exp / exp.sum(1, keepdims=True)
        delta = (probabilities - np.eye(3)[y]) / len(y)
        self.t += 1
        for i, gradient in enumerate([delta.T @ x, delta.sum(0)]):
            g = gradient + self.weight_decay * self.p[i]  # coupled: through the moments
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g**2
            m, v = self.m[i] / (1 - 0.9**self.t), self.v[i] / (1 - 0.999**self.t)
            self.p[i] -= self.lr * m / (np.sqrt(v) + 1e-8)
        return -np.log(probabilities[np.arange(len(y)), y]).mean()


def by_backprop(model, data, plan, lr, weight_decay):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    return run(model, data, plan, optimizer)


def in_closed_form(model, data, plan, lr, weight_decay):
    probe = LinearLearner(model, *data, lr, weight_decay)
    return train(probe, TASK, plan, epochs=3, batch_size=2, events=Events())


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("training", [by_backprop, in_closed_form])
def test_losses_accuracies_and_weights_are_those_of_the_loop_written_out(
    data, plan, training, weight_decay
):
    model = linear()
    naive = Naive(model, 0.05, weight_decay)
    x, y = data[0].double().numpy(), data[1].numpy()
    expected_losses, expected_accuracies = [], []
    for order in ORDERS:
        rows = plan.train_rows.numpy()[order]
        batches = [rows[:2], rows[2:4], rows[4:]]
        losses = [naive.step(x[batch], y[batch]) for batch in batches]
        expected_losses.append(sum(losses) / 3)  # each batch counts the same, the last one too
        right = naive.logits(x[plan.val_rows]).argmax(1) == y[plan.val_rows]
        expected_accuracies.append(right.sum() / 3)
    history = training(model, data, plan, 0.05, weight_decay)
    assert_close(history.losses, expected_losses, 1e-5)
    assert history.scores == expected_accuracies
    assert_close(model.weight, naive.p[0], 1e-5)
    assert_close(model.bias, naive.p[1], 1e-5)


def test_training_batches_run_in_train_mode_and_validation_in_eval_mode(data, plan):
    seen = []

    class Recording(nn.Linear):
        def forward(self, x):
            seen.append((self.training, len(x), torch.is_grad_enabled()))
            return super().forward(x)

    model = Recording(3, 3)
    run(model, data, plan, torch.optim.Adam(model.parameters()), epochs=2)
    epoch = [
        (True, 2, True),
        (True, 2, True),
        (True, 1, True),
        (False, 2, False),
        (False, 1, False),
    ]
    assert seen == epoch * 2


def test_validation_changes_no_running_statistics(data, plan):
    def statistics(plan):
        torch.manual_seed(3)
        model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3))
        run(model, data, plan, torch.optim.Adam(model.parameters()), batch_size=5)
        return [value.tolist() for value in model.state_dict().values()]

    without = Plan(plan.train_rows, torch.tensor([], dtype=torch.int64), plan.permutation)
    assert statistics(plan) == statistics(without)


def test_without_validation_rows_accuracy_is_nan(data, plan):
    plan = Plan(plan.train_rows, torch.tensor([], dtype=torch.int64), plan.permutation)
    model = linear()
    history = run(model, data, plan, torch.optim.Adam(model.parameters()))
    assert len(history.scores) == 3
    assert all(math.isnan(value) for value in history.scores)


def test_every_step_and_every_epoch_is_told_as_it_ends(data, plan):
    events = Heard()
    model = linear()
    optimizer = torch.optim.Adam(model.parameters())
    history = run(model, data, plan, optimizer, events)
    reports = events.reports
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert {report.epochs for report in reports} == {3}
    assert [report.loss for report in reports] == history.losses
    assert [report.score for report in reports] == history.scores
    assert not any(loss.requires_grad for loss in events.losses)
    by_epoch = torch.stack(events.losses).double().reshape(3, 3).mean(dim=1)
    assert by_epoch.tolist() == history.losses


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_training_at_once(data, plan, value):
    x = data[0].clone()
    x[3, 0] = value
    model = linear()
    events = Heard()
    with pytest.raises(TrainingError, match=r"loss is (nan|inf) in epoch 1: .*diverged.*`lr`"):
        run(model, (x, data[1]), plan, torch.optim.SGD(model.parameters(), 0.1), events)
    assert (events.reports, events.ends) == ([], 0)


def test_an_interrupt_from_a_listener_ends_training_at_once(data, plan):
    class Interrupting(Events):
        def on_epoch(self, report):
            raise KeyboardInterrupt

    model = linear()
    with pytest.raises(KeyboardInterrupt):
        run(model, data, plan, torch.optim.Adam(model.parameters()), Interrupting())


def test_a_last_step_that_diverges_is_a_training_error_too():
    class Exploding(torch.optim.SGD):
        def step(self):
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data.fill_(float("inf"))

    head = nn.Linear(3, 2)
    plan = Plan(torch.arange(4), torch.arange(0), lambda epoch: torch.arange(4))
    with pytest.raises(TrainingError, match="last step diverged"):
        run(
            head,
            (torch.ones(4, 3), torch.tensor([0, 1, 0, 1])),
            plan,
            Exploding(head.parameters(), lr=1.0),
            epochs=1,
            batch_size=4,
        )

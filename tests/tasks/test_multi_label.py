"""Multi-label: a binary cross-entropy of each label, and the macro F1 at the thresholds."""

import copy
import math

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import FoundationMultiLabel
from edaphos_bridge.data.label_sets import as_label_sets
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.errors import EdaphosWarning, InputError, WeightsError
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.multi_label import MultiLabel, thresholds
from edaphos_bridge.training.plan import Plan
from engine_fits import EPOCHS, Adam, engine_fit, plan_of_41
from small_fits import REGIMES


@pytest.fixture
def sets():
    """Three labels of 41 patches, the last one rare."""
    draws = np.random.default_rng(2).uniform(size=(41, 3))
    return as_label_sets(draws < [0.5, 0.3, 0.15])


@pytest.fixture
def task(sets):
    return MultiLabel.of(sets, (0.5, 0.4, 0.2))


def naive_loss(outputs, held):
    """The mean over patches and labels of -log p of what is there."""
    p = 1 / (1 + torch.exp(-outputs))
    return -torch.where(held, p, 1 - p).log().mean()


def naive_macro_f1(predicted, held):
    each = []
    for column in range(held.shape[1]):
        found, there = predicted[:, column], held[:, column]
        right = int((found & there).sum())
        if found.any() or there.any():
            precision = right / max(int(found.sum()), 1)
            recall = right / max(int(there.sum()), 1)
            each.append(2 * precision * recall / (precision + recall) if right else 0.0)
    return sum(each) / len(each) if each else math.nan


def logits():
    return 2 * torch.randn(41, 3, generator=torch.Generator().manual_seed(1))


def test_the_loss_is_the_binary_cross_entropy_of_every_label(task, sets):
    found = task.loss(logits(), MultiLabel.targets(sets))
    assert_close(found, naive_loss(logits(), torch.from_numpy(sets.held)), 1e-6)


def test_the_score_is_the_macro_f1_whatever_the_batches(task, sets):
    predicted = logits().sigmoid().numpy() >= np.array(task.threshold, dtype=np.float32)
    expected = naive_macro_f1(predicted, sets.held)
    for size in (41, 7):
        parts = zip(logits().split(size), MultiLabel.targets(sets).split(size), strict=True)
        counts = torch.stack([task.counts(*part) for part in parts]).sum(dim=0)
        assert_close(task.score(counts), expected, 1e-12)


def test_a_label_that_neither_occurs_nor_is_predicted_does_not_count(task):
    outputs = torch.tensor([[9.0, -9.0, -9.0], [9.0, -9.0, -9.0]])
    counts = task.counts(outputs, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert_close(task.score(counts), 2 / 3, 1e-12)
    assert math.isnan(task.score(torch.zeros(3, 3, dtype=torch.int64)))


@REGIMES
@pytest.mark.parametrize("head_type", ["linear", "mlp"])
def test_it_trains_as_the_loop_written_out(
    x, sets, task, small_encoder, head_type, freeze_backbone
):
    torch.manual_seed(3)
    head, plan = make_head(head_type, 6, 3, (6,), 0.0), plan_of_41()
    model = copy.deepcopy(torch.nn.ModuleList([small_encoder, head]))
    fit = engine_fit(
        FoundationMultiLabel,
        task,
        MultiLabel.targets(sets),
        small_encoder,
        torch.from_numpy(x.astype(np.float32)),
        plan=plan,
        initial_head=head,
        freeze_backbone=freeze_backbone,
    )
    patches, held = torch.from_numpy(x).float(), torch.from_numpy(sets.held)
    optimizers = [Adam(model[1].parameters(), 0.01, 0.1)]
    if not freeze_backbone:
        optimizers.append(Adam(model[0].parameters(), 0.005, 0.1))
    losses, scores = [], []
    for epoch in range(EPOCHS):
        batch_losses = []
        for rows in plan.epoch_rows(epoch).split(32):
            loss = naive_loss(model[1](encode_features(model[0], patches[rows])), held[rows])
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            batch_losses.append(loss.item())
        losses.append(sum(batch_losses) / len(batch_losses))
        with torch.no_grad():
            outputs = model[1](encode_features(model[0], patches[plan.val_rows]))
        predicted = outputs.sigmoid() >= torch.tensor(task.threshold)
        scores.append(naive_macro_f1(predicted.numpy(), sets.held[plan.val_rows.numpy()]))
    assert_close(fit.loss_history, losses, 1e-5)
    assert_close(fit.val_f1_history, scores, 1e-12)
    assert_close(fit.head.state_dict(), model[1].state_dict(), 1e-5)
    with torch.no_grad():
        outputs = model[1](encode_features(model[0], patches)).double()
    assert_close(fit.predict_proba(x), outputs.sigmoid(), 1e-5)


@pytest.fixture
def small_encoder():
    torch.manual_seed(4)
    return torch.nn.Sequential(
        torch.nn.Conv2d(4, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )


def test_thresholds_are_one_for_all_one_a_label_or_by_name():
    labels = ["crop", "water"]
    assert thresholds(0.3, labels) == [0.3, 0.3]
    assert thresholds((0.3, 0.6), labels) == [0.3, 0.6]
    assert thresholds(np.array([0.3, 0.6]), labels) == [0.3, 0.6]
    assert thresholds({"water": 0.6, "crop": 0.3}, labels) == [0.3, 0.6]
    assert thresholds({2: 0.6, 1: 0.3}, ["1", "2"]) == [0.3, 0.6]  # columns named by numbers


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0, "greater than 0 and less than 1; found 0"),
        (1, "greater than 0 and less than 1; found 1"),
        ("half", "found 'half'"),
        (None, "found None"),
        ([0.5], "one for each of the 2 labels; found '1 numbers'"),
        ([0.5, math.nan], "found nan"),
        ({"crop": 0.5}, "must name each of the labels ['crop', 'water']; found ['crop']"),
        ({"crop": 0.5, "wood": 0.5}, "must name each of the labels"),
    ],
)
def test_anything_else_is_no_threshold(value, says):
    with pytest.raises(InputError) as caught:
        thresholds(value, ["crop", "water"])
    assert caught.value.argument == "threshold"
    assert says in str(caught.value)


def test_a_label_that_all_or_none_have_is_warned_about(sets):
    held = sets.held.copy()
    held[:, 0], held[:, 1] = True, False
    with pytest.warns(EdaphosWarning) as caught:
        MultiLabel.of(as_label_sets(held), 0.5)
    texts = [str(warning.message) for warning in caught]
    assert texts[0].startswith("no patch has the label label2:")
    assert texts[1].startswith("all patches have the label label1:")


def test_a_split_without_a_training_row_of_a_label_is_warned_about(task, sets):
    rare = torch.from_numpy(np.flatnonzero(sets.held[:, 2]))
    others = torch.from_numpy(np.flatnonzero(~sets.held[:, 2]))
    plan = Plan(others, rare, lambda epoch: torch.arange(len(others)))
    with pytest.warns(EdaphosWarning, match="no training row with: label3"):
        task.learnt_from(MultiLabel.targets(sets), plan)


def test_what_is_described_comes_back(task):
    assert MultiLabel.from_description(task.describe()) == task


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": []}, "'labels' is"),
        ({"labels": ["a", "a", "b"]}, "two of its labels have one name"),
        ({"threshold": [0.5, 0.5]}, "'threshold' has not one number a label"),
        ({"threshold": [0.5, 0.5, 1.5]}, "'threshold' is"),
        ({"label_counts": [1, 2]}, "'label_counts' has not one number a label"),
        ({"label_counts": [1, 2, -3]}, "'label_counts' is"),
        ({"n": "41"}, "'n' is"),
    ],
)
def test_a_damaged_description_is_an_error(task, change, says):
    with pytest.raises(WeightsError, match=says):
        MultiLabel.from_description({**task.describe(), **change})

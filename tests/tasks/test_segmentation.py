"""Segmentation: losses, scores and values of cells; unlabelled ones are as if not there."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score, log_loss

from closeness import assert_close
from edaphos_bridge.data.masks import UNLABELLED, as_masks
from edaphos_bridge.errors import EdaphosWarning, InputError, WeightsError
from edaphos_bridge.tasks.segmentation import SEGMENTATION_LOSSES, Segmentation
from edaphos_bridge.training.plan import Plan

SHAPE = (3, 5, 4)
CLASSES = {2: ["land", "water"], 4: ["crop", "rock", "water", "wood"]}
BOTH = pytest.mark.parametrize("k", [2, 4])
EACH = pytest.mark.parametrize("loss_fn", SEGMENTATION_LOSSES)
WEIGHTS = {2: [0.5, 3.0], 4: [0.5, 3.0, 1.0, 0.25]}


def codes(k, unlabelled=0.3):
    draws = np.random.default_rng(k)
    known = draws.uniform(size=SHAPE) >= unlabelled
    return torch.from_numpy(np.where(known, draws.integers(k, size=SHAPE), UNLABELLED)).short()


def logits(k):
    n_outputs = 1 if k == 2 else k
    generator = torch.Generator().manual_seed(k)
    shape = (SHAPE[0], n_outputs, *SHAPE[1:])
    return 2 * torch.randn(shape, generator=generator, dtype=torch.float64)


def task_of(k, **changes):
    masks = as_masks(codes(k).numpy(), classes=CLASSES[k], unlabelled=UNLABELLED)
    return Segmentation.of(masks, **changes)


def weighted(k, loss_fn, weights):
    task = task_of(
        k, loss_fn=loss_fn, class_weight=weights and dict(zip(CLASSES[k], weights, strict=True))
    )
    return task.learnt_from(codes(k), Plan(torch.arange(3), torch.arange(0), torch.arange))


def cells_of(outputs, targets, k):
    """The probabilities of all classes and the class of each labelled cell, one after another."""
    for tile, mask in zip(outputs.tolist(), targets.tolist(), strict=True):
        for i, row in enumerate(mask):
            for j, code in enumerate(row):
                if code == UNLABELLED:
                    continue
                raw = [layer[i][j] for layer in tile]
                terms = [math.exp(z) for z in ([0.0, *raw] if k == 2 else raw)]
                yield [term / sum(terms) for term in terms], code


def naive_loss(outputs, targets, k, loss_fn, weights, gamma=2.0):
    weights = weights or [1.0] * k
    cells = list(cells_of(outputs, targets, k))
    if loss_fn == "dice":
        each = []
        for c in range(1 if k == 2 else 0, k):
            both = sum(weights[code] * p[c] for p, code in cells if code == c)
            predicted = sum(weights[code] * p[c] for p, code in cells)
            true = sum(weights[code] for _, code in cells if code == c)
            each.append(1 - (2 * both + 1) / (predicted + true + 1))
        return sum(each) / len(each)
    total = 0.0
    for p, code in cells:
        focus = (1 - p[code]) ** gamma if loss_fn == "focal" else 1
        total -= weights[code] * focus * math.log(p[code])
    return total / sum(weights[code] for _, code in cells)


@BOTH
@EACH
@pytest.mark.parametrize("by_weight", [False, True])
def test_the_loss_is_the_one_written_out(k, loss_fn, by_weight):
    weights = WEIGHTS[k] if by_weight else None
    task = weighted(k, loss_fn, weights)
    expected = naive_loss(logits(k), codes(k), k, loss_fn, weights)
    assert_close(task.loss(logits(k), codes(k)), expected, 1e-12)
    assert_close(task.loss(logits(k).float(), codes(k)), expected, 1e-5)


@BOTH
def test_the_cross_entropy_is_scikit_learns(k):
    p, truth = zip(*cells_of(logits(k), codes(k), k), strict=True)
    found = task_of(k).loss(logits(k), codes(k))
    assert_close(found, log_loss(truth, p, labels=range(k)), 1e-12)


@BOTH
@pytest.mark.parametrize("gamma", [0.0, 0.5, 5.0])
def test_the_focal_loss_has_its_gamma(k, gamma):
    task = task_of(k, loss_fn="focal", gamma=gamma)
    expected = naive_loss(logits(k), codes(k), k, "focal", None, gamma)
    assert_close(task.loss(logits(k), codes(k)), expected, 1e-12)


@BOTH
@EACH
def test_unlabelled_cells_leave_loss_gradients_and_counts(k, loss_fn):
    task, targets = weighted(k, loss_fn, WEIGHTS[k]), codes(k)
    unlabelled = (targets == UNLABELLED)[:, None]
    found = []
    for change in (0.0, 30.0):
        outputs = (logits(k) + change * unlabelled).requires_grad_()
        loss = task.loss(outputs, targets)
        loss.backward()
        assert not (outputs.grad * unlabelled).any()
        assert bool((outputs.grad[(~unlabelled).expand_as(outputs)] != 0).all())
        found.append((loss.detach(), outputs.grad, task.counts(outputs.detach(), targets)))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
    assert found[0][2].sum() == (targets != UNLABELLED).sum()


@BOTH
@EACH
def test_a_batch_without_a_labelled_cell_teaches_nothing(k, loss_fn):
    outputs = logits(k).requires_grad_()
    loss = weighted(k, loss_fn, WEIGHTS[k]).loss(outputs, torch.full(SHAPE, UNLABELLED).short())
    loss.backward()
    assert loss == 0
    assert not outputs.grad.any()


@BOTH
@EACH
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_are_finite_where_the_model_is_sure(k, loss_fn, gamma):
    task = task_of(k, loss_fn=loss_fn, gamma=gamma)
    for sure in (1e3, -1e3):
        outputs = (sure * logits(k).sign()).float().requires_grad_()
        loss = task.loss(outputs, codes(k))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(outputs.grad).all()


@BOTH
@EACH
def test_descending_a_loss_finds_the_labels(k, loss_fn):
    outputs = torch.zeros_like(logits(k)).requires_grad_()
    task = task_of(k, loss_fn=loss_fn)
    optimizer = torch.optim.Adam([outputs], lr=0.3)
    for _ in range(40):
        optimizer.zero_grad()
        task.loss(outputs, codes(k)).backward()
        optimizer.step()
    assert task.score(task.counts(outputs.detach(), codes(k))) == 1


@BOTH
@pytest.mark.parametrize("size", [3, 1])
def test_the_score_is_the_intersection_over_union_whatever_the_batches(k, size):
    task = task_of(k)
    parts = zip(logits(k).split(size), codes(k).split(size), strict=True)
    counts = torch.stack([task.counts(*part) for part in parts]).sum(dim=0)
    p, truth = map(np.array, zip(*cells_of(logits(k), codes(k), k), strict=True))
    average = "binary" if k == 2 else "macro"
    assert_close(task.score(counts), jaccard_score(truth, p.argmax(axis=1), average=average), 1e-12)


def test_the_score_of_nothing_is_nan():
    assert math.isnan(task_of(2).score(torch.tensor([[5, 0], [0, 0]])))  # no water, none found
    assert math.isnan(task_of(4).score(torch.zeros(4, 4, dtype=torch.int64)))


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_of_two_classes_the_second_is_told_from_the_threshold_on(threshold):
    task = task_of(2, threshold=threshold)
    values = task.values(logits(2))
    assert_close(values, 1 / (1 + np.exp(-logits(2).numpy())), 1e-12)
    found = task.codes(values)
    assert found.tolist() == (values[:, 0].numpy() >= threshold).astype(int).tolist()
    p, truth = map(np.array, zip(*cells_of(logits(2), codes(2), 2), strict=True))
    counts = task.counts(logits(2), codes(2))
    iou = task.score(counts)
    assert_close(2 * iou / (1 + iou), f1_score(truth, p[:, 1] >= threshold), 1e-12)


@BOTH
def test_probabilities_of_all_classes_sum_to_one(k):
    task = task_of(k)
    values = task.values(logits(k))
    assert values.shape == logits(k).shape
    found = task.probabilities(values)
    assert found.shape == (SHAPE[0], k, *SHAPE[1:])
    assert_close(found.sum(dim=1), np.ones(SHAPE), 1e-12)
    assert task.codes(values).tolist() == found.argmax(dim=1).tolist()
    labelled = codes(k) != UNLABELLED
    expected = [p for p, _ in cells_of(logits(k), codes(k), k)]
    assert_close(found.movedim(1, -1)[labelled], expected, 1e-12)


def test_weights_are_those_of_labelled_training_cells():
    targets = codes(4)
    plan = Plan(torch.tensor([0, 2]), torch.tensor([1]), torch.arange)
    counts = [int((targets[[0, 2]] == k).sum()) for k in range(4)]
    found = task_of(4, class_weight="balanced").learnt_from(targets, plan)
    assert_close(found.weights, [sum(counts) / (4 * count) for count in counts], 1e-12)
    assert task_of(4).learnt_from(targets, plan).weights is None


def test_weights_by_name_are_one_for_each_class():
    with pytest.raises(InputError, match="no 'land', unknown 'fire'"):
        task_of(2, class_weight={"water": 1.0, "fire": 2.0})


def test_a_split_that_leaves_a_class_without_training_cells_is_warned_about():
    targets = codes(2)
    targets[:2][targets[:2] == 1] = 0
    plan = Plan(torch.tensor([0, 1]), torch.tensor([2]), torch.arange)
    with pytest.warns(EdaphosWarning, match="no training cell of: water. The segmenter"):
        task_of(2).learnt_from(targets, plan)


def test_a_split_without_labelled_cells_on_one_side_is_told():
    targets = codes(2)
    targets[2] = UNLABELLED
    one, other = torch.tensor([0, 1]), torch.tensor([2])
    with pytest.warns(EdaphosWarning, match="no cell of the validation rows is labelled"):
        task_of(2).learnt_from(targets, Plan(one, other, torch.arange))
    with pytest.raises(InputError, match="label no cell of the training rows"):
        task_of(2).learnt_from(targets, Plan(other, one, torch.arange))


def test_two_classes_have_one_output_and_more_one_each():
    assert (task_of(2).n_outputs, task_of(4).n_outputs) == (1, 4)


def test_settings_are_those_that_mean_something():
    assert task_of(2).settings() == {"loss": "cross_entropy", "threshold": 0.5}
    assert task_of(4, loss_fn="focal", gamma=1.5).settings() == {"loss": "focal", "gamma": 1.5}


@BOTH
@EACH
def test_what_is_described_comes_back(k, loss_fn):
    task = task_of(k, loss_fn=loss_fn, gamma=1.5, threshold=0.3)
    assert task.pixel_counts == [int((codes(k) == code).sum()) for code in range(k)]
    assert Segmentation.from_description(task.describe()) == task


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": ["water"]}, "'classes' is"),
        ({"classes": ["a", 1]}, "'classes' is"),
        ({"pixel_counts": [1]}, "'pixel_counts' has not one number a class"),
        ({"pixel_counts": [1, -1]}, "'pixel_counts' is"),
        ({"n": None}, "'n' is"),
        ({"loss_fn": "tversky"}, "'loss_fn' is"),
        ({"gamma": -1}, "'gamma' is"),
        ({"threshold": 1}, "'threshold' is"),
    ],
)
def test_a_damaged_description_is_an_error(change, says):
    with pytest.raises(WeightsError, match=says):
        Segmentation.from_description({**task_of(2).describe(), **change})

"""What is learnt of classes: loss, accuracy, probabilities, and the description in files."""

import warnings

import pytest
import torch
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.errors import EdaphosWarning, WeightsError
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.plan import Plan

TASK = Classification(["dry", "wet", "moist"], ordered=True, class_counts=[3, 1, 2])


def test_it_has_the_classes_the_order_and_the_counts_of_labels():
    task = Classification.of(as_labels(["b", "a", "b"]))
    assert (task.classes, task.ordered, task.class_counts) == (["a", "b"], False, [1, 2])
    assert task.n_outputs == 2


def test_the_loss_is_the_mean_cross_entropy():
    logits, codes = torch.randn(5, 3, requires_grad=True), torch.tensor([0, 2, 1, 1, 0])
    loss = TASK.loss(logits, codes)
    assert_close(loss.detach(), -logits.detach().log_softmax(1)[range(5), codes].mean(), 1e-6)
    loss.backward()
    assert logits.grad.abs().sum() > 0


def test_counts_add_up_over_batches_to_the_accuracy():
    logits = functional.one_hot(torch.tensor([0, 1, 2, 0, 0]), 3).float()
    codes = torch.tensor([0, 1, 1, 0, 2])
    parts = zip(logits.split(2), codes.split(2), strict=True)
    assert TASK.score(sum(TASK.counts(*part) for part in parts)) == 3 / 5


def test_values_are_probabilities_in_double():
    outputs = torch.randn(10_000, 3, dtype=torch.float64)
    before = outputs.clone()
    exponentials = outputs.exp()
    assert_close(TASK.values(outputs), exponentials / exponentials.sum(dim=1, keepdim=True), 1e-12)
    assert torch.equal(outputs, before)


def plan_of(train_rows):
    return Plan(torch.tensor(train_rows), torch.tensor([0]), lambda epoch: torch.arange(1))


def test_classes_without_training_rows_are_named_in_a_warning():
    task = Classification(["dry", "wet", "true"])
    with pytest.warns(EdaphosWarning, match=r"left no training row of: dry, true\. .*seed"):
        task.learnt_from(torch.tensor([0, 1, 2, 1]), plan_of([1, 3]))


def test_there_is_no_warning_when_every_class_has_a_training_row():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Classification(["a", "b"]).learnt_from(torch.tensor([0, 1, 1]), plan_of([0, 2]))


def test_its_description_makes_it_again():
    assert Classification.from_description(TASK.describe()) == TASK
    assert Classification.from_description({"classes": [1, 2]}) == Classification([1, 2])


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["dry"]},
        {"classes": ["dry", 1]},
        {"classes": ["dry", "dry"]},
        {"classes": "dry"},
        {"classes": [["a"], ["b"]]},
        {"class_counts": [1, 2]},
        {"class_counts": [1, 2, -3]},
        {"class_counts": [1, 2, 3.5]},
        {"ordered": 1},
    ],
)
def test_a_damaged_description_is_an_error(changes):
    with pytest.raises(WeightsError, match="description in this file is damaged"):
        Classification.from_description({**TASK.describe(), **changes})

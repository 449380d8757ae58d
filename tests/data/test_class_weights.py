"""Weights of classes from what trains."""

import pytest

from closeness import assert_close
from edaphos_bridge.data.class_weights import check_names, weights_of
from edaphos_bridge.errors import InputError

CLASSES = ["crop", "rock", "wood"]


def test_balanced_weights_let_every_class_count_the_same():
    counts = [10, 1, 89]
    found = weights_of("balanced", CLASSES, counts)
    assert_close([w * n for w, n in zip(found, counts, strict=True)], [100 / 3] * 3, 1e-12)


def test_capped_weights_are_at_most_10_and_a_class_that_does_not_train_weighs_nothing():
    assert_close(weights_of("capped", CLASSES, [10, 1, 89]), [10 / 3, 10, 100 / 267], 1e-12)
    assert weights_of("balanced", CLASSES, [10, 0, 20]) == [1, 0, 0.5]
    assert weights_of("capped", CLASSES, [10, 0, 20]) == [1, 0, 0.5]


def test_weights_by_name_are_in_the_order_of_the_classes():
    assert weights_of({"2": 0.5, "1": 2.0}, [1, 2], [3, 4]) == [2.0, 0.5]


def test_names_are_those_of_the_classes():
    check_names({"1": 1.0, "2": 2.0}, [1, 2])
    with pytest.raises(InputError, match="no 'rock', unknown 'fire'"):
        check_names({"crop": 1.0, "wood": 2.0, "fire": 3.0}, CLASSES)

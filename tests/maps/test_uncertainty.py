"""Entropy, margin and least confidence: 0 where a class is certain, more with doubt."""

import math

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge.maps.uncertainty import MEASURES, entropy, least_confidence, margin

N_CLASSES = 5


@pytest.fixture
def probabilities():
    drawn = np.random.default_rng(1).dirichlet(np.ones(N_CLASSES), size=(6, 7))
    return np.moveaxis(drawn, -1, 0)


def naive_entropy(p):
    return -sum(q * math.log(q) for q in p if q > 0) / math.log(len(p))


def naive_margin(p):
    first, second = sorted(p, reverse=True)[:2]
    return 1 - (first - second)


NAIVE = {
    "entropy": naive_entropy,
    "margin": naive_margin,
    "least_confidence": lambda p: 1 - max(p),
}


@pytest.mark.parametrize("name", MEASURES)
def test_each_cell_has_what_its_definition_says(name, probabilities):
    found = MEASURES[name](probabilities, 0)
    expected = [
        [NAIVE[name](probabilities[:, row, column].tolist()) for column in range(7)]
        for row in range(6)
    ]
    assert_close(found, expected, 1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_classes_may_lie_along_any_axis(name, probabilities):
    rows = np.moveaxis(probabilities, 0, -1)
    np.testing.assert_array_equal(MEASURES[name](rows, 2), MEASURES[name](probabilities, 0))
    np.testing.assert_array_equal(MEASURES[name](rows[0], 1), MEASURES[name](rows, 2)[0])


def test_certainty_is_zero_and_equal_classes_are_the_most():
    certain, equal = np.eye(N_CLASSES), np.full((N_CLASSES, 1), 1 / N_CLASSES)
    for of in MEASURES.values():
        assert of(certain, 0).tolist() == [0.0] * N_CLASSES
    assert_close(entropy(equal), [1.0], 1e-12)
    assert margin(equal).tolist() == [1.0]
    assert_close(least_confidence(equal), [1 - 1 / N_CLASSES], 1e-12)


def test_entropy_is_never_above_1_by_rounding():
    for n_classes in range(2, 60):
        assert entropy(np.full((n_classes, 1), 1 / n_classes))[0] <= 1


@pytest.mark.parametrize("name", MEASURES)
def test_a_cell_that_lacks_a_class_has_no_value(name, probabilities):
    probabilities[2, 3, 4] = np.nan
    found = MEASURES[name](probabilities, 0)
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 4]]


@pytest.mark.parametrize("name", MEASURES)
def test_a_block_has_the_bits_of_the_whole(name, probabilities):
    whole = MEASURES[name](probabilities, 0)
    for place in (np.s_[2:3, 4:5], np.s_[1:6, 3:4], np.s_[0:1, 0:7]):
        block = np.ascontiguousarray(probabilities[(slice(None), *place)])
        np.testing.assert_array_equal(MEASURES[name](block, 0), whole[place])

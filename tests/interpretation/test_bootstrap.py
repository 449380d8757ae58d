"""Intervals are percentiles over draws of whole groups, as a loop written out gives them."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation.bootstrap import intervals
from edaphos_bridge.interpretation.scores import Classified
from edaphos_bridge.interpretation.units import units_of
from interpreted import guesses

N, DRAWS = 60, 40


def by_hand(outcome, groups):
    """Accuracy and kappa of each draw: groups with replacement, all rows of each."""
    names = list(dict.fromkeys(groups))
    generator = torch.Generator().manual_seed(5)
    drawn = []
    for _ in range(DRAWS):
        taken = torch.randint(len(names), (len(names),), generator=generator)
        rows = [row for i in taken.tolist() for row in range(N) if groups[row] == names[i]]
        actual, predicted = outcome.actual[rows], outcome.predicted[rows]
        drawn.append(
            [
                metrics.accuracy_score(actual, predicted),
                metrics.cohen_kappa_score(actual, predicted),
            ]
        )
    return np.percentile(drawn, [2.5, 97.5], axis=0)


@pytest.mark.parametrize("sizes", [1, 7], ids=["rows", "groups"])
def test_a_draw_takes_whole_groups(sizes):
    outcome = Classified(*guesses(N, 3))
    groups = [f"site {row // sizes}" for row in range(N)]
    units = units_of(N, groups)
    _, low, high = intervals(outcome.scores, units, DRAWS, 5)
    expected = by_hand(outcome, groups)
    assert_close([low[[0, 2]], high[[0, 2]]], expected, 1e-12)
    if sizes == 1:
        assert_close(intervals(outcome.scores, units_of(N), DRAWS, 5)[1], low, 1e-12)


def test_the_estimate_is_that_of_the_rows_as_they_are():
    outcome = Classified(*guesses(N, 3))
    estimate, low, high = intervals(outcome.scores, units_of(N), 0, 1)
    assert_close(estimate, outcome.scores(np.ones(N)), 1e-12)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_a_score_that_a_draw_does_not_define_is_left_out_of_its_interval():
    def measure(weights):
        return np.array([weights[0] or np.nan, np.nan])

    _, low, high = intervals(measure, units_of(3), 50, 1)
    assert low[0] >= 1
    assert np.isnan(high[1])


def test_the_seed_says_all():
    outcome = Classified(*guesses(N, 3))
    one, same, other = (intervals(outcome.scores, units_of(N), 20, seed)[1] for seed in (1, 1, -2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("given", "argument", "says"),
    [
        ({"groups": [1, 2]}, "groups", "one group for each of the 3"),
        ({"groups": [1, None, 2]}, "groups", r"NA in 1 of 3 groups \(first: 1"),
        ({"groups": [1, 1, 1]}, "groups", "two or more"),
        ({"groups": "abc"}, "groups", "found 'str'"),
        ({"blocks": np.zeros((3, 2))}, "block_size", "needed with `blocks`"),
        ({"blocks": np.zeros((3, 2)), "block_size": 1}, "block_size", "two or more"),
        ({"blocks": np.zeros((2, 2)), "block_size": 1}, "blocks", "each of the 3"),
        ({"block_size": 1}, "block_size", "needs `blocks`"),
        ({"groups": [1, 2, 3], "blocks": np.eye(3)[:, :2]}, "blocks", "one of the two"),
    ],
)
def test_groups_and_blocks_that_cannot_be_used_are_refused(given, argument, says):
    with pytest.raises(InputError, match=says) as caught:
        units_of(3, **given)
    assert caught.value.argument == argument


def test_units_say_what_they_are():
    assert (units_of(3).kind, units_of(3).n) == ("rows", 3)
    places = np.array([[5, 5], [25, 5], [9, 0], [29.9, 9.9]])
    blocks = units_of(4, blocks=places, block_size=10)
    assert (blocks.kind, blocks.n, blocks.codes.tolist()) == ("blocks", 2, [0, 1, 0, 1])

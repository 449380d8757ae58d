"""Finding the patch of the other sensor at the same place: docs/two_sensors/retrieval.py."""

import numpy as np
import pytest
from docs.two_sensors.retrieval import (
    PENALTY,
    by_cca,
    by_chance,
    by_cosine,
    by_ridge,
    ranks,
    scores,
)
from scipy.linalg import eigh

RNG = np.random.default_rng(1)
HIDDEN = RNG.normal(size=(400, 3))
# What both see, each with noise of its own.
A, B = (
    HIDDEN @ RNG.normal(size=(3, width)) + 0.2 * RNG.normal(size=(400, width)) for width in (8, 5)
)
KNOWN, ASKED = (A[:300], B[:300]), (A[300:], B[300:])


def test_ranks_are_places_in_order_and_equal_ones_come_before() -> None:
    likeness = RNG.normal(size=(20, 20))
    order = (-likeness).argsort(axis=1)
    assert ranks(likeness).tolist() == [
        row.tolist().index(place) + 1 for place, row in enumerate(order)
    ]
    assert ranks(np.zeros((4, 4))).tolist() == [4, 4, 4, 4]


def test_scores_of_ranks_in_random_order_are_those_of_chance() -> None:
    assert scores(np.arange(1, 41)) == by_chance(40)
    assert by_chance(5)["top_10"] == 1


def test_the_cosine_asks_no_lengths_and_a_row_of_zeros_finds_nothing_first() -> None:
    a = RNG.normal(size=(30, 6))
    found = by_cosine(a, a * RNG.uniform(1, 9, size=(30, 1)))
    assert set(found.from_a) == set(found.from_b) == {1}
    a[3] = 0
    assert by_cosine(a, a).from_a[3] == 30


@pytest.mark.parametrize("find", [by_cca, by_ridge])
def test_what_learns_finds_twins_by_what_both_see_and_none_where_nothing_is(find) -> None:
    learnt = find(KNOWN, ASKED)
    nothing = find((KNOWN[0], RNG.permutation(KNOWN[1])), ASKED)
    for found, other in ((learnt.from_a, nothing.from_a), (learnt.from_b, nothing.from_b)):
        assert scores(found)["median_rank"] <= 5
        assert scores(other)["median_rank"] > 20


def test_cca_orders_twins_as_its_generalised_eigenvectors_do() -> None:
    a, b = ((each - known.mean(0)) / known.std(0) for each, known in zip(KNOWN, KNOWN, strict=True))
    own = [each.T @ each / 300 + PENALTY * np.eye(each.shape[1]) for each in (a, b)]
    between = a.T @ b / 300
    squares, axes = eigh(between @ np.linalg.solve(own[1], between.T), own[0])
    best = squares > 1e-10
    of_a = axes[:, best] * np.sqrt(squares[best])
    of_b = np.linalg.solve(own[1], between.T @ axes[:, best])  # times its own correlation
    new = [(each - known.mean(0)) / known.std(0) for each, known in zip(ASKED, KNOWN, strict=True)]
    expected = by_cosine(new[0] @ of_a, new[1] @ of_b)
    found = by_cca(KNOWN, ASKED)
    assert found.from_a.tolist() == expected.from_a.tolist()
    assert found.from_b.tolist() == expected.from_b.tolist()

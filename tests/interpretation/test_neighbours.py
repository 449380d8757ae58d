"""Votes of neighbours are lightly's."""

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation.neighbours import knn_votes, shares

K, T = 11, 0.1


@pytest.fixture
def recorded(data_folder):
    """What lightly 1.6.0 predicted, 4 classes."""
    return dict(np.load(data_folder / "lightly" / "knn_lightly.npz", allow_pickle=False))


def votes_of(recorded, **changes):
    query, bank, labels = (torch.from_numpy(recorded[n]) for n in ("query", "bank", "labels"))
    return knn_votes(query, bank, labels, 4, **{"k": K, "temperature": T, **changes})


def test_the_ranking_of_classes_is_that_of_lightly(recorded):
    votes = votes_of(recorded)
    np.testing.assert_array_equal(votes.argsort(dim=1, descending=True), recorded["ranking"])
    np.testing.assert_array_equal(votes.argmax(dim=1), recorded["predicted"])


def test_a_vote_counts_as_the_formula_says(recorded):
    similarity = recorded["query"].astype(float) @ recorded["bank"].T.astype(float)
    expected = np.zeros((len(similarity), 4))
    for row, near in enumerate(np.argsort(-similarity, axis=1)[:, :K]):
        for neighbour in near:
            below = similarity[row, neighbour] - similarity[row, near[0]]
            expected[row, recorded["labels"][neighbour]] += np.exp(below / T)
    assert_close(votes_of(recorded).numpy(), expected, 1e-5)
    assert_close(shares(votes_of(recorded)), expected / expected.sum(axis=1, keepdims=True), 1e-5)


def test_at_a_low_temperature_the_nearest_neighbour_has_all_votes(recorded):
    found = shares(votes_of(recorded, temperature=1e-6))
    assert_close(found, shares(votes_of(recorded, k=1)), 1e-6)


def test_batches_of_queries_do_not_show(recorded, monkeypatch):
    whole = votes_of(recorded)
    monkeypatch.setattr("edaphos_bridge.interpretation.neighbours._ROWS", 3)
    assert_close(votes_of(recorded), whole, 1e-6)


def test_a_neighbour_of_the_own_unit_does_not_vote(recorded):
    bank, labels = torch.from_numpy(recorded["bank"]), torch.from_numpy(recorded["labels"])
    units = np.arange(60) // 6
    votes = knn_votes(bank, bank, labels, 4, K, T, query_units=units, bank_units=units)
    for row in (0, 17, 59):
        others = torch.from_numpy(np.flatnonzero(units != units[row]))
        alone = knn_votes(bank[row : row + 1], bank[others], labels[others], 4, K, T)
        assert_close(votes[row : row + 1], alone, 1e-5)


def test_more_neighbours_than_there_are_is_refused(recorded):
    with pytest.raises(InputError, match="at most 60"):
        votes_of(recorded, k=61)
    units = np.zeros(20), np.arange(60) // 30
    with pytest.raises(InputError, match="at most 30"):
        votes_of(recorded, k=31, query_units=units[0], bank_units=units[1])

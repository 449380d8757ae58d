"""Folds of a scene: what trains shares no pixel with what is tested."""

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.folds import (
    drawn_in_all,
    drawn_per_class,
    spatial_fold,
    standardised,
)

SIZE = 3


@pytest.fixture
def patches():
    """Centres on a grid, those of the left tested, every fifth without a label."""
    rows, columns = (part.ravel() for part in np.mgrid[1:13, 1:17])
    return rows, columns, columns < 6, np.arange(len(rows)) % 5 > 0


def pixels(rows, columns, position):
    """The pixels of one patch."""
    top, left = rows[position] - SIZE // 2, columns[position] - SIZE // 2
    return {(top + i, left + j) for i in range(SIZE) for j in range(SIZE)}


def test_what_trains_is_all_that_shares_no_pixel_with_a_test_patch(patches):
    rows, columns, tested, labelled = patches
    fold = spatial_fold(rows, columns, tested, labelled, SIZE)
    assert fold.test.tolist() == np.flatnonzero(tested & labelled).tolist()
    seen = set().union(*(pixels(rows, columns, position) for position in fold.test))
    apart = [p for p in range(len(rows)) if not seen & pixels(rows, columns, p)]
    assert fold.pretrain.tolist() == apart
    assert fold.train.tolist() == [p for p in apart if labelled[p]]


def test_a_fold_without_a_test_patch_is_refused(patches):
    rows, columns, tested, labelled = patches
    with pytest.raises(InputError, match="`tested` leaves no labelled patch to test on"):
        spatial_fold(rows, columns, tested & ~labelled, labelled, SIZE)


def test_a_fold_with_nothing_to_train_on_is_refused(patches):
    rows, columns, tested, labelled = patches
    with pytest.raises(InputError, match="`labelled` leaves no labelled patch to train on"):
        spatial_fold(rows, columns, tested | True, labelled, SIZE)


def test_patches_are_standardised_by_the_rows_that_may_train():
    x = np.random.default_rng(1).normal(5, [[[2]], [[7]]], size=(20, 2, 3, 3)).astype(np.float32)
    rows = np.arange(10)
    found = standardised(x, rows)
    assert found.dtype == np.float32
    assert_close(found[rows].astype(np.float64).mean(axis=(0, 2, 3)), [0, 0], 1e-6)
    assert_close(found[rows].astype(np.float64).std(axis=(0, 2, 3)), [1, 1], 1e-6)
    assert abs(found[10:].mean()) > 1e-3


def test_a_channel_that_is_constant_where_it_may_train_is_refused():
    x = np.random.default_rng(1).normal(size=(6, 2, 3, 3))
    x[:4, 1] = 3
    with pytest.raises(InputError, match="`x` has a channel that is constant"):
        standardised(x, np.arange(4))


@pytest.fixture
def y():
    return np.array([0, 1, 2, -1] * 10)


def test_as_many_rows_as_asked_for_are_drawn_from_each_class(y):
    rows = np.flatnonzero(y[:36] >= 0)
    drawn = drawn_per_class(y, rows, 4, seed=1)
    assert set(drawn) <= set(rows)
    assert np.bincount(y[drawn]).tolist() == [4, 4, 4]
    assert len(set(drawn)) == 12
    assert drawn.tolist() == drawn_per_class(y, rows, 4, seed=1).tolist()
    assert set(drawn) != set(drawn_per_class(y, rows, 4, seed=2))


def test_a_smaller_draw_of_the_same_seed_is_part_of_a_larger_one(y):
    rows = np.flatnonzero(y >= 0)
    assert set(drawn_per_class(y, rows, 2, seed=1)) < set(drawn_per_class(y, rows, 5, seed=1))


def test_all_rows_are_taken_where_no_number_is_given_or_a_class_has_no_more(y):
    rows = np.flatnonzero(y >= 0)
    assert drawn_per_class(y, rows, None, seed=1) is rows
    assert sorted(drawn_per_class(y, rows, 99, seed=1)) == rows.tolist()


@pytest.mark.parametrize("per_class", [0, 2.5])
def test_another_number_of_rows_a_class_is_refused(y, per_class):
    with pytest.raises(InputError, match="`per_class` must be a positive whole number"):
        drawn_per_class(y, np.flatnonzero(y >= 0), per_class, seed=1)


def test_a_draw_in_all_has_each_class_and_is_part_of_a_larger_one():
    y = np.array([0] * 50 + [1] * 6 + [2] * 2 + [-1] * 5)
    rows = np.arange(2, 58)
    for seed in range(20):
        small, large = (drawn_in_all(y, rows, number, seed) for number in (5, 30))
        assert len(set(small)) == 5
        assert set(small) < set(large) < set(rows)
        assert set(y[small]) == {0, 1, 2}
    assert len({tuple(drawn_in_all(y, rows, 5, seed)) for seed in range(20)}) > 15
    assert drawn_in_all(y, rows, 5, 3).tolist() == drawn_in_all(y, rows, 5, 3).tolist()
    assert drawn_in_all(y, rows, None, 3).tolist() == rows.tolist()


def test_beside_one_of_each_class_rows_are_drawn_evenly():
    y = np.array([0] * 30 + [1] * 10)
    counts = np.zeros(40)
    for seed in range(2000):
        counts[drawn_in_all(y, np.arange(40), 12, seed)] += 1
    # 30 rows share what 11 or fewer leave: every row of a class has the same chance
    for rows in (slice(0, 30), slice(30, 40)):
        share = counts[rows] / 2000
        spread = np.sqrt(share.mean() * (1 - share.mean()) / 2000)
        assert abs(share - share.mean()).max() < 5 * spread


@pytest.mark.parametrize("number", [2, 59])
def test_a_draw_of_fewer_than_the_classes_or_more_than_the_rows_is_refused(number):
    y = np.array([0] * 50 + [1] * 6 + [2] * 2)
    with pytest.raises(InputError, match="`labels` must be from 3, one of each class, to 58"):
        drawn_in_all(y, np.arange(58), number, 1)

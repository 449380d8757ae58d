"""The split and the order of rows, as the original draws them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.errors import InputError
from edaphos_bridge.training.plan import draw_plan


@given(st.integers(2, 200), st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_at_least_one_row_validates_and_every_row_is_on_one_side(n, val_split):
    plan = draw_plan(n, val_split, torch.Generator())
    assert len(plan.val_rows) == max(1, math.floor(val_split * n))
    assert len(plan.train_rows) >= 1
    assert sorted(plan.train_rows.tolist() + plan.val_rows.tolist()) == list(range(n))
    assert plan.train_rows.tolist() == sorted(plan.train_rows.tolist())


@given(st.integers(1, 50))
def test_without_validation_every_row_trains_in_order(n):
    plan = draw_plan(n, 0.0, torch.Generator())
    assert plan.val_rows.tolist() == []
    assert plan.train_rows.tolist() == list(range(n))


@given(st.integers(2, 50))
def test_every_epoch_has_a_permutation_of_the_training_rows(n):
    plan = draw_plan(n, 0.2, torch.Generator())
    for epoch in range(3):
        order = plan.permutation(epoch)
        assert sorted(order.tolist()) == list(range(len(plan.train_rows)))


def test_permutations_and_splits_are_fresh_draws_from_the_generator():
    def draw(seed):
        plan = draw_plan(100, 0.5, torch.Generator().manual_seed(seed))
        return plan.val_rows.tolist(), [plan.permutation(epoch).tolist() for epoch in range(2)]

    val_rows, (first, second) = draw(1)
    assert first != second
    assert draw(1) == (val_rows, [first, second])
    assert draw(2)[0] != val_rows


@pytest.mark.parametrize("val_split", [0.2, 0.999])
def test_a_split_that_leaves_no_training_row_is_an_error(val_split):
    with pytest.raises(InputError, match="`val_split` leaves no training row of 1; found 0"):
        draw_plan(1, val_split, torch.Generator())

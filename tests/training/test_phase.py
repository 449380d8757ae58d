"""Phases: what a user may write, and what it means for groups."""

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge import foundation_phase
from edaphos_bridge.errors import InputError


def test_one_rate_is_that_of_all_groups():
    assert foundation_phase(1, 0.01).rates(4) == [0.01] * 4


def test_a_factor_for_all_groups_but_the_head():
    assert foundation_phase(1, 0.01, backbone_lr_mult=0.5).rates(3) == [0.005, 0.005, 0.01]


def test_two_rates_are_the_ends_of_a_geometric_series():
    assert_close(foundation_phase(1, (1e-5, 1e-2)).rates(4), [1e-5, 1e-4, 1e-3, 1e-2], 1e-12, 0)
    assert foundation_phase(1, slice(1e-5, 1e-2)).rates(4) == foundation_phase(
        1, (1e-5, 1e-2)
    ).rates(4)


def test_a_slice_with_one_end_is_fastais():
    assert_close(foundation_phase(1, slice(1e-2)).rates(3), [1e-3, 1e-3, 1e-2], 1e-12, 0)


def test_as_many_rates_as_groups_are_taken_as_they_are():
    assert foundation_phase(1, [3e-3, 1e-3, 2e-3]).rates(3) == [3e-3, 1e-3, 2e-3]
    with pytest.raises(InputError, match="one for each of 5 groups"):
        foundation_phase(1, [3e-3, 1e-3, 2e-3]).rates(5)


@pytest.mark.parametrize(
    ("freeze_to", "first"), [(0, 0), (2, 2), (-1, 4), (-2, 3), (-9, 0), (9, 4)]
)
def test_the_first_group_that_trains_counts_from_either_end(freeze_to, first):
    assert foundation_phase(1, freeze_to=freeze_to).first_trained(5) == first


def test_only_a_head_above_locked_norms_is_a_probe():
    assert foundation_phase(1, freeze_to=-1).is_probe(3)
    assert not foundation_phase(1, freeze_to=-1, norms="train").is_probe(3)
    assert not foundation_phase(1, freeze_to=-2).is_probe(3)


def test_a_phase_comes_back_from_its_description():
    phase = foundation_phase(2, (1e-4, 1e-2), schedule="one_cycle", batch_size=8, momentum=None)
    assert foundation_phase(**phase.describe()) == phase


def test_numbers_of_numpy_become_pythons_own():
    phase = foundation_phase(np.int64(2), np.array([1e-4, 1e-2]))
    assert (type(phase.epochs), type(phase.lr), type(phase.lr[0])) == (int, tuple, float)
    assert foundation_phase(1, np.float32(0.5)).lr == 0.5


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("lr", 0), ("lr", -1.0), ("lr", "fast"), ("lr", []),
        ("lr", np.array(0.1)),
        ("lr", [1e-3, float("nan")]), ("lr", slice(1, 2, 3)), ("lr", slice(None)),
        ("backbone_lr_mult", -1), ("freeze_to", 0.5), ("freeze_to", True), ("schedule", "step"),
        ("pct_start", 0), ("pct_start", 1), ("div", 0), ("final_div", float("inf")),
        ("momentum", (0.9,)), ("momentum", 0.9), ("momentum", np.array(0.9)),
        ("momentum", (0.9, 1.0)), ("batch_size", 0),
        ("weight_decay", -1), ("decoupled", "yes"), ("decay_norms", None), ("betas", (0.9, 2)),
        ("eps", 0), ("norms", "freeze"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(argument, value):
    with pytest.raises(InputError) as raised:
        foundation_phase(**{"epochs": 1, argument: value})
    assert raised.value.argument == argument

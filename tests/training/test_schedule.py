"""Rates over the steps of a phase, against their formulas written out."""

import itertools
import math

import pytest

from closeness import assert_close
from edaphos_bridge import foundation_phase
from edaphos_bridge.training.schedule import factor_and_beta1

STEPS = 40


def course(**settings):
    phase = foundation_phase(1, 1e-3, **settings)
    return [factor_and_beta1(phase, step, STEPS) for step in range(STEPS)]


def test_a_constant_rate_is_one_and_beta1_adams_own():
    assert set(course(betas=(0.8, 0.99))) == {(1.0, 0.8)}


def test_one_cycle_rises_and_falls_by_half_cosines_and_beta1_against_it():
    found = course(schedule="one_cycle", pct_start=0.25, div=10, final_div=1e3)
    for step, (factor, beta1) in enumerate(found):
        share = step / STEPS
        if share < 0.25:
            wave = (1 - math.cos(math.pi * share / 0.25)) / 2
            wanted = 0.1 + 0.9 * wave, 0.95 - 0.1 * wave
        else:
            wave = (1 - math.cos(math.pi * (share - 0.25) / 0.75)) / 2
            wanted = 1 + (1e-3 - 1) * wave, 0.85 + 0.1 * wave
        assert_close((factor, beta1), wanted, 1e-6)  # shares in single precision, as fastai's


def test_without_momentum_one_cycle_leaves_beta1():
    found = course(schedule="one_cycle", momentum=None, betas=(0.7, 0.99))
    assert {beta1 for _, beta1 in found} == {0.7}


def test_cosine_falls_from_the_rate_to_its_end():
    factors = [factor for factor, _ in course(schedule="cosine", final_div=100.0)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    assert_close(factors[STEPS // 2], (1 + 0.01) / 2, 1e-12)


def test_exponential_grows_by_the_same_factor_from_step_to_step():
    factors = [factor for factor, _ in course(schedule="exponential", final_div=1e4)]
    growth = [b / a for a, b in itertools.pairwise(factors)]
    assert_close(growth, [1e4 ** (1 / (STEPS - 1))] * (STEPS - 1), 1e-12)
    assert_close(factors[-1], 1e4, 1e-12)


@pytest.mark.parametrize("schedule", ["constant", "one_cycle", "cosine", "exponential"])
def test_a_phase_of_one_step_has_a_rate(schedule):
    factor, _ = factor_and_beta1(foundation_phase(1, 1e-3, schedule=schedule), 0, 1)
    assert math.isfinite(factor)
    assert factor > 0

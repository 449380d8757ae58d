"""Sinkhorn-Knopp: against a loop of its own, lightly's codes, and its fixed point."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge.pretrain.sinkhorn import sinkhorn

LIGHTLY = np.load(Path(__file__).parents[1] / "fixtures" / "lightly" / "swav_lightly.npz")


def cosines(n, k, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    one, other = (torch.randn(rows, 5, generator=generator, dtype=dtype) for rows in (n, k))
    one, other = (v / v.norm(dim=1, keepdim=True) for v in (one, other))
    return one @ other.T


def naive(scores, epsilon, iterations):
    """Scale rows of prototypes to 1/K each, then columns of embeddings to 1/B, cell by cell."""
    n, k = scores.shape
    q = [[math.exp(scores[b, p] / epsilon) for b in range(n)] for p in range(k)]
    for _ in range(iterations):
        q = [[value / sum(row) / k for value in row] for row in q]
        sums = [sum(q[p][b] for p in range(k)) for b in range(n)]
        q = [[q[p][b] / sums[b] / n for b in range(n)] for p in range(k)]
    return [[q[p][b] * n for p in range(k)] for b in range(n)]


@pytest.mark.parametrize("iterations", [1, 3, 7])
@pytest.mark.parametrize(("n", "k"), [(2, 2), (5, 3), (3, 8)])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_it_is_the_loop_over_all_cells(n, k, epsilon, iterations):
    scores = cosines(n, k)
    assert_close(sinkhorn(scores, epsilon, iterations), naive(scores, epsilon, iterations), 1e-12)


@pytest.mark.parametrize(("name", "iterations"), [("codes", 3), ("codes_60_iterations", 60)])
def test_codes_are_those_of_lightly(name, iterations):
    scores = torch.tensor(LIGHTLY["sinkhorn/scores"])
    assert_close(sinkhorn(scores, 0.05, iterations), LIGHTLY[f"sinkhorn/{name}"], 1e-6)


@pytest.mark.parametrize(("n", "k"), [(12, 7), (7, 12), (2, 2), (1, 5)])
def test_at_its_fixed_point_embeddings_sum_to_one_and_prototypes_share_them_equally(n, k):
    codes = sinkhorn(cosines(n, k), 0.1, 2000)
    assert_close(codes.sum(dim=1), torch.ones(n, dtype=torch.float64), 1e-12)
    assert_close(codes.sum(dim=0), torch.full((k,), n / k, dtype=torch.float64), 1e-6)
    assert_close(sinkhorn(0.1 * codes.log(), 0.1, 1), codes, 1e-6)


@pytest.mark.parametrize("iterations", [1, 3])
def test_codes_of_an_embedding_sum_to_one_after_any_number_of_iterations(iterations):
    codes = sinkhorn(cosines(9, 4, dtype=torch.float32), 0.05, iterations)
    assert codes.min() >= 0
    assert_close(codes.sum(dim=1), torch.ones(9), 1e-6)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-30])
def test_a_tiny_epsilon_neither_overflows_nor_divides_by_zero(epsilon):
    codes = sinkhorn(cosines(9, 4, dtype=torch.float32), epsilon, 3)
    assert_close(codes.sum(dim=1), torch.ones(9), 1e-6)


def test_equal_embeddings_get_equal_codes_that_use_every_prototype():
    codes = sinkhorn(cosines(1, 4).expand(6, 4), 0.05, 3)
    assert_close(codes, torch.full((6, 4), 0.25, dtype=torch.float64), 1e-12)


def test_codes_have_no_gradient():
    assert not sinkhorn(cosines(4, 3).requires_grad_(), 0.05, 3).requires_grad

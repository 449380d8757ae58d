"""InfoNCE with a queue: against the definition written out, and against closed forms."""

import math

import pytest
import torch

from closeness import assert_close
from edaphos_bridge.encoders.contrastive import l2_normalise
from edaphos_bridge.pretrain.moco import info_nce


def naive(queries, keys, queue, temperature):
    """Sum over queries and negatives, one by one, in double precision."""
    total = 0.0
    for query, key in zip(queries.tolist(), keys.tolist(), strict=True):
        others = [key, *queue.tolist()]
        scores = [
            math.exp(sum(a * b for a, b in zip(query, other, strict=True)) / temperature)
            for other in others
        ]
        total -= math.log(scores[0] / sum(scores))
    return total / len(queries)


def unit_vectors(seed, n, width=5):
    generator = torch.Generator().manual_seed(seed)
    return l2_normalise(torch.randn(n, width, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
@pytest.mark.parametrize(("batch", "negatives"), [(2, 2), (3, 11), (7, 1)])
def test_it_is_the_mean_of_the_definition(temperature, batch, negatives):
    vectors = unit_vectors(1, batch), unit_vectors(2, batch), unit_vectors(3, negatives)
    found = info_nce(*vectors, temperature)
    assert_close(found, naive(*vectors, temperature), 1e-12)


def test_all_equal_embeddings_give_the_logarithm_of_all_candidates():
    same = torch.tensor([[0.6, 0.8]])
    loss = info_nce(same.expand(4, 2), same.expand(4, 2), same.expand(9, 2), 0.07)
    assert_close(loss, math.log(1 + 9), 1e-6)


def test_orthogonal_negatives_and_equal_views_have_a_closed_form():
    axes = torch.eye(6)
    loss = info_nce(axes[:2], axes[:2], axes[2:], 0.5)
    assert_close(loss, math.log(1 + 4 * math.exp(-1 / 0.5)), 1e-6)


def test_all_orthogonal_embeddings_give_the_logarithm_of_all_candidates():
    axes = torch.eye(8)
    assert_close(info_nce(axes[:2], axes[2:4], axes[4:], 0.1), math.log(5), 1e-6)


def test_the_gradient_draws_a_query_to_its_key_and_away_from_the_queue():
    axes = torch.eye(3)
    query = axes[:1].clone().requires_grad_()
    info_nce(query, axes[1:2], axes[2:], 1.0).backward()
    assert query.grad[0, 1] < 0 < query.grad[0, 2]

"""NT-Xent: against the definition written out, and against closed forms."""

import math

import pytest
import torch

from closeness import assert_close
from edaphos_bridge.encoders.contrastive import l2_normalise
from edaphos_bridge.pretrain.simclr import nt_xent


def naive(one, other, temperature):
    """Go over all 2B views; compare each with the 2B - 1 others."""
    views = one.tolist() + other.tolist()
    size, total = len(one), 0.0
    for i, view in enumerate(views):
        partner = i + size if i < size else i - size
        scores = {
            j: math.exp(sum(a * b for a, b in zip(view, candidate, strict=True)) / temperature)
            for j, candidate in enumerate(views)
            if j != i
        }
        assert len(scores) == 2 * size - 1
        total -= math.log(scores[partner] / sum(scores.values()))
    return total / (2 * size)


def unit_vectors(seed, n, width=5):
    generator = torch.Generator().manual_seed(seed)
    return l2_normalise(torch.randn(n, width, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
@pytest.mark.parametrize("batch", [2, 3, 8])
def test_it_is_the_mean_of_the_definition(temperature, batch):
    views = unit_vectors(1, batch), unit_vectors(2, batch)
    found = nt_xent(*views, temperature)
    assert_close(found, naive(*views, temperature), 1e-12)


def test_all_equal_embeddings_give_the_logarithm_of_the_2b_minus_1_others():
    same = torch.tensor([[0.6, 0.8]]).expand(4, 2)
    assert_close(nt_xent(same, same, 0.2), math.log(7), 1e-6)


def test_all_orthogonal_embeddings_give_the_logarithm_of_the_2b_minus_1_others():
    axes = torch.eye(6)
    assert_close(nt_xent(axes[:3], axes[3:], 0.2), math.log(5), 1e-6)


def test_orthogonal_patches_with_equal_views_have_a_closed_form():
    axes = torch.eye(4)
    expected = math.log(1 + 6 * math.exp(-1 / 0.5))
    assert_close(nt_xent(axes, axes, 0.5), expected, 1e-6)


def test_the_two_views_may_change_places():
    one, other = unit_vectors(4, 5), unit_vectors(5, 5)
    assert_close(nt_xent(one, other, 0.2), nt_xent(other, one, 0.2), 1e-12)

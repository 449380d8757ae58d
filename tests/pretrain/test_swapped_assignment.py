"""The loss of SwAV: against the definition written out, and lightly's values and gradients."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge.pretrain.sinkhorn import sinkhorn
from edaphos_bridge.pretrain.swav import entropy_of_use, swapped_assignment

FILE = np.load(Path(__file__).parents[1] / "fixtures" / "lightly" / "swav_lightly.npz")
LIGHTLY = {name: torch.tensor(FILE[name]) for name in FILE.files}
SETTINGS = {"temperature": 0.1, "epsilon": 0.05, "iterations": 3}


def scores(views, n=6, k=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.rand(n, k, generator=generator, dtype=torch.float64) * 2 - 1 for _ in range(views)
    ]


def naive(views, queued=(None, None)):
    """Go over the two assigned views, all others and all patches."""
    total = 0.0
    for assigned in (0, 1):
        given = views[assigned]
        together = given if queued[assigned] is None else torch.cat([given, queued[assigned]])
        codes = sinkhorn(together, 0.05, 3)
        for other in range(len(views)):
            if other == assigned:
                continue
            for patch in range(len(given)):
                sizes = [math.exp(score / 0.1) for score in views[other][patch].tolist()]
                predicted = [math.log(size / sum(sizes)) for size in sizes]
                code = codes[patch].tolist()
                entropy = -sum(q * p for q, p in zip(code, predicted, strict=True))
                total += entropy / len(given) / (len(views) - 1) / 2
    return total


@pytest.mark.parametrize("views", [2, 3, 6])
def test_it_is_the_mean_of_the_definition(views):
    given = scores(views)
    assert_close(swapped_assignment(given, **SETTINGS), naive(given), 1e-12)


def test_a_queue_takes_part_in_the_assignment_only():
    given, queued = scores(3), scores(2, n=9, seed=2)
    found = swapped_assignment(given, queued, **SETTINGS)
    assert_close(found, naive(given, queued), 1e-12)
    assert abs(found - naive(given)) > 1e-3


def from_embeddings(views):
    """The scores of lightly's embeddings, as it makes them: gradients reach both factors."""
    embedded = [LIGHTLY[f"swav/z{view}"].clone().requires_grad_() for view in range(views)]
    prototypes = LIGHTLY["swav/prototypes"].clone().requires_grad_()
    found = [functional.normalize(z, dim=1) @ prototypes.T for z in embedded]
    return found, embedded, prototypes


def test_loss_and_gradients_are_those_of_lightly():
    given, embedded, prototypes = from_embeddings(5)
    loss = swapped_assignment(given, **SETTINGS)
    loss.backward()
    assert_close(loss, LIGHTLY["swav/loss"][0], 1e-5)
    for view, z in enumerate(embedded):
        assert_close(z.grad, LIGHTLY[f"swav/grad_z{view}"], 1e-5)
    assert_close(prototypes.grad, LIGHTLY["swav/grad_prototypes"], 1e-5)


def test_the_losses_of_two_views_and_with_a_queue_are_those_of_lightly():
    given = from_embeddings(5)[0]
    two = swapped_assignment(given[:2], **SETTINGS)
    assert_close(two, LIGHTLY["swav/loss_two_views_only"][0], 1e-5)
    queued = [LIGHTLY["swav/queue0"], LIGHTLY["swav/queue1"]]
    with_queue = swapped_assignment(given, queued, **SETTINGS)
    assert_close(with_queue, LIGHTLY["swav/loss_with_queue"][0], 1e-5)


def test_a_view_gets_no_gradient_from_its_own_codes():
    given = [view.requires_grad_() for view in scores(2)]
    codes = sinkhorn(given[0], 0.05, 3)
    predicted = functional.log_softmax(given[1] / 0.1, dim=1)
    (expected,) = torch.autograd.grad(-(codes * predicted).sum(dim=1).mean() / 2, given[1])
    swapped_assignment(given, **SETTINGS).backward()
    assert_close(given[1].grad, expected, 1e-12)


# --- entropy of use ------------------------------------------------------------------------


@pytest.mark.parametrize(("nearest", "used"), [([0] * 8, 1), ([0, 1] * 4, 2), (list(range(8)), 8)])
def test_the_entropy_of_use_tells_how_many_prototypes_are_the_nearest_of_some(nearest, used):
    close = functional.one_hot(torch.tensor(nearest), 10).float()
    assert_close(entropy_of_use(close).exp(), float(used), 1e-6)


def test_embeddings_that_are_all_the_same_use_one_prototype():
    assert entropy_of_use(scores(1, n=1)[0].expand(12, 4)) == 0

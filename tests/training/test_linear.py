"""Linear heads in closed form against autograd and `torch.optim.Adam`, one by one."""

import pytest
import torch
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge.heads.registry import LinearHead
from edaphos_bridge.training.linear import LinearHeads, LinearLearner

N, D, K = 301, 7, 4
RATES = [1e-3, 0.03, 0.3]
DECAYS = [0.0, 0.1, 0.01]


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(N, D, generator=generator)
    return features, torch.randint(0, K, (N,), generator=generator)


@pytest.fixture
def rows():
    """Other rows in each of two splits, 150 each: with batches of 32 the last has 22."""
    generator = torch.Generator().manual_seed(2)
    return torch.stack([torch.randperm(N, generator=generator)[:150] for _ in range(2)])


@pytest.fixture
def initial():
    """Weights and biases of 2 x 3 heads: another start in each split."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(2, 1, K, D, generator=generator).expand(2, 3, K, D)
    return weight, torch.randn(2, 1, K, generator=generator).expand(2, 3, K)


def by_autograd(weight, bias, features, targets, rows, lr, decay, epochs, batch_size=32):
    """One head, its losses and its final weights."""
    weight, bias = (value.clone().requires_grad_() for value in (weight, bias))
    optimizer = torch.optim.Adam([weight, bias], lr=lr, weight_decay=decay)
    losses = []
    for _ in range(epochs):
        for batch in rows.split(batch_size):
            logits = functional.linear(features[batch], weight, bias)
            loss = functional.cross_entropy(logits, targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, weight.detach(), bias.detach()


@pytest.fixture
def heads(data, initial):
    return LinearHeads(*data, *initial, torch.tensor(RATES), torch.tensor(DECAYS))


def test_each_of_many_heads_trains_as_by_autograd_alone(heads, data, rows, initial):
    losses = torch.cat([heads.epoch(rows, 32) for _ in range(4)])
    assert losses.shape == (20, 2, 3)
    for split in range(2):
        for head in range(3):
            expected = by_autograd(
                initial[0][split, head],
                initial[1][split, head],
                *data,
                rows[split],
                RATES[head],
                DECAYS[head],
                epochs=4,
            )
            found = losses[:, split, head], heads.weight[split, head], heads.bias[split, head]
            for ours, theirs in zip(found, expected, strict=True):
                assert_close(ours, torch.as_tensor(theirs), 1e-5)


def test_a_long_training_stays_within_1e_5_of_autograd(data):
    torch.manual_seed(4)
    head = LinearHead(D, K)
    order = torch.randperm(N)
    expected = by_autograd(head.weight.detach(), head.bias.detach(), *data, order, 1e-3, 0.0, 60)
    probe = LinearLearner(head, *data, lr=1e-3, weight_decay=0.0)
    losses = torch.cat([probe.epoch(order, 32) for _ in range(60)])
    assert_close(losses, torch.tensor(expected[0]), 1e-5)
    assert_close(head.weight, expected[1], 1e-5)
    assert_close(head.bias, expected[2], 1e-5)


def test_heads_side_by_side_are_what_each_is_alone(heads, data, rows, initial):
    heads.epoch(rows, 32)
    for split in range(2):
        for head in range(3):
            alone = LinearHeads(
                *data,
                initial[0][split, head][None, None],
                initial[1][split, head][None, None],
                torch.tensor(RATES[head : head + 1]),
                torch.tensor(DECAYS[head : head + 1]),
            )
            alone.epoch(rows[split][None], 32)
            assert_close(heads.weight[split, head], alone.weight[0, 0], 1e-6)


@pytest.mark.parametrize("batch_size", [1, 150, 1000])
def test_batches_of_any_size(heads, rows, batch_size):
    assert len(heads.epoch(rows, batch_size)) == -(-150 // batch_size)


def test_accuracy_and_loss_are_counted_over_all_rows(heads, data, rows):
    heads.epoch(rows, 32)
    features, targets = data
    many = rows.repeat(1, 40)  # more than are computed at once
    for split in range(2):
        for head in range(3):
            weight, bias = heads.weight[split, head], heads.bias[split, head]
            logits = functional.linear(features[rows[split]], weight, bias)
            right = (logits.argmax(1) == targets[rows[split]]).sum().item()
            assert heads.correct(many)[split, head].item() == 40 * right
            expected = functional.cross_entropy(logits, targets[rows[split]]).item()
            assert_close(heads.loss(many)[split, head], expected, 1e-5)


def test_logits_far_apart_give_finite_losses_and_the_right_ones():
    features, targets = torch.tensor([[1000.0], [1000.0]]), torch.tensor([0, 1])
    weight, bias = torch.tensor([[[[1.0], [-1.0]]]]), torch.zeros(1, 1, 2)
    heads = LinearHeads(features, targets, weight, bias, torch.tensor([1e-3]), torch.zeros(1))
    losses = heads.epoch(torch.tensor([[0, 1]]), 1)
    assert losses.flatten()[:1].tolist() == [0.0]
    assert_close(losses.flatten()[1], 2000, 1e-2)


def test_initial_weights_features_and_targets_are_left_as_they_are(heads, data, rows, initial):
    before = [tensor.clone() for tensor in (*data, *initial)]
    heads.epoch(rows, 32)
    assert all(torch.equal(a, b) for a, b in zip(before, (*data, *initial), strict=True))


def test_heads_that_diverged_are_told_from_those_that_did_not(data, initial, rows):
    heads = LinearHeads(*data, *initial, torch.tensor([1e-3, 1e38, 1e-3]), torch.zeros(3))
    for _ in range(3):
        heads.epoch(rows, 32)
    assert heads.is_finite().tolist() == [[True, False, True]] * 2


def test_an_epoch_reads_no_value_and_so_never_waits_for_a_device(rows):
    """On the meta device a tensor has no values, and reading one is an error."""
    heads = LinearHeads(
        torch.empty(N, D, device="meta"),
        torch.empty(N, dtype=torch.int64, device="meta"),
        torch.empty(2, 3, K, D, device="meta"),
        torch.empty(2, 3, K, device="meta"),
        torch.tensor(RATES),
        torch.tensor(DECAYS),
    )
    assert heads.epoch(rows.to("meta"), 32).shape == (5, 2, 3)

"""Fine-tuning MoCo with written-out gradients against backpropagation through the same modules."""

import copy

import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_encoder
from edaphos_bridge.adam import adam
from edaphos_bridge.heads import make_head
from edaphos_bridge.training.backprop import Backprop
from edaphos_bridge.training.fine_tuning import FineTuning


@pytest.fixture
def data():
    """Patches in double, so that nothing but the arithmetic counts, and class codes."""
    torch.manual_seed(0)
    return torch.randn(33, 4, 6, 6, dtype=torch.float64), torch.arange(33) % 3


def without_rounding(gradient):
    return torch.where(gradient.abs() > 1e-12, gradient, 0.0)


@pytest.fixture(params=["linear", "mlp"])
def twins(request, data):
    """The same encoder and head trained in both ways; what they draw is in the same order."""
    x, targets = data
    encoder = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1).double()
    head = make_head(request.param, 8, 3, (6, 5), 0.5).double()
    plain = nn.Sequential(copy.deepcopy(encoder), copy.deepcopy(head))
    groups = [
        {"params": list(plain[1].parameters()), "lr": 1e-2},
        {"params": list(plain[0].parameters()), "lr": 1e-3},
    ]
    # Adam divides by the size of gradients: biases before BatchNorm would move by rounding alone.
    for i in range(1, 6):
        getattr(plain[0].backbone, f"conv{i}").bias.register_hook(without_rounding)
    recorded = Backprop(plain, lambda rows: x[rows], targets, adam(groups, 0.1), 10)
    written = FineTuning(
        encoder,
        head,
        lambda rows: x[rows],
        targets,
        lr=1e-2,
        backbone_lr=1e-3,
        weight_decay=0.1,
        eval_batch_size=10,
    )
    return recorded, written, plain, nn.Sequential(encoder, head)


def test_losses_weights_statistics_and_accuracy_are_those_of_backpropagation(twins):
    recorded, written, plain, ours = twins
    for epoch in range(3):
        losses = []
        for learner in (recorded, written):
            torch.manual_seed(epoch)  # for dropout
            losses.append(learner.epoch(torch.randperm(32), 8))
        assert_close(losses[1], losses[0], 1e-9)
        assert not losses[1].requires_grad
        validation = torch.arange(20, 33)
        assert written.accuracy(validation) == recorded.accuracy(validation)
    assert_close(ours.state_dict(), plain.state_dict(), 1e-8)


def test_a_last_batch_of_one_patch_with_one_cell_takes_its_step(twins, data):
    recorded, written, plain, ours = twins
    x = data[0][:, :, :1, :1].contiguous()
    recorded.inputs = written._inputs = lambda rows: x[rows]
    losses = [learner.epoch(torch.arange(33), 8) for learner in (recorded, written)]
    if isinstance(ours[1], nn.Linear):  # dropout would draw differently
        assert_close(losses[1], losses[0], 1e-9)
        assert_close(ours.state_dict(), plain.state_dict(), 1e-8)
    assert written.is_finite()
    assert ours[0].backbone.bn1.num_batches_tracked == 4


def test_weights_that_are_not_finite_are_found(twins):
    *_, written, _, ours = twins
    assert written.is_finite()
    with torch.no_grad():
        ours[0].backbone.bn3.bias[0] = torch.nan
    assert not written.is_finite()

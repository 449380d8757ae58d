"""What trains by backpropagation: its optimiser, and that an epoch waits for no device."""

import pytest
import torch
from torch import nn

from edaphos_bridge.heads import make_head
from edaphos_bridge.training.backprop import Backprop, adam
from edaphos_bridge.training.settings import FitSettings


@pytest.fixture
def settings():
    return FitSettings.checked(
        freeze_backbone=True,
        head="mlp",
        hidden=(4,),
        dropout=0.0,
        epochs=1,
        batch_size=8,
        lr=0.01,
        weight_decay=0.1,
        backbone_lr_mult=0.5,
        val_split=0.2,
        seed=1,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_optimiser_is_adam_with_coupled_weight_decay(settings, dtype):
    def trained(optimizer_for):
        torch.manual_seed(1)
        weight = torch.randn(5, 3, dtype=dtype, requires_grad=True)
        bias = torch.randn(5, dtype=dtype, requires_grad=True)
        groups = [{"params": [weight], "lr": 0.01}, {"params": [bias], "lr": 0.1}]
        optimizer = optimizer_for(groups)
        for _ in range(20):
            optimizer.zero_grad()
            ((weight.sum(1) - bias) ** 2).sum().backward()
            optimizer.step()
        return torch.cat([weight.detach().flatten(), bias.detach()])

    ours = trained(lambda groups: adam(groups, settings))
    plain = trained(lambda groups: torch.optim.Adam(groups, weight_decay=0.1, foreach=False))
    torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)


def test_complex_parameters_of_a_users_module_are_trained_too(settings):
    weight = torch.zeros(3, dtype=torch.complex64, requires_grad=True)
    optimizer = adam([{"params": [weight], "lr": 0.1}], settings)
    (weight - (1 + 2j)).abs().sum().backward()
    optimizer.step()
    torch.testing.assert_close(weight.detach().real, torch.full((3,), 0.1))


def test_an_epoch_reads_no_value_and_so_never_waits_for_a_device(settings):
    """On the meta device a tensor has no values, and reading one is an error."""
    model = nn.Sequential(nn.BatchNorm1d(6), make_head("mlp", 6, 3, (4,), 0.5)).to("meta")
    x, codes = torch.empty(20, 6, device="meta"), torch.empty(20, dtype=torch.int64, device="meta")
    optimizer = torch.optim.Adam(model.parameters(), fused=False)
    learner = Backprop(model, lambda rows: x[rows], codes, optimizer, eval_batch_size=8)
    assert learner.epoch(torch.arange(17, device="meta"), 8).shape == (3,)

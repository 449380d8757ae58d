"""Adam in one kernel against torch's plain one."""

import pytest
import torch

from closeness import assert_close
from edaphos_bridge.optim.adam import adam


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_optimiser_is_adam_with_coupled_weight_decay(dtype):
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

    ours = trained(lambda groups: adam(groups, 0.1))
    plain = trained(lambda groups: torch.optim.Adam(groups, weight_decay=0.1, foreach=False))
    assert_close(ours, plain, 1e-6)


def test_complex_parameters_of_a_users_module_are_trained_too():
    weight = torch.zeros(3, dtype=torch.complex64, requires_grad=True)
    optimizer = adam([{"params": [weight], "lr": 0.1}])
    (weight - (1 + 2j)).abs().sum().backward()
    optimizer.step()
    assert_close(weight.detach().real, torch.full((3,), 0.1), 1e-6)

"""Adam in one kernel against torch's plain one."""

import pytest
import torch

from closeness import assert_close
from edaphos_bridge.adam import GivenGradients, adam


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


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_given_gradients_move_weights_as_recorded_ones_do(weight_decay):
    torch.manual_seed(1)
    tensors = [torch.randn(4, 7), torch.randn(6, 5, 3, 3), torch.randn(1001)]
    tensors[1] = tensors[1].contiguous(memory_format=torch.channels_last)
    ours = [tensor.clone() for tensor in tensors]
    plain = [tensor.requires_grad_() for tensor in tensors]
    groups = [{"params": plain[:1], "lr": 0.1}, {"params": plain[1:], "lr": 0.01}]
    optimizer = torch.optim.Adam(groups, weight_decay=weight_decay, foreach=False)
    steps = GivenGradients([(ours[:1], 0.1), (ours[1:], 0.01)], weight_decay)
    for _ in range(20):
        for tensor in plain:
            tensor.grad = torch.randn(tensor.shape)  # not all in the layout of the tensor
        optimizer.step()
        in_another_layout = plain[0].grad.t().contiguous().t()
        steps.step([[in_another_layout], [plain[1].grad, plain[2].grad]])
    for found, expected in zip(ours, plain, strict=True):
        assert_close(found, expected, 1e-6)


def test_gradients_in_the_layout_of_their_tensor_are_not_copied(monkeypatch):
    kernel = torch.zeros(6, 5, 3, 3).contiguous(memory_format=torch.channels_last)
    gradient = torch.ones_like(kernel)
    given = []
    monkeypatch.setattr(torch, "_fused_adam_", lambda tensors, grads, *_, **__: given.extend(grads))
    GivenGradients([([kernel], 0.1)], 0.0).step([[gradient]])
    assert given[0] is gradient

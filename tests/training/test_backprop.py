"""What trains by backpropagation; the loop's tests have its arithmetic."""

import torch
from torch import nn

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.aids import Aids
from edaphos_bridge.training.backprop import Backprop
from edaphos_bridge.training.groups import Groups
from edaphos_bridge.training.inputs import Inputs
from edaphos_bridge.training.phase import Phase
from heard import Heard


def test_an_epoch_reads_no_value_and_so_never_waits_for_a_device():
    """On the meta device a tensor has no values, and reading one is an error."""
    model = nn.Sequential(nn.BatchNorm1d(6), make_head("mlp", 6, 3, (4,), 0.5)).to("meta")
    x, codes = torch.empty(20, 6, device="meta"), torch.empty(20, dtype=torch.int64, device="meta")
    optimizer = torch.optim.Adam(model.parameters(), fused=False)
    inputs, task = Inputs(6, lambda rows: x[rows], 8), Classification(["a", "b", "c"])
    events = Heard()
    phase, groups = Phase(1, 1e-3, batch_size=8), Groups(nn.Identity(), model)
    learner = Backprop(
        model, task, phase, groups, inputs, codes, optimizer, Aids(), Randomness(1), events
    )
    assert learner.epoch(torch.arange(17, device="meta"), 8).shape == (3,)
    assert [loss.shape for loss in events.losses] == [()] * 3

"""The learning rate finder, against its loop written out."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge import foundation_lr_find
from edaphos_bridge.errors import InputError, TrainingError
from edaphos_bridge.lr_find import LRFind, suggestions
from small_fits import quick


def test_rates_grow_by_one_factor_from_the_first_to_the_last(encoder, x, y):
    found = foundation_lr_find(encoder, x, y, start_lr=1e-6, end_lr=1e-2, num_it=9, seed=1)
    assert_close(found.table["lr"], np.geomspace(1e-6, 1e-2, 9), 1e-12, 0)


def test_losses_are_those_of_training_at_these_rates(encoder, x, y):
    """A head alone, with one batch a step: the loop written out."""
    found = foundation_lr_find(
        encoder,
        x,
        y,
        freeze_backbone=True,
        start_lr=1e-3,
        end_lr=1e-1,
        num_it=6,
        batch_size=64,
        seed=1,
    )
    fit = quick(encoder, x, y, epochs=1, batch_size=64, lr=1e-12, val_split=0)
    patches = torch.from_numpy(x.astype(np.float32))
    features = copy.deepcopy(encoder).eval()(patches).detach()
    codes = torch.tensor([fit.classes.index(label) for label in y])
    head, losses = fit.head, []
    optimizer = torch.optim.Adam(head.parameters())
    for lr in np.geomspace(1e-3, 1e-1, 6):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(features), codes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert_close(found.table["loss"], losses, 1e-4)
    mean, smoothed = 0.0, []
    for step, loss in enumerate(losses):
        mean = 0.98 * mean + 0.02 * loss
        smoothed.append(mean / (1 - 0.98 ** (step + 1)))
    assert_close(found.table["smoothed"], smoothed, 1e-4)


def test_it_ends_where_the_loss_has_grown_fourfold(encoder, x, y):
    found = foundation_lr_find(encoder, x, y, start_lr=1e-2, end_lr=1e6, num_it=200, seed=1)
    smoothed = found.table["smoothed"]
    assert len(found.table) < 200
    assert (smoothed[:-1] <= 4 * smoothed[:-1].cummin()).all()


def test_nothing_given_is_changed(encoder, x, y, state_of):
    before, fit = state_of(encoder), quick(encoder, x, y)
    bytes_before = fit.to_bytes()
    foundation_lr_find(encoder, x, y, num_it=5, seed=1)
    foundation_lr_find(fit, x, y, num_it=5, seed=1)
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert fit.to_bytes() == bytes_before


def test_the_same_seed_gives_the_same_table(encoder, x, y):
    one, two = (foundation_lr_find(encoder, x, y, num_it=8, seed=4) for _ in range(2))
    assert one.table.equals(two.table)


def test_suggestions_are_fastais():
    lr = [10.0**k for k in range(-8, 1)]
    loss = [3.0, 3.0, 2.9, 2.5, 1.5, 1.2, 1.1, 1.3, 4.0]
    found = suggestions(lr, loss)
    # of the six steps that fall to the seventh, half of the second third
    assert found["valley"] == lr[0 + 2 + 1]
    assert found["steep"] == lr[3]
    assert found["minimum"] == lr[6] / 10


def test_the_valley_of_a_fall_from_the_first_step_is_in_it():
    lr = [1e-3, 1e-2, 1e-1, 1.0, 10.0]
    assert suggestions(lr, [3.0, 2.0, 4.0, 5.0, 9.0])["valley"] == 1e-3


def test_where_the_loss_never_falls_there_is_no_suggestion():
    assert all(math.isnan(lr) for lr in suggestions([1, 2, 3], [1.0, 2.0, 3.0]).values())


def test_it_prints_what_it_suggests(encoder, x, y):
    found = foundation_lr_find(encoder, x, y, num_it=30, seed=1)
    assert "valley:" in repr(found)


def test_its_plot_has_the_losses_and_the_suggestions(encoder, x, y):
    axes = foundation_lr_find(encoder, x, y, num_it=30, seed=1).plot()
    assert axes.get_xscale() == "log"
    assert len(axes.lines) == 4


def test_a_search_whose_loss_never_falls_is_drawn_without_suggestions():
    table = pd.DataFrame({"lr": [1e-3, 1e-2], "loss": [1.0, 2.0], "smoothed": [1.0, 1.5]})
    axes = LRFind(table, suggestions(table["lr"], table["smoothed"])).plot()
    assert len(axes.lines) == 1
    assert axes.get_legend() is None


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("start_lr", 0), ("end_lr", 1e-9), ("end_lr", math.inf), ("num_it", 1), ("num_it", 2.5),
        ("batch_size", 0), ("head", "conv"), ("freeze_backbone", "yes"), ("seed", "a"),
        ("weight_decay", -1), ("split", [["nothing"]]), ("device", "tpu"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(encoder, x, y, argument, value):
    with pytest.raises(InputError) as raised:
        foundation_lr_find(encoder, x, y, **{argument: value})
    assert raised.value.argument == argument


def test_few_steps_of_a_long_epoch_are_refused(encoder, x, y):
    """Rates at the end of the epoch, which no step has, would be beyond any double."""
    with pytest.raises(InputError) as raised:
        foundation_lr_find(encoder, x, y, num_it=2, batch_size=1, seed=1)
    assert raised.value.argument == "num_it"


def test_a_loss_that_is_not_finite_from_the_start_is_an_error():
    x = np.ones((4, 1, 3, 3))
    encoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(TrainingError, match="first step"):
        foundation_lr_find(encoder, x, [1, 2, 1, 2], num_it=3, head=lambda n, k: Infinite(n, k))


class Infinite(nn.Linear):
    def forward(self, x):
        return super().forward(x) / 0

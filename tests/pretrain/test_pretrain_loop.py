"""The loop of pretraining: when it reads losses, reports them, checks them and saves."""

import dataclasses
import math

import pytest
import torch

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders import MoCoEncoder, RotationEncoder, SimCLREncoder
from edaphos_bridge.errors import TrainingError
from edaphos_bridge.pretrain import loop
from edaphos_bridge.pretrain.loop import pretrain
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.moco import MoCo
from edaphos_bridge.pretrain.rotation import Rotation
from edaphos_bridge.pretrain.settings import MoCoSettings, RotationSettings, SimCLRSettings
from edaphos_bridge.pretrain.simclr import SimCLR
from edaphos_bridge.training.checkpoint import FILE, Checkpoints
from edaphos_bridge.training.events import Events
from heard import Heard

CPU = torch.device("cpu")
COMMON = {
    "feature_dim": 6, "proj_dim": 4, "batch_size": 4, "epochs": 2, "steps_per_epoch": 3,
    "lr": 0.01, "temperature": 0.2, "noise_sd": 0.1, "seed": 1,
}  # fmt: skip
SIMCLR = SimCLRSettings.checked(**COMMON)
MOCO = MoCoSettings.checked(
    **COMMON, queue_size=8, momentum=0.9, momentum_schedule=None, crop_ratio=(0.6, 1.0),
    flip_prob=0.5, rot90_prob=0.75, channel_drop_prob=0.2, cutout_prob=0.3,
    cutout_size_ratio=0.2, brightness_jitter=0.2,
)  # fmt: skip
ROTATION = {
    mode: RotationSettings.checked(**COMMON, mode=mode, val_split=0.25) for mode in ("all", "fixed")
}


class Patches:
    """A source of 12 patches."""

    name = "patches"
    shape = (12, 2, 5, 5)

    def __init__(self):
        self.x = torch.randn(self.shape, generator=torch.Generator().manual_seed(1))

    def read(self, rows):
        return self.x[rows]


class Scripted(Method):
    """A method whose losses are given, and what was done with it."""

    def __init__(self, *losses, negatives=0, val_split=0.0):
        super().__init__(torch.nn.Linear(1, 1))
        self.losses = list(losses)
        self.taken, self.done, self.warm, self.seen = 0, [], [], []
        self.negatives, self.val_split = negatives, val_split

    def warm_up(self, views):
        self.warm = list(views)

    def loss(self, views):
        assert self.training
        self.taken += 1
        self.seen.append(views)
        return self.encoder.weight.sum() * 0 + self.losses[self.taken - 1]

    def after_step(self, done):
        self.done.append(done)


def run(method, settings=SIMCLR, device=CPU, events=None, checkpoints=None):
    return pretrain(
        method, Patches(), settings, device, events or Events(), Randomness(1),
        checkpoints=checkpoints, progress=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "method",
    [
        lambda device: MoCo(MoCoEncoder(2, 6, 4).to(device), MOCO),
        lambda device: SimCLR(SimCLREncoder(2, 6, 4).to(device), SIMCLR),
        *(
            lambda device, s=settings: Rotation(RotationEncoder(2, 6, patch_size=5), s).to(device)
            for settings in ROTATION.values()
        ),
    ],
)
def test_no_value_is_read_inside_an_epoch(method, monkeypatch):
    # Tensors of the meta device have no values: whoever reads one gets an error.
    device = torch.device("meta")
    method, losses = method(device), []
    step = loop.take_step
    monkeypatch.setattr(loop, "take_step", lambda *args: losses.append(step(*args)) or losses[-1])
    with pytest.raises(RuntimeError, match="meta"):
        run(method, method.settings, device)
    assert [(loss.device, loss.shape, loss.requires_grad) for loss in losses] == [
        (device, (), False)
    ] * 3


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps():
    events = Heard()
    history = run(Scripted(1.0, 2.0, 6.0, 5.0, 4.0, 3.0), events=events)
    assert (history.losses, history.scores) == ([3.0, 4.0], [])
    assert [loss.item() for loss in events.losses] == [1.0, 2.0, 6.0, 5.0, 4.0, 3.0]
    assert events.ends == 1
    assert [(r.epoch, r.epochs, r.loss) for r in events.reports] == [(1, 2, 3.0), (2, 2, 4.0)]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_by_the_end_of_its_epoch_and_names_its_step(value):
    method, events = Scripted(1.0, 1.0, 1.0, 1.0, value, 1.0), Heard()
    with pytest.raises(TrainingError, match=f"The loss is {value} in step 5: .* has diverged"):
        run(method, events=events)
    assert [report.epoch for report in events.reports] == [1]
    assert events.ends == 0


def test_no_checkpoint_holds_a_loss_that_is_not_finite(tmp_path):
    checkpoints = Checkpoints(tmp_path, 2, {"seed": 1})
    method = Scripted(1.0, 2.0, 3.0, math.nan, 5.0, 6.0)
    with pytest.raises(TrainingError, match="in step 4"):
        run(method, checkpoints=checkpoints)
    assert method.taken == 4  # the checkpoint that was due then
    progress = checkpoints.load()
    assert (progress.step, progress.losses) == (2, [1.0, 2.0])
    assert (tmp_path / FILE).exists()


def test_a_checkpoint_inside_an_epoch_has_all_losses_so_far(tmp_path):
    checkpoints = Checkpoints(tmp_path, 5, {"seed": 1})
    saved = []
    checkpoints.save = lambda progress: saved.append((progress.step, list(progress.losses)))
    run(Scripted(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), checkpoints=checkpoints)
    assert saved == [(5, [1.0, 2.0, 3.0, 4.0, 5.0]), (6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]


def test_a_step_gets_two_views_of_its_patches_and_is_told_where_in_the_run_it_was_taken():
    method = Scripted(*[1.0] * 6)
    run(method)
    assert [[view.shape for view in views] for views in method.seen] == [[(4, 2, 5, 5)] * 2] * 6
    assert not any(torch.equal(*views) for views in method.seen)
    assert method.done == [step / 6 for step in range(6)]


def test_a_method_warms_up_with_views_of_whole_batches_of_different_patches():
    method = Scripted(*[1.0] * 6, negatives=5)
    plain = dataclasses.replace(
        MOCO, crop_ratio=(1.0, 1.0), flip_prob=0, rot90_prob=0, channel_drop_prob=0,
        cutout_prob=0, brightness_jitter=0, noise_sd=0,
    )  # fmt: skip
    run(method, plain)
    assert [len(view) for view in method.warm] == [4, 4]
    seen = torch.cat(method.warm)
    assert all(any(torch.equal(x, patch) for patch in Patches().x) for x in seen)
    assert len(seen.flatten(1).unique(dim=0)) == 8


# --- patches that are held out -------------------------------------------------------------


class Asked(Scripted):
    """A method that sees its patches as they are, and is right of those whose first cell is > 0."""

    def views(self, patches, rows, view):
        assert torch.equal(patches, Patches().x[rows])
        return [patches, rows]

    def right(self, views):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.asked.append(views[1])
        return views[0][:, 0, 0, 0] > 0


def asked(**changes):
    method = Asked(*[1.0] * 6, val_split=0.5, **changes)
    method.asked = []
    return method


def test_after_each_epoch_a_method_is_asked_of_the_same_patches_which_never_train():
    method, events = asked(), Heard()
    history = run(method, events=events)
    first, second = torch.cat(method.asked).chunk(2)
    assert torch.equal(first, second)
    assert len(first.unique()) == 6
    trained = torch.cat([rows for _, rows in method.seen])
    assert not set(trained.tolist()) & set(first.tolist())
    assert set(trained.tolist()) | set(first.tolist()) == set(range(12))
    share = (Patches().x[first][:, 0, 0, 0] > 0).double().mean().item()
    assert history.scores == [share, share]
    assert [report.score for report in events.reports] == [share, share]


def test_a_checkpoint_has_the_scores_of_the_epochs_before_it(tmp_path):
    checkpoints = Checkpoints(tmp_path, 2, {"seed": 1})
    kept = []
    checkpoints.save = lambda progress: kept.append((progress.step, list(progress.scores)))
    (share, _) = run(asked(), checkpoints=checkpoints).scores
    assert kept == [(2, []), (4, [share]), (6, [share, share])]


class Drawing(Scripted):
    """A method with a module that draws, in training and when it is asked."""

    def __init__(self, **changes):
        super().__init__(*[1.0] * 6, **changes)
        self.drop, self.drawn = torch.nn.Dropout(0.5), []

    def loss(self, views):
        self.drawn.append(self.drop(torch.ones(50)))
        return super().loss(views)

    def right(self, views):
        self.drawn.append(torch.nn.functional.dropout(torch.ones(50), 0.5))
        return torch.ones(1, dtype=torch.bool)


def test_what_a_module_draws_comes_from_the_seed_alone():
    drawn = []
    for other in (1, 2):
        torch.manual_seed(other)
        method, state = Drawing(val_split=0.5), torch.get_rng_state()
        run(method)
        assert torch.equal(torch.get_rng_state(), state)
        drawn.append(torch.stack(method.drawn))
    assert torch.equal(*drawn)
    assert len(drawn[0].unique(dim=0)) == len(drawn[0])

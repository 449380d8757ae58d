"""SwAV: its step against the same step written out, and which views reach it."""

import copy
import dataclasses
import math

import pytest
import torch

from closeness import assert_close
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.augmentations import Augmentations
from edaphos_bridge.encoders import MoCoEncoder
from edaphos_bridge.encoders.sensors import for_two_sensors
from edaphos_bridge.errors import EdaphosWarning
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.pretrain.loop import take_step
from edaphos_bridge.pretrain.settings import SwAVSettings
from edaphos_bridge.pretrain.swav import SwAV, entropy_of_use, swapped_assignment

PLAIN = {
    "feature_dim": 6, "proj_dim": 4, "batch_size": 5, "epochs": 3, "steps_per_epoch": 1,
    "lr": 0.01, "temperature": 0.1, "n_prototypes": 7, "epsilon": 0.05,
    "sinkhorn_iterations": 3, "freeze_prototypes_steps": 0, "queue_size": 0, "queue_start": 0,
    "shared_stem": None, "small_crops": 0, "small_crop_ratio": (0.3, 0.6),
    "crop_ratio": (1.0, 1.0), "flip_prob": 0, "rot90_prob": 0, "channel_drop_prob": 0,
    "cutout_prob": 0, "cutout_size_ratio": 0.2, "brightness_jitter": 0, "noise_sd": 0, "seed": 1,
}  # fmt: skip
HOW = {"temperature": 0.1, "epsilon": 0.05, "iterations": 3}


def made(channels=(2,), **changes):
    if len(channels) > 1:
        changes = {"shared_stem": False, **changes}
    settings = SwAVSettings.checked(**{**PLAIN, **changes})
    with Randomness(3).everywhere():
        encoder = MoCoEncoder(channels[0], 6, 4)
        if len(channels) > 1:
            encoder = for_two_sensors(encoder, channels, (5, 5), shared_stem=settings.shared_stem)
        return SwAV(encoder, settings)


def patches(n=5, channels=2, seed=5, size=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, size, size, generator=generator)


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def test_a_step_is_the_loss_of_two_views_and_an_adam_step_of_encoder_and_prototypes():
    swav = made()
    encoder, prototypes = copy.deepcopy(swav.encoder), torch.nn.Parameter(swav.prototypes.data * 1)
    theirs = torch.optim.Adam([*encoder.parameters(), prototypes], lr=0.01)
    ours = adam([{"params": list(swav.parameters()), "lr": 0.01}])
    for seed in range(3):
        views = [patches(seed=seed), patches(seed=seed + 10)]
        prototypes.data = unit(prototypes.data)
        z = encoder.project(encoder(torch.cat(views)))
        scores = [part @ prototypes.T for part in z.chunk(2)]
        loss = swapped_assignment(scores, **HOW)
        theirs.zero_grad()
        loss.backward()
        theirs.step()
        assert_close(take_step(swav, ours, views, 0.0), loss, 1e-4)
        assert_close(swav.prototypes, prototypes, 1e-4)
        assert_close(swav.watched["prototype_entropy"], entropy_of_use(torch.cat(scores)), 1e-6)


def test_prototypes_are_unit_vectors_in_every_loss():
    swav = made()
    with torch.no_grad():
        swav.prototypes.mul_(torch.arange(1.0, 8.0)[:, None])
    views = [patches(), patches(seed=6)]
    loss = swav.loss(views)
    assert_close(swav.prototypes.norm(dim=1), torch.ones(7), 1e-6)
    assert_close(swav.loss(views), loss, 1e-6)


def test_prototypes_that_are_frozen_stay_until_their_step_and_then_train():
    swav = made(freeze_prototypes_steps=2)
    step = adam([{"params": list(swav.parameters()), "lr": 0.01}])
    swav.loss([patches(), patches(seed=6)])  # makes them unit vectors to the last bit
    before = swav.prototypes.detach().clone()
    for number in range(3):
        swav.steps_taken = number
        take_step(swav, step, [patches(seed=number), patches(seed=6)], 0.0)
        assert torch.equal(swav.prototypes, before) == (number < 2)


# --- the queue -----------------------------------------------------------------------------


def queued_steps(n, **changes):
    """Take steps; return the embeddings of each, and the method."""
    swav = made(queue_size=12, **changes)
    step = adam([{"params": list(swav.parameters()), "lr": 0.01}])
    entered = []
    for number in range(n):
        swav.steps_taken = number
        take_step(swav, step, [patches(seed=number), patches(seed=number + 20)], 0.0)
        entered.append(swav._latest)
    swav.steps_taken = n
    return swav, entered


def test_the_queue_has_the_latest_embeddings_of_each_view_oldest_first():
    swav, entered = queued_steps(4)
    assert torch.equal(swav.queue, torch.cat(entered, dim=1)[:, -12:])


def test_nothing_enters_the_queue_before_its_start():
    swav, entered = queued_steps(4, queue_start=3)
    assert torch.equal(swav.queue[:, -5:], entered[3])
    assert not swav.queue[:, :-5].any()


@pytest.mark.parametrize(("steps", "is_full"), [(1, False), (2, False), (3, True)])
def test_the_queue_is_used_once_it_is_full(steps, is_full):
    swav, _ = queued_steps(steps)
    without = copy.deepcopy(swav)
    without.settings = dataclasses.replace(swav.settings, queue_start=1000)
    views = [patches(seed=30), patches(seed=31)]
    assert (swav.loss(views) == without.loss(views)) == (not is_full)


def test_scores_of_the_queue_are_those_of_the_prototypes_of_the_step():
    swav, entered = queued_steps(3)
    views = [patches(seed=30), patches(seed=31)]
    encoder = copy.deepcopy(swav.encoder)
    found = swav.loss(views)
    prototypes = unit(swav.prototypes.detach())
    scores = [z @ prototypes.T for z in encoder.project(encoder(torch.cat(views))).chunk(2)]
    queued = [queue @ prototypes.T for queue in torch.cat(entered, dim=1)[:, -12:]]
    assert_close(found, swapped_assignment(scores, queued, **HOW), 1e-5)


# --- views ---------------------------------------------------------------------------------


def views_of(swav, batch):
    generator = torch.Generator().manual_seed(1)
    rows = torch.arange(len(batch))
    return swav.views(batch, rows, swav.settings.augmentations, generator)


def test_of_one_sensor_both_views_are_of_the_same_patches():
    batch = patches()
    assert all(torch.equal(view, batch) for view in views_of(made(), batch))
    one, other = views_of(made(noise_sd=0.1), batch)
    assert not torch.equal(one, other)


def test_of_two_sensors_each_has_a_view():
    batch = patches(channels=5)
    one, other = views_of(made((3, 2)), batch)
    assert torch.equal(one, batch[:, :3])
    assert torch.equal(other, batch[:, 3:])


def test_small_crops_are_of_every_sensor_and_of_the_larger_ratio():
    swav = made((3, 2), small_crops=2, small_crop_ratio=(0.2, 0.5))
    views = views_of(swav, patches(channels=5, size=9))
    assert [list(view.shape) for view in views] == [
        [5, 3, 9, 9], [5, 2, 9, 9], [5, 3, 4, 4], [5, 3, 4, 4], [5, 2, 4, 4], [5, 2, 4, 4],
    ]  # fmt: skip
    assert not torch.equal(views[2], views[3])


def test_small_crops_predict_and_are_not_assigned():
    swav = made(small_crops=1)
    views = [patches(), patches(seed=6), patches(seed=7, size=3)]
    encoder = copy.deepcopy(swav.encoder)
    found = swav.loss(views)
    prototypes = unit(swav.prototypes.detach())
    z = [*encoder.project(encoder(torch.cat(views[:2]))).chunk(2)]
    z.append(encoder.project(encoder(views[2])))
    expected = swapped_assignment([part @ prototypes.T for part in z], **HOW)
    assert_close(found, expected, 1e-5)


def test_views_are_made_of_all_changes():
    settings = SwAVSettings.checked(**{**PLAIN, "flip_prob": 0.4, "crop_ratio": (0.5, 0.9)})
    assert settings.augmentations == Augmentations(crop_ratio=(0.5, 0.9), flip_prob=0.4)


# --- both sensors --------------------------------------------------------------------------


def gradients(swav, views):
    loss = swav.loss(views)
    return torch.autograd.grad(loss, list(swav.encoder.parameters()), allow_unused=True)


@pytest.mark.parametrize(("channels", "shared"), [((3, 2), False), ((2, 2), False), ((2, 2), True)])
@pytest.mark.parametrize("changed", [0, 1])
def test_both_sensors_reach_the_loss_and_the_gradient_of_what_they_share(channels, shared, changed):
    swav = made(channels, shared_stem=shared)
    views = [patches(channels=n, seed=n) for n in channels]
    other = list(views)
    other[changed] = patches(channels=channels[changed], seed=9)
    before, after = (gradients(copy.deepcopy(swav), of) for of in (views, other))
    names = [name for name, _ in swav.encoder.named_parameters()]
    weights = [number for number, name in enumerate(names) if name.endswith("conv3.weight")]
    assert weights
    assert all((before[number] - after[number]).abs().max() > 1e-4 for number in weights)


def test_each_stem_gets_the_gradient_of_its_sensor():
    swav = made((3, 2))
    found = dict(
        zip(
            [name for name, _ in swav.encoder.named_parameters()],
            gradients(swav, [patches(channels=3), patches()]),
            strict=True,
        )
    )
    for sensor, channels in (("a", 3), ("b", 2)):
        gradient = found[f"stems.{sensor}.weight"]
        assert gradient.shape[1] == channels
        assert gradient.abs().max() > 1e-4


def test_the_loss_of_two_sensors_is_that_of_their_own_views():
    swav = made((2, 2), shared_stem=True)
    views = [patches(), patches(seed=6)]
    alone = made()
    alone.encoder.load_state_dict(swav.encoder.of("a").state_dict())
    alone.prototypes.data = swav.prototypes.data.clone()
    assert_close(swav.loss(views), alone.loss(views), 1e-5)


# --- collapse ------------------------------------------------------------------------------


def test_a_run_that_ends_with_fewer_than_two_prototypes_in_use_warns():
    with pytest.warns(EdaphosWarning, match="uses 1.5 of its 7 prototypes .* have collapsed"):
        made().ended({"loss": [2.0, 1.9], "prototype_entropy": [1.5, math.log(1.5)]})


def test_a_run_that_ends_with_two_or_more_in_use_does_not():
    made().ended({"loss": [2.0, 1.9], "prototype_entropy": [0.1, math.log(2.0001)]})


def test_embeddings_that_collapse_show_in_what_is_watched():
    swav = made()
    for parameter in swav.encoder.parameters():
        parameter.data.zero_()
    swav.encoder.proj.fc2.bias.data.fill_(1.0)
    swav.loss([patches(), patches(seed=6)])
    assert swav.watched["prototype_entropy"] == 0


def test_a_restored_state_goes_on_as_if_nothing_had_happened(equal_states):
    swav, _ = queued_steps(3)
    other, _ = queued_steps(0)
    other.load_state_dict(swav.state_dict())
    other.steps_taken = 3
    views = [patches(seed=30), patches(seed=31)]
    for method in (swav, other):
        step = adam([{"params": list(method.parameters()), "lr": 0.01}])
        take_step(method, step, views, 0.0)
    assert equal_states(swav.state_dict(), other.state_dict())

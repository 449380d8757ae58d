"""SimCLR: its step against the same step written out."""

import copy

import torch

from closeness import assert_close
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders import SimCLREncoder
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.pretrain.loop import take_step
from edaphos_bridge.pretrain.settings import SimCLRSettings
from edaphos_bridge.pretrain.simclr import SimCLR, nt_xent

SETTINGS = {
    "feature_dim": 6, "proj_dim": 4, "batch_size": 4, "epochs": 3, "steps_per_epoch": 1,
    "lr": 0.01, "temperature": 0.2, "noise_sd": 0.1, "seed": 1,
}  # fmt: skip


def made():
    with Randomness(3).everywhere():
        encoder = SimCLREncoder(2, 6, 4)
    return SimCLR(encoder, SimCLRSettings.checked(**SETTINGS))


def patches(seed):
    return torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


def test_views_are_made_of_flips_dropped_channels_and_noise():
    views = made().settings.augmentations
    assert (views.flip_prob, views.channel_drop_prob, views.noise_sd) == (0.5, 0.2, 0.1)
    assert views.crop_ratio == (1.0, 1.0)
    assert views.rot90_prob == views.cutout_prob == views.brightness_jitter == 0


def test_a_step_is_the_loss_of_two_views_and_an_adam_step():
    simclr = made()
    encoder = copy.deepcopy(simclr.encoder)
    theirs = torch.optim.Adam(encoder.parameters(), lr=0.01)
    ours = adam([{"params": list(simclr.parameters()), "lr": 0.01}])
    one, other = patches(5), patches(6)
    loss = nt_xent(encoder.project(encoder(one)), encoder.project(encoder(other)), 0.2)
    loss.backward()
    theirs.step()
    assert_close(take_step(simclr, ours, [one, other], 0.0), loss, 1e-5)
    assert_close(simclr.encoder.state_dict(), encoder.state_dict(), 1e-5)

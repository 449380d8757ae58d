"""MoCo: the key encoder, the moving average and the queue, step by step."""

import copy

import torch

from closeness import assert_close
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders import MoCoEncoder
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.pretrain.loop import take_step
from edaphos_bridge.pretrain.moco import MoCo, info_nce, momentum_at
from edaphos_bridge.pretrain.settings import MoCoSettings

PLAIN = {
    "feature_dim": 6, "proj_dim": 4, "batch_size": 4, "epochs": 3, "steps_per_epoch": 1,
    "lr": 0.01, "temperature": 0.2, "queue_size": 10, "momentum": 0.9, "momentum_schedule": None,
    "crop_ratio": (1.0, 1.0), "flip_prob": 0, "rot90_prob": 0, "channel_drop_prob": 0,
    "cutout_prob": 0, "cutout_size_ratio": 0.2, "brightness_jitter": 0, "noise_sd": 0, "seed": 1,
}  # fmt: skip


def made(seed=3, **changes):
    with Randomness(seed).everywhere():
        encoder = MoCoEncoder(2, 6, 4)
    moco = MoCo(encoder, MoCoSettings.checked(**{**PLAIN, **changes}))
    moco.warm_up(patches(12, seed=7).split(4))
    return moco


def steps(moco):
    """What takes a step on a batch, both of whose views are the patches as they are."""
    optimizer = adam([{"params": list(moco.encoder.parameters()), "lr": 0.01}])
    return lambda x, done=0.0: take_step(moco, optimizer, [x, x], done)


def patches(n=4, seed=5):
    return torch.randn(n, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


def determined(encoder):
    """Names of parameters that the loss depends on: a bias before BatchNorm is rounding noise."""
    names = [name for name, _ in encoder.named_parameters()]
    return [name for name in names if not ("conv" in name or "fc1" in name) or "weight" in name]


def test_the_key_encoder_starts_as_an_exact_copy_without_gradients(equal_states):
    moco = MoCo(MoCoEncoder(2, 6, 4), MoCoSettings.checked(**PLAIN))
    assert equal_states(moco.key_encoder.state_dict(), moco.encoder.state_dict())
    assert not any(parameter.requires_grad for parameter in moco.key_encoder.parameters())
    assert moco.key_encoder is not moco.encoder


def test_the_queue_is_warmed_with_keys_of_real_patches():
    moco = made()
    key_encoder = copy.deepcopy(MoCo(made().encoder, moco.settings).key_encoder)
    expected = [key_encoder.project(key_encoder(batch)) for batch in patches(12, seed=7).split(4)]
    assert torch.equal(moco.queue, torch.cat(expected)[:10])


def test_a_step_is_the_loss_an_adam_step_the_average_and_the_queue_in_this_order():
    moco = made()
    query, key = copy.deepcopy(moco.encoder), copy.deepcopy(moco.key_encoder)
    queue, x, step = moco.queue.clone(), patches(), steps(moco)
    optimizer = torch.optim.Adam(query.parameters(), lr=0.01)
    for _ in range(3):
        keys = key.project(key(x)).detach()
        loss = info_nce(query.project(query(x)), keys, queue, 0.2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for name, parameter in key.named_parameters():
                parameter.copy_(0.9 * parameter + 0.1 * query.get_parameter(name))
        queue = torch.cat([queue[4:], keys])  # first in, first out
        assert_close(step(x), loss, 1e-5)
        assert_close(moco.queue, queue, 1e-5)
        for found, expected in ((moco.encoder, query), (moco.key_encoder, key)):
            for name in determined(found):
                assert_close(found.get_parameter(name), expected.get_parameter(name), 1e-4)


def test_buffers_are_not_averaged():
    moco = made(momentum=0.0)
    steps(moco)(patches())
    for name, parameter in moco.key_encoder.named_parameters():
        assert torch.equal(parameter, moco.encoder.get_parameter(name))
    keys = dict(moco.key_encoder.named_buffers())
    assert keys["backbone.bn1.num_batches_tracked"] == 4  # three to warm up, one step
    assert moco.encoder.get_buffer("backbone.bn1.num_batches_tracked") == 1


def test_the_key_encoder_is_the_weighted_mean_of_itself_and_the_query_encoder():
    moco = made(momentum=0.9)
    step = steps(moco)
    for seed in range(3):
        before = copy.deepcopy(dict(moco.key_encoder.named_parameters()))
        step(patches(seed=seed))
        for name, found in moco.key_encoder.named_parameters():
            expected = 0.9 * before[name] + 0.1 * moco.encoder.get_parameter(name)
            assert_close(found, expected, 1e-6)


def test_a_batch_larger_than_the_queue_keeps_its_last_keys():
    moco = made(queue_size=2)
    keys = copy.deepcopy(moco.key_encoder)
    expected = keys.project(keys(patches()))[-2:]
    steps(moco)(patches())
    assert torch.equal(moco.queue, expected)


def test_one_view_goes_to_each_encoder():
    moco, (one, other) = made(), (patches(seed=8), patches(seed=9))
    seen = []
    for module in (moco.encoder, moco.key_encoder):
        module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    moco.loss([one, other])
    assert [view is given for view, given in zip(seen, (one, other), strict=True)] == [True, True]


def test_a_restored_state_goes_on_as_if_nothing_had_happened(equal_states):
    moco, other = made(), made(seed=2)
    steps(moco)(patches())
    other.load_state_dict(moco.state_dict())
    assert steps(moco)(patches(seed=8)) == steps(other)(patches(seed=8))
    assert equal_states(moco.state_dict(), other.state_dict())


def test_the_momentum_is_constant_or_rises_to_one_as_half_a_cosine():
    assert [momentum_at(done, 0.99, None) for done in (0, 0.5, 1)] == [0.99] * 3
    found = [momentum_at(done, 0.9, "cosine") for done in (0, 0.5, 1)]
    assert_close(found, [0.9, 0.95, 1.0], 1e-12)
    moco = made(momentum=0.0, momentum_schedule="cosine")
    before = copy.deepcopy(dict(moco.key_encoder.named_parameters()))
    steps(moco)(patches(), 1.0)
    for name, parameter in moco.key_encoder.named_parameters():
        assert torch.equal(parameter, before[name])

"""Rotation: turns against numpy's, its step against the same step written out, what it refuses."""

import copy
import inspect

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    FoundationPretrain,
    foundation_embed,
    foundation_fit_classifier,
    foundation_rotation_pretrain,
    foundation_rotation_pretrain_tiles,
    foundation_tile_dataset,
    foundation_weights_load,
    foundation_weights_save,
)
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders import RotationEncoder
from edaphos_bridge.errors import InputError
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.pretrain.loop import take_step
from edaphos_bridge.pretrain.rotation import Rotation, in_all_turns
from edaphos_bridge.pretrain.settings import RotationSettings

SETTINGS = {
    "feature_dim": 6, "batch_size": 4, "epochs": 3, "steps_per_epoch": 1, "lr": 0.01, "seed": 1,
    "val_split": 0.2,
}  # fmt: skip


def made(mode="all", encoder=None):
    with Randomness(3).everywhere():
        encoder = encoder or RotationEncoder(2, 6, patch_size=5)
        return Rotation(encoder, RotationSettings.checked(**SETTINGS, mode=mode))


def some(seed, n=4):
    return torch.randn(n, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


def unchanged(x):
    return x


# --- turns -------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["C, H, W", "H, W, C", "a slice"])
def test_all_turns_of_patches_are_numpys_to_the_last_bit(layout):
    x = some(1)
    x[0, 0, 0, :4] = torch.tensor([-0.0, 1e-42, torch.inf, 16777217.0])  # a turn computes nothing
    if layout == "H, W, C":
        x = x.contiguous(memory_format=torch.channels_last)
    elif layout == "a slice":
        x = torch.cat([x, x], dim=3)[..., ::2][..., :5]
    before = x.clone()
    turned, turns = in_all_turns(x)
    expected = [np.rot90(x.numpy(), k, axes=(2, 3)) for k in range(4)]
    assert turned.numpy().tobytes() == np.concatenate(expected).tobytes()
    assert turns.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert torch.equal(x, before)


def test_with_mode_fixed_each_patch_keeps_its_turn_and_every_turn_is_as_frequent():
    method, x = made("fixed"), some(1, 4000)
    method.begin(4000, torch.Generator().manual_seed(1))
    rows = torch.randperm(4000)[:100]
    turned, turns = method.views(x[rows], rows, unchanged)
    for patch, row, k in zip(turned, rows.tolist(), turns.tolist(), strict=True):
        assert np.array_equal(patch, np.rot90(x[row], k, axes=(1, 2)))
    again = method.views(x[rows[:7]], rows[:7], unchanged)
    assert torch.equal(again[0], turned[:7])
    assert torch.equal(again[1], turns[:7])
    assert (method.turns.bincount(minlength=4) - 1000).abs().max() < 110  # 4 standard deviations


def test_patches_are_seen_as_they_are():
    assert torch.equal(made().settings.augmentations.view(some(1), torch.Generator()), some(1))


# --- a step ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["all", "fixed"])
def test_a_step_is_the_mean_cross_entropy_of_the_turns_and_an_adam_step(mode):
    method, x, rows = made(mode).eval(), some(5), torch.tensor([3, 0, 2, 1])
    method.begin(4, torch.Generator().manual_seed(2))
    encoder, head = copy.deepcopy(method.encoder), copy.deepcopy(method.head)
    theirs = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
    total, n = 0, 0
    for patch, row in zip(x, rows.tolist(), strict=True):
        for k in range(4) if mode == "all" else [int(method.turns[row])]:
            one = torch.from_numpy(np.rot90(patch, k, axes=(1, 2)).copy())[None]
            outputs = head(encoder(one))[0]
            total = total + torch.log(torch.exp(outputs).sum()) - outputs[k]
            n += 1
    assert n == (16 if mode == "all" else 4)
    loss = total / n
    loss.backward()
    theirs.step()
    ours = adam([{"params": list(method.parameters()), "lr": 0.01}])
    views = method.views(x, rows, unchanged)
    assert_close(take_step(method, ours, views, 0.0), loss, 1e-5)
    assert_close(method.encoder.state_dict(), encoder.state_dict(), 1e-5)
    assert_close(method.head.state_dict(), head.state_dict(), 1e-5)


@pytest.mark.parametrize("mode", ["all", "fixed"])
def test_an_answer_is_right_where_the_largest_output_is_that_of_the_turn(mode):
    method, x, rows = made(mode).eval(), some(6, 30), torch.arange(30)
    method.begin(30, torch.Generator().manual_seed(2))
    expected = [
        int(method.head(method.encoder(torch.from_numpy(np.rot90(x[i], k, (1, 2)).copy())[None]))
            .argmax()) == k
        for k, i in (
            [(k, i) for k in range(4) for i in range(30)] if mode == "all"
            else [(int(method.turns[i]), i) for i in range(30)]
        )
    ]  # fmt: skip
    right = method.right(method.views(x, rows, unchanged))
    assert right.dtype == torch.bool
    assert right.tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_the_head_is_on_the_features_of_any_encoder():
    class Mine(nn.Module):
        def forward(self, x):
            return {"embedding": x.mean(dim=(2, 3)).repeat(1, 3)}

    method = made(encoder=Mine())
    assert method.head.in_features == 6
    assert method.loss(method.views(some(1), torch.arange(4), unchanged)).shape == ()


def test_the_head_begins_within_glorots_bounds_and_at_0():
    head = made().head
    assert head.weight.abs().max() <= (6 / (6 + 4)) ** 0.5
    assert not head.bias.any()


# --- a run -------------------------------------------------------------------------------


def with_a_direction(n=60, size=9):
    """Patches whose upper half is brighter."""
    x = np.random.default_rng(1).normal(size=(n, 2, size, size))
    x[:, :, : size // 2] += 1
    return x


@pytest.mark.parametrize("mode", ["all", "fixed"])
def test_the_turn_of_held_out_patches_is_learnt_where_there_is_a_direction(mode):
    fit = foundation_rotation_pretrain(
        with_a_direction(), mode=mode, batch_size=16, epochs=15, lr=0.003, seed=1
    )
    assert fit.val_accuracy_history[0] < fit.val_accuracy_history[-1]
    assert fit.val_accuracy_history[-1] > 0.8


def test_where_all_turns_look_alike_nothing_is_told():
    x = with_a_direction()
    x = np.maximum.reduce([np.rot90(x, k, axes=(2, 3)) for k in range(4)])
    fit = foundation_rotation_pretrain(x, batch_size=16, epochs=5, seed=1)
    assert fit.val_accuracy_history == [0.25] * 5


def test_accuracy_is_over_all_turns_of_the_patches_held_out(rotation):
    fit = rotation(epochs=2)  # 24 patches, of which int(0.2 * 24) = 4 are held out
    assert set(fit.val_accuracy_history) <= {k / 16 for k in range(17)}
    fixed = rotation(epochs=2, mode="fixed").val_accuracy_history
    assert set(fixed) <= {k / 4 for k in range(5)}


@pytest.mark.parametrize(("val_split", "steps"), [(0.2, 3), (0, 3), (0.5, 2), (0.9, 1)])
def test_an_epoch_is_about_one_pass_over_the_patches_that_train(rotation, val_split, steps):
    batch_size = 3 if val_split == 0.9 else 8  # 24 patches, of which 20, 24, 12 and 3 train
    fit = rotation(val_split=val_split, steps_per_epoch=None, batch_size=batch_size)
    assert fit.config["steps_per_epoch"] == steps
    same = rotation(val_split=val_split, steps_per_epoch=steps, batch_size=batch_size)
    assert same.to_bytes() == fit.to_bytes()


def test_without_held_out_patches_there_is_no_accuracy(rotation):
    fit = rotation(val_split=0)
    assert fit.val_accuracy_history is None
    assert FoundationPretrain.from_bytes(fit.to_bytes()).val_accuracy_history is None


@pytest.mark.parametrize(
    ("name", "value"), [("mode", "fixed"), ("val_split", 0.5), ("lr", 0.1), ("batch_size", 4)]
)
def test_each_setting_has_its_effect(rotation, name, value):
    assert rotation(**{name: value}).loss_history != rotation().loss_history


def test_a_batch_of_one_patch_has_four_views(rotation):
    assert len(rotation(batch_size=1).loss_history) == 4


def test_a_fit_serves_embeddings_probes_fine_tuning_and_files(rotation, patches, tmp_path):
    fit = rotation()
    assert foundation_embed(fit, patches).shape == (24, 6)
    y = np.arange(24) % 3
    for freeze in (True, False):
        made = foundation_fit_classifier(fit, patches, y, freeze_backbone=freeze, epochs=1, seed=1)
        assert made.predict_proba(patches).shape == (24, 3)
        back = type(made).from_bytes(made.to_bytes())
        assert np.array_equal(back.predict_proba(patches), made.predict_proba(patches))
    encoder = foundation_weights_load(foundation_weights_save(fit, tmp_path / "encoder"))
    assert encoder.patch_size == 5
    assert np.array_equal(foundation_embed(encoder, patches), foundation_embed(fit, patches))


def test_fine_tuning_its_dropout_draws_from_the_seed_alone(rotation, patches):
    fits = []
    for other in (1, 2):
        torch.manual_seed(other)
        before = torch.get_rng_state()
        fits.append(
            foundation_fit_classifier(
                rotation().encoder, patches, np.arange(24) % 3, freeze_backbone=False, epochs=2,
                seed=1,
            ).to_bytes()
        )  # fmt: skip
        assert torch.equal(torch.get_rng_state(), before)
    assert fits[0] == fits[1]


# --- what cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(("argument", "value"), [
    ("mode", "both"), ("mode", None), ("val_split", 1), ("val_split", -0.1), ("val_split", "a"),
    ("batch_size", 0), ("batch_size", None), ("steps_per_epoch", 1.5), ("lr", None),
])  # fmt: skip
def test_arguments_that_cannot_be_used_are_named(rotation, argument, value):
    with pytest.raises(InputError) as caught:
        rotation(**{argument: value})
    assert caught.value.argument == argument


def test_patches_that_are_not_square_are_refused_with_the_reason(rotation, patches, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.pretrain.run.pretrain", None)
    for shape, found in ((np.s_[:, :, :4], "4 x 5"), (np.s_[..., :4], "5 x 4")):
        message = f"`patches` must be square: a quarter turn would .*; found '{found} cells'"
        with pytest.raises(InputError, match=message):
            rotation(patches[shape])


def test_patches_that_the_encoder_pools_away_are_refused(rotation, patches):
    with pytest.raises(InputError, match="`patches` must be square, of at least 4 cells to a side"):
        rotation(patches[:, :, :3, :3])
    assert rotation(patches[:, :, :3, :3], encoder="simclr").patch_size == [3, 3]


def test_a_share_that_leaves_no_patch_to_train_on_is_refused(rotation, patches):
    with pytest.raises(InputError, match="`val_split` leaves no training row of 1"):
        rotation(patches[:1])
    assert len(rotation(patches[:1], val_split=0, batch_size=1).loss_history) == 4


# --- tiles -------------------------------------------------------------------------------


def test_tiles_are_trained_on_as_the_same_patches_are_and_the_encoder_knows_their_raster():
    stack = np.random.default_rng(3).normal(size=(3, 30, 40)) * 5 + 100
    dataset = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=2)
    small = {"feature_dim": 6, "batch_size": 8, "epochs": 2, "seed": 1}
    tiles = foundation_rotation_pretrain_tiles(dataset, **small)
    patches = foundation_rotation_pretrain(dataset.read(np.arange(40)), **small)
    assert tiles.loss_history == patches.loss_history
    assert tiles.val_accuracy_history == patches.val_accuracy_history
    assert (tiles.normalisation, patches.normalisation) == (dataset.normalisation, None)
    defaults = [
        {p.name: p.default for p in inspect.signature(function).parameters.values() if p.kind == 3}
        for function in (foundation_rotation_pretrain, foundation_rotation_pretrain_tiles)
    ]
    assert defaults[1] == {**defaults[0], "resume": None}
    with pytest.raises(InputError, match="`dataset` must be a tile dataset"):
        foundation_rotation_pretrain_tiles(stack)


def test_resume_goes_on_from_a_folder_that_it_leaves_as_it_is(tmp_path):
    stack = np.random.default_rng(3).normal(size=(3, 30, 40))
    dataset = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=2)
    small = {"feature_dim": 6, "batch_size": 8, "seed": 1}
    whole = foundation_rotation_pretrain_tiles(dataset, epochs=4, **small)
    foundation_rotation_pretrain_tiles(dataset, epochs=2, checkpoint_dir=tmp_path, **small)
    longer = foundation_rotation_pretrain_tiles(dataset, epochs=4, resume=tmp_path, **small)
    assert longer.to_bytes() == whole.to_bytes()

"""What a probe looks at: the same held-out rows every time; and what it refuses before a run."""

import os

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge import KNNProbe, LinearProbe, foundation_tile_dataset
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.splits import parting_in, read_split
from edaphos_bridge.errors import EdaphosWarning, InputError, NoteWarning
from edaphos_bridge.training.plan import draw_plan

N = 24
Y = np.arange(N) % 3


@pytest.fixture(params=[LinearProbe, KNNProbe])
def probe(request, patches):
    """Either probe of `patches` in three classes."""
    few = {"k": 1} if request.param is KNNProbe else {}
    return lambda x=patches, y=Y, **settings: request.param(x, y, **{**few, **settings})


# --- rows ----------------------------------------------------------------------------------


WAYS = [
    {},
    {"groups": np.arange(N) // 4},
    {"blocks": np.stack([np.arange(N), np.arange(N) % 5], axis=1), "block_size": 3},
    {"blocks": np.stack([np.arange(N), np.arange(N)], axis=1), "block_size": 3, "buffer": 2},
    {"folds": np.arange(N) % 4, "fold": 2},
    {"folds": [[1, 5], [2, 9]]},
    {"validation": [3, 8, 20]},
    {"validation": Y == 1},
]


@pytest.mark.filterwarnings("ignore:the validation split left")
@pytest.mark.parametrize("way", WAYS)
def test_rows_are_parted_as_those_of_a_fit(probe, way):
    none = dict.fromkeys(["groups", "blocks", "block_size", "folds", "fold", "validation"])
    split = read_split(N, **parting_in({**none, "buffer": 0.0, **way}))
    generator = torch.Generator().manual_seed(5)
    expected = draw_plan(N, 0.3, generator, split)
    found = probe(val_split=0.3, seed=5, **way).plan
    assert torch.equal(found.train_rows, expected.train_rows)
    assert torch.equal(found.val_rows, expected.val_rows)


def test_the_rows_are_the_same_for_every_run_and_change_with_the_probes_own_seed(probe):
    assert torch.equal(probe().plan.val_rows, probe().plan.val_rows)
    others = [probe(seed=seed).plan.val_rows.tolist() for seed in range(5)]
    assert len({tuple(rows) for rows in others}) > 1


def test_a_class_without_a_row_to_learn_from_is_warned_of_once_before_any_run(probe):
    with pytest.warns(EdaphosWarning, match="left no training row of: 1") as caught:
        watching = probe(validation=Y == 1)
    assert len(caught) == 1
    encoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert watching.score(encoder) == 0


def test_tiles_that_share_cells_are_noted_where_rows_are_drawn_one_by_one(probe):
    stack = np.random.default_rng(3).normal(size=(3, 20, 20))
    tiles = foundation_tile_dataset(stack, patch_size=5, n_patches=N, seed=2)
    with pytest.warns(NoteWarning, match="share cells with another"):
        probe(tiles)
    probe(tiles, groups=np.arange(N) // 4)


def test_what_it_looked_at_is_left_as_it_was(probe, patches):
    before, y = patches.copy(), Y.copy()
    watching = probe(patches, y)
    watching.score(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    np.testing.assert_array_equal(patches, before)
    np.testing.assert_array_equal(y, Y)


def test_it_says_what_it_is(probe):
    shown = repr(probe(every=3, groups=np.arange(N) // 4))
    assert shown.startswith(("LinearProbe(every=3, patience=None, C=1.0", "KNNProbe(every=3"))
    assert "split={'by': 'groups', 'n_groups': 6}, n_train=16, n_validation=8)" in shown


# --- what is refused when it is made -------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("every", 0), ("every", -1), ("every", 2.5), ("every", True), ("every", None),
        ("every", "2"), ("patience", 0), ("patience", 1.5), ("val_split", 0), ("val_split", 1),
        ("val_split", None), ("seed", 0.5), ("seed", None), ("groups", np.arange(3)),
        ("groups", np.zeros(N)), ("folds", [[0]] * 2 + [[N]]), ("validation", [N]),
        ("validation", []), ("buffer", 1.0), ("block_size", 2), ("fold", 1),
        ("x", np.zeros((N, 5, 5))), ("x", None), ("y", Y[:5]), ("y", np.zeros(N)),
        ("y", np.linspace(0, 1, N)), ("y", [None, *Y[1:]]), ("y", 3),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_used_are_named(probe, patches, argument, value):
    arguments = {"x": patches, "y": Y, argument: value}
    with pytest.raises(InputError) as caught:
        probe(**arguments)
    assert caught.value.argument == argument


def test_missing_values_are_counted_before_any_run(probe, patches):
    patches[[3, 5], 0, 1, 1] = np.nan
    with pytest.raises(InputError, match=r"`x` holds NA.* in 2 of 24 patches \(first: 3, 5;"):
        probe(patches)


# --- what is refused before the first step -------------------------------------------------


@pytest.fixture
def refused(pretrain, tmp_path, monkeypatch):
    """What a run raises, which must not take a step, draw a seed or make a folder."""
    monkeypatch.setattr("edaphos_bridge.pretrain.loop.adam", None)
    monkeypatch.setattr("edaphos_bridge.basics.seeding.secrets.randbelow", None)

    def refused(**how):
        with pytest.raises(InputError) as caught:
            pretrain(seed=None, checkpoint_dir=tmp_path / "run", **how)
        assert os.listdir(tmp_path) == []
        assert caught.value.argument == "probe"
        return str(caught.value)

    return refused


def test_a_probe_of_other_channels_is_refused(refused, probe):
    assert refused(probe=probe(np.zeros((N, 4, 5, 5)))) == (
        "`probe` cannot look at this run: its `x` must have 3 channels for this encoder; found 4. "
        "Channels are the second dimension of (N, C, H, W)."
    )


def test_a_probe_that_would_never_look_is_refused(refused, probe):
    assert refused(probe=probe(every=5), epochs=4) == (
        "`probe` cannot look at this run: its `every` must be at most `epochs`, 4; found 5."
    )


@pytest.mark.parametrize("value", ["linear", 5, LinearProbe, [], {"every": 5}])
def test_what_is_no_probe_is_refused(refused, value):
    assert "`probe` must be a probe; found" in refused(probe=value)


def test_patches_of_a_size_that_the_encoder_does_not_take_are_refused(probe):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 7 * 7, 6))
    message = r"its `x` must have patches of \[7, 7\] cells .*; found \[5, 5\]"
    with pytest.raises(InputError, match=message):
        probe().check(encoder, (9, 3, 7, 7), 10)
    probe().check(nn.Sequential(nn.Flatten(), nn.Linear(75, 6)), (9, 3, 5, 5), 10)


def test_patches_of_another_size_are_looked_at_where_the_encoder_takes_them(pretrain, probe):
    wider = np.random.default_rng(2).normal(size=(N, 3, 9, 7))
    fit = pretrain(encoder="moco", probe=probe(wider, every=4))
    assert fit.probe_history["epoch"] == [4]


def test_patches_of_another_size_are_refused_where_the_encoder_takes_none(rotation, probe):
    wider = np.random.default_rng(2).normal(size=(N, 3, 9, 7))
    with pytest.raises(InputError, match=r"its `x` must have patches of \[5, 5\] cells") as error:
        rotation(probe=probe(wider))
    assert error.value.argument == "probe"


def test_tiles_with_another_normalisation_than_the_runs_are_refused(probe):
    stack = np.random.default_rng(3).normal(size=(3, 20, 20))
    tiles = foundation_tile_dataset(stack, patch_size=5, n_patches=N, seed=2)
    encoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    encoder.normalisation = Normalisation(("a", "b", "c"), (9, 9, 9), (2, 2, 2), True, 5)
    watching = probe(tiles, groups=np.arange(N) // 4)
    with pytest.raises(InputError, match="its `x` must not be a tile data set with another norm"):
        watching.check(encoder, (9, 3, 5, 5), 10)


def test_trying_changes_nothing_of_the_encoder(probe):
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    probe().check(encoder, (9, 3, 5, 5), 10)
    assert encoder.training
    assert encoder[1].training
    assert all(torch.equal(before[name], found) for name, found in encoder.state_dict().items())

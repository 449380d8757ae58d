"""SwAV of two sensors on any encoder, and beside a probe."""

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge import (
    FoundationPretrain,
    LinearProbe,
    foundation_embed,
    foundation_encoder_for,
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_swav_pretrain,
    foundation_swav_pretrain_tiles,
    foundation_tile_dataset,
)
from edaphos_bridge.encoders.foundation import ARCHITECTURES
from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.encoders.sensors import SensorEncoder, for_two_sensors
from edaphos_bridge.errors import InputError, WeightsError
from small_encoders import NAMES, small_encoder

# Runs of a moment are over before the embeddings of some encoders come apart.
pytestmark = pytest.mark.filterwarnings("ignore:SwAV uses")
USUAL = {"feature_dim": 64, "proj_dim": 32}


class Own(nn.Module):
    """A module of a user's whose features stand in a mapping, and which draws numbers."""

    def __init__(self, channels=3):
        super().__init__()
        torch.manual_seed(4)
        self.first = nn.Conv2d(channels, 5, 3)
        self.rest = nn.Sequential(nn.BatchNorm2d(5), nn.Dropout(0.3), nn.ReLU())

    def forward(self, x):
        return {"feature": self.rest(self.first(x)).mean(dim=(2, 3))}


@pytest.fixture
def run(swav):
    """Pretrain on two sensors with the usual widths."""

    def call(*sensors, **changes):
        return swav(*sensors, **{**USUAL, **changes})

    call.x_a, call.x_b = swav.x_a, swav.x_b
    return call


@pytest.fixture
def both(swav):
    """Patches of both sensors, one row a place."""
    return np.concatenate([swav.x_a, swav.x_b], axis=1)


# --- what is trained -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name != "rotation"])
def test_an_encoder_of_ours_serves_both_sensors(run, both, name, snapshot):
    encoder = small_encoder(name, 3)
    before = snapshot(encoder)
    fit = run(encoder=encoder)
    assert snapshot(encoder) == before
    assert type(fit.encoder) is SensorEncoder
    assert type(fit.encoder.body) is type(encoder)
    assert (fit.channels, fit.feature_dim) == ([3, 2], encoder.feature_dim)
    assert fit.config["encoder"] == "given"
    assert str(fit).splitlines()[1].startswith(f"  encoder = {name}  in_channels = 3 + 2")
    twin = FoundationPretrain.from_bytes(fit.to_bytes())
    assert twin.to_bytes() == fit.to_bytes()
    assert np.array_equal(foundation_embed(twin, both), foundation_embed(fit, both))
    for sensor, x in (("a", run.x_a), ("b", run.x_b)):
        alone = foundation_encoder_for(twin, sensor)
        assert type(alone) is ARCHITECTURES[name]
        assert is_as_built(alone)
        assert foundation_embed(alone, x).shape == (24, encoder.feature_dim)
    y = np.arange(24) % 3
    classifier = foundation_fit_classifier(twin, both, y, freeze_backbone=False, epochs=1, seed=1)
    assert classifier.predict_proba(both).shape == (24, 3)


def test_a_name_makes_an_encoder_of_sensor_a(swav):
    assert swav(encoder="moco").loss_history == swav().loss_history
    fit = swav(encoder="simclr")
    assert fit.encoder.body.architecture == fit.config["encoder"] == "simclr"
    assert (fit.encoder.body.in_channels, fit.feature_dim, fit.proj_dim) == (3, 6, 4)
    assert FoundationPretrain.from_bytes(fit.to_bytes()).to_bytes() == fit.to_bytes()


@pytest.mark.parametrize("shared", [None, False, True])
def test_a_module_of_the_users_serves_both_sensors(run, shared):
    x_b = run.x_a + 1 if shared else run.x_b
    channels = (3, x_b.shape[1])
    fit = run(run.x_a, x_b, encoder=Own(), shared_stem=shared)
    assert fit.config["shared_stem"] is bool(shared)
    for sensor, x in (("a", run.x_a), ("b", x_b)):
        alone = foundation_encoder_for(fit, sensor)
        assert type(alone) is Own
        assert foundation_embed(alone, x).shape == (24, 5)
    with pytest.raises(WeightsError, match="module of your own"):
        FoundationPretrain.from_bytes(fit.to_bytes())
    together = np.concatenate([run.x_a, x_b], axis=1)
    both = for_two_sensors(Own(), channels, (5, 5), shared_stem=bool(shared))
    for anew in (Own(), both, both.of("concat")):
        back = FoundationPretrain.from_bytes(fit.to_bytes(), anew)
        assert back.to_bytes() == fit.to_bytes()
        assert np.array_equal(foundation_embed(back, together), foundation_embed(fit, together))
    with pytest.raises(WeightsError, match="do not fit the encoder"):
        FoundationPretrain.from_bytes(fit.to_bytes(), nn.Sequential(nn.Flatten()))


@pytest.mark.parametrize("sensors", ["mean", "concat"])
def test_the_encoder_of_both_goes_on_as_that_of_the_mean(run, swav, sensors):
    first = swav()
    second = run(encoder=foundation_encoder_for(first, sensors))
    assert second.to_bytes() == run(encoder=first).to_bytes()
    assert second.encoder.sensors == "mean"
    assert (second.feature_dim, second.proj_dim) == (6, 4)
    before, after = dict(first.encoder.named_parameters()), second.encoder.named_parameters()
    assert all(not torch.equal(before[name], weight) for name, weight in after)


@pytest.mark.parametrize("shared", [True, False])
def test_it_keeps_the_stems_that_it_has(run, swav, shared):
    x_b = swav.x_a + 1
    first = swav(x_b=x_b, shared_stem=shared)
    assert run(swav.x_a, x_b, encoder=first).config["shared_stem"] is shared
    with pytest.raises(InputError, match=f"`shared_stem` must be {shared}, as this encoder has it"):
        run(swav.x_a, x_b, encoder=first, shared_stem=not shared)


@pytest.mark.parametrize("sensors", ["mean", "concat"])
def test_where_there_is_one_sensor_it_is_an_encoder_like_any_other(swav, both, sensors):
    encoder = foundation_encoder_for(swav(), sensors)
    for function in (foundation_moco_pretrain, foundation_swav_pretrain):
        fit = function(both, encoder=encoder, batch_size=8, epochs=2, seed=1)
        assert type(fit.encoder) is SensorEncoder
        assert (fit.encoder.sensors, fit.feature_dim) == (sensors, encoder.feature_dim)
        assert fit.config.get("shared_stem") is None
        assert FoundationPretrain.from_bytes(fit.to_bytes()).to_bytes() == fit.to_bytes()


# --- randomness and checkpoints ------------------------------------------------------------


@pytest.mark.parametrize("encoder", ["simclr", Own()], ids=["name", "module that draws"])
def test_a_run_that_was_stopped_goes_on_and_ends_bit_equal(run, encoder, tmp_path, stopped):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    whole = run(encoder=encoder)
    assert torch.equal(torch.get_rng_state(), state)
    stopped(lambda: run(encoder=encoder, checkpoint_dir=tmp_path, checkpoint_every=1), 2)
    torch.manual_seed(2)
    fit = run(encoder=encoder, checkpoint_dir=tmp_path)
    assert fit.to_bytes() == whole.to_bytes()


def test_the_stem_of_sensor_b_is_drawn_from_the_seed(run):
    one, again, other = (run(encoder=Own(), seed=seed, epochs=1).encoder for seed in (1, 1, 2))
    assert torch.equal(one.stems["b"].weight, again.stems["b"].weight)
    away = {sensor: one.stems[sensor].weight - other.stems[sensor].weight for sensor in "ab"}
    assert away["b"].abs().max() > 10 * away["a"].abs().max()


# --- tiles ---------------------------------------------------------------------------------


@pytest.fixture
def tiles():
    """Tiles of five bands; bands 2 and 4 are those of sensor b."""
    stack = np.random.default_rng(3).normal(size=(5, 30, 40)) * 10 + 100
    return foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=2)


SMALL = {"batch_size": 8, "epochs": 2, "seed": 1}


@pytest.mark.parametrize("of", ["both", "a"])
def test_an_encoder_of_tiles_goes_on_with_the_normalisation_that_it_carries(tiles, of):
    bands = ["band_2", "band_4"]
    first = foundation_swav_pretrain_tiles(tiles, bands, **SMALL)
    encoder = first.encoder if of == "both" else foundation_encoder_for(first, "a")
    second = foundation_swav_pretrain_tiles(tiles, bands, encoder=encoder, **SMALL)
    assert second.normalisation == first.normalisation
    with pytest.raises(InputError, match="`dataset` must not be a tile data set with another norm"):
        foundation_swav_pretrain_tiles(tiles, ["band_1", "band_3"], encoder=encoder, **SMALL)


@pytest.mark.parametrize("of", ["both", "a"])
def test_so_it_does_on_two_tile_data_sets(of):
    stack = np.random.default_rng(3).normal(size=(5, 30, 40)) * 10 + 100
    a, b = (
        foundation_tile_dataset(part, patch_size=5, n_patches=40, seed=2)
        for part in (stack[:3], stack[3:])
    )
    first = foundation_swav_pretrain(a, b, **SMALL)
    encoder = first.encoder if of == "both" else foundation_encoder_for(first, "a")
    second = foundation_swav_pretrain(a, b, encoder=encoder, **SMALL)
    assert second.normalisation == first.normalisation
    with pytest.raises(InputError, match="`x_a` must not be a tile data set with another norm"):
        foundation_swav_pretrain(
            foundation_tile_dataset(stack[:3] + 9, patch_size=5, n_patches=40, seed=2), b,
            encoder=encoder, **SMALL,
        )  # fmt: skip


def test_both_sensors_are_turned_as_the_encoder_learnt_to_see_them(tiles):
    encoder = small_encoder("moco", 3)
    encoder.patch_orientation = "transposed"
    fit = foundation_swav_pretrain_tiles(tiles, ["band_2", "band_4"], encoder=encoder, **SMALL)
    assert fit.encoder.patch_orientation == "transposed"
    patches = tiles.read(np.arange(40)).swapaxes(2, 3)
    plain = foundation_swav_pretrain(
        patches[:, [0, 2, 4]], patches[:, [1, 3]], encoder=encoder, **SMALL
    )
    assert plain.loss_history == fit.loss_history


# --- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (small_encoder("moco", 4), "`x_a` must have 4 channels for this encoder; found 3"),
        (Own(4), "`x_a` must have 4 channels for this encoder; found 3"),
        (
            for_two_sensors(small_encoder("moco", 3), (3, 3), (5, 5), shared_stem=False),
            r"`encoder` must be of sensors of 3 and 2 channels; found \[3, 3\]",
        ),
        (
            nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            "`encoder` must begin with a convolution",
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "`encoder` must return features"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_an_error_before_anything(
    run, encoder, message, tmp_path
):
    with pytest.raises(InputError, match=message):
        run(encoder=encoder, checkpoint_dir=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_network_of_turns_pads_what_it_reads_and_serves_sensors_that_share_all(run):
    with pytest.raises(InputError, match="`encoder` must begin with a convolution"):
        run(encoder="rotation")
    fit = run(run.x_a, run.x_a + 1, encoder="rotation")
    assert fit.config["shared_stem"] is True
    assert FoundationPretrain.from_bytes(fit.to_bytes()).to_bytes() == fit.to_bytes()


def test_small_crops_that_the_encoder_does_not_take_are_an_error_before_anything(run, tmp_path):
    two = run.x_a, run.x_a + 1
    for encoder in ("rotation", small_encoder("rotation", 3)):
        message = "`small_crop_ratio` makes crops of 3 x 3 cells, which the encoder does not take"
        with pytest.raises(InputError, match=message):
            run(*two, encoder=encoder, small_crops=1, checkpoint_dir=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    whole = run(*two, encoder="rotation", small_crops=1, small_crop_ratio=(0.3, 1))
    assert len(whole.loss_history) == 4


# --- probes --------------------------------------------------------------------------------


def test_a_probe_sees_the_mean_of_both_and_changes_nothing(swav, both, equal_states):
    alone = swav()
    y = np.arange(24) % 3
    fit = swav(probe=LinearProbe(both, y, every=2))
    assert fit.loss_history == alone.loss_history
    assert equal_states(fit.encoder.state_dict(), alone.encoder.state_dict())
    assert fit.probe_history["epoch"] == [2, 4]
    with pytest.raises(InputError, match="its `x` must have 5 channels"):
        swav(probe=LinearProbe(swav.x_a, y))

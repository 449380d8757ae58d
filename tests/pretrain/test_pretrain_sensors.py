"""SwAV on two sensors as users call it: arrays, tiles, and what may not go together."""

import inspect
import math

import numpy as np
import pytest
import rasterio
import torch

from edaphos_bridge import (
    FoundationPretrain,
    foundation_embed,
    foundation_encoder_for,
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_moco_pretrain_tiles,
    foundation_swav_pretrain,
    foundation_swav_pretrain_tiles,
    foundation_tile_align,
    foundation_tile_dataset,
)
from edaphos_bridge.data.splits import read_split
from edaphos_bridge.encoders import MoCoEncoder
from edaphos_bridge.encoders.sensors import SensorEncoder
from edaphos_bridge.errors import EdaphosWarning, InputError

SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 3, "seed": 1}
STACK = np.random.default_rng(3).normal(size=(5, 30, 40)) * 10 + 100


@pytest.fixture
def dataset():
    """Tiles of five bands."""
    return foundation_tile_dataset(STACK, patch_size=5, n_patches=40, seed=2)


def defaults_of(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def test_the_defaults_of_views_and_places_are_those_of_moco():
    found, expected = map(defaults_of, (foundation_swav_pretrain, foundation_moco_pretrain))
    shared = {name for name in found if name in expected} - {"temperature", "batch_size", "lr"}
    assert {"crop_ratio", "noise_sd", "epochs", "device", "steps_per_epoch"} <= shared
    other = {"queue_size"}  # off, where MoCo needs one
    assert {name: found[name] for name in shared - other} == {
        name: expected[name] for name in shared - other
    }
    tiles = defaults_of(foundation_swav_pretrain_tiles)
    assert tiles == {**found, "epochs": 100, "resume": None}


# --- the result --------------------------------------------------------------------------


def test_a_fit_of_two_sensors_has_the_encoder_of_both(swav):
    fit = swav()
    assert type(fit.encoder) is SensorEncoder
    assert (fit.in_channels, fit.channels, fit.feature_dim, fit.proj_dim) == (5, [3, 2], 6, 4)
    assert fit.config["shared_stem"] is False
    assert len(fit.entropy_history) == len(fit.loss_history) == 4
    assert all(0 <= entropy <= np.log(16) + 1e-6 for entropy in fit.entropy_history)
    assert not fit.encoder.training


def test_a_fit_of_one_sensor_has_an_encoder_like_any_other(pretrain):
    fit = pretrain()
    if fit.method == "swav":
        assert type(fit.encoder) is MoCoEncoder
        assert (fit.channels, fit.config["shared_stem"]) == ([3], None)
        assert len(fit.entropy_history) == 4
    else:
        assert fit.entropy_history is None


def test_printing_shows_both_sensors_and_how_many_prototypes_are_in_use(swav):
    fit = swav(epochs=2)
    assert str(fit).splitlines() == [
        "<edaphos_foundation_swav>",
        "  in_channels = 3 + 2  feature_dim = 6  proj_dim = 4",
        "  prototypes = 32  epsilon = 0.05  tau = 0.1  batch = 8",
        f"  epochs = 2  final swapped-assignment loss = {fit.final_loss:.4g}  "
        f"prototypes in use = {np.exp(fit.entropy_history[-1]):.3g}",
    ]


def test_the_plot_has_the_prototypes_in_use_on_a_scale_of_their_own(swav):
    from matplotlib.figure import Figure

    fit = swav()
    figure = Figure()
    fit.plot(figure.subplots())
    loss, used = figure.axes
    assert loss.lines[0].get_ydata().tolist() == fit.loss_history
    assert used.lines[0].get_ydata().tolist() == [math.exp(e) for e in fit.entropy_history]


@pytest.mark.parametrize("shared", [True, False])
def test_a_saved_fit_comes_back_bit_equal(swav, tmp_path, equal_states, shared):
    fit = swav(x_b=swav.x_a + 1, shared_stem=shared)
    fit.save(tmp_path / "fit")
    back = FoundationPretrain.load(tmp_path / "fit")
    assert equal_states(back.encoder.state_dict(), fit.encoder.state_dict())
    assert back.entropy_history == fit.entropy_history
    assert back.to_bytes() == fit.to_bytes()
    assert str(back) == str(fit)


def test_sensors_share_their_first_layer_where_they_have_the_same_channels(swav):
    assert swav(x_b=swav.x_a + 1).config["shared_stem"] is True
    assert swav(x_b=swav.x_a + 1).encoder.stem is None
    assert swav(x_b=swav.x_a + 1, shared_stem=False).encoder.stem == "backbone.conv1"


def test_both_sensors_are_trained_on(swav):
    before = swav().loss_history
    assert swav(x_b=swav.x_b[::-1].copy()).loss_history != before
    assert swav(x_a=swav.x_a[::-1].copy()).loss_history != before


def test_the_same_seed_gives_equal_bits_and_leaves_the_callers_arrays_alone(swav):
    copies = swav.x_a.copy(), swav.x_b.copy()
    torch.manual_seed(1)
    one = swav().to_bytes()
    torch.manual_seed(2)
    assert swav().to_bytes() == one
    np.testing.assert_array_equal(swav.x_a, copies[0])
    np.testing.assert_array_equal(swav.x_b, copies[1])


@pytest.mark.parametrize(("name", "value"), [
    ("n_prototypes", 16), ("epsilon", 0.5), ("sinkhorn_iterations", 1), ("temperature", 0.2),
    ("freeze_prototypes_steps", 2), ("queue_size", 8), ("small_crops", 1), ("lr", 0.01),
    ("crop_ratio", (0.3, 0.5)), ("flip_prob", 0), ("rot90_prob", 0), ("channel_drop_prob", 0.9),
    ("cutout_prob", 1), ("cutout_size_ratio", 0.9), ("brightness_jitter", 0.9), ("noise_sd", 1),
])  # fmt: skip
def test_each_setting_has_its_effect(swav, name, value):
    assert swav(**{name: value}).loss_history != swav().loss_history


def test_a_queue_that_starts_later_and_other_small_crops_have_their_effect(swav):
    late = swav(queue_size=8, queue_start=2)
    assert late.loss_history != swav(queue_size=8).loss_history
    small = swav(small_crops=1, small_crop_ratio=(0.5, 0.9))
    assert small.loss_history != swav(small_crops=1).loss_history


def test_training_brings_the_two_views_of_a_place_together():
    rng = np.random.default_rng(3)
    place = rng.normal(size=(64, 3, 1, 1)) * 2
    x_a = place + 0.1 * rng.normal(size=(64, 3, 5, 5))
    x_b = -place[:, :2] + 0.1 * rng.normal(size=(64, 2, 5, 5))
    fit = foundation_swav_pretrain(
        x_a, x_b, epochs=60, lr=0.005, channel_drop_prob=0, cutout_prob=0, seed=1
    )
    assert np.mean(fit.loss_history[-5:]) < np.mean(fit.loss_history[:5]) - 1
    a, b = (
        foundation_embed(foundation_encoder_for(fit, sensor), x)
        for sensor, x in (("a", x_a), ("b", x_b))
    )
    a, b = (z - z.mean(axis=0) for z in (a, b))
    cosines = a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    assert np.diag(cosines).mean() > cosines.mean() + 0.3


# --- what cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(("argument", "value"), [
    ("n_prototypes", 1), ("epsilon", 0), ("sinkhorn_iterations", 0), ("queue_size", -1),
    ("freeze_prototypes_steps", -1), ("queue_start", 1.5), ("shared_stem", 1), ("small_crops", -1),
    ("small_crop_ratio", (0.9, 0.5)), ("small_crop_ratio", 0.5), ("temperature", 0),
    ("crop_ratio", (0.5, 1.2)), ("flip_prob", 2), ("n_prototypes", "many"),
    ("n_prototypes", 2**31 - 1), ("queue_size", 2**31 - 1),
])  # fmt: skip
def test_arguments_that_cannot_be_used_are_named(swav, argument, value):
    with pytest.raises(InputError) as caught:
        swav(**{argument: value})
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("x_b", "says"),
    [
        (np.zeros((23, 2, 5, 5)), "must have a patch for each of the 24 of `x_a`; found 23"),
        (np.zeros((24, 2, 5, 4)), r"must have patches of 5 x 5 cells, as `x_a`; found \[5, 4\]"),
        (np.zeros((24, 5, 5)), "must have the four dimensions"),
        (np.full((24, 2, 5, 5), np.nan), "holds NA, NaN or infinite values in 24 of 24 patches"),
        ("missing.npy", "missing.npy"),
    ],
)
def test_a_second_sensor_that_does_not_go_with_the_first_is_named(swav, x_b, says):
    with pytest.raises(InputError, match=f"`x_b` .*{says}"):
        swav(x_b=x_b)


def test_a_stem_is_shared_only_where_channels_agree_and_there_are_two(swav, patches):
    with pytest.raises(InputError, match="`shared_stem` cannot be true for sensors of 3 and 2"):
        swav(shared_stem=True)
    with pytest.raises(InputError, match="`shared_stem` needs a second sensor"):
        foundation_swav_pretrain(patches, shared_stem=False, **SMALL)


def test_a_queue_that_is_never_full_warns(swav):
    with pytest.warns(EdaphosWarning, match="queue_size = 25 is more than the 24 embeddings of 4"):
        assert swav(queue_size=25).loss_history == swav().loss_history
    swav(queue_size=24)


def test_a_checkpoint_of_another_second_sensor_is_refused(swav, tmp_path):
    fit = swav(checkpoint_dir=tmp_path)
    assert swav(checkpoint_dir=tmp_path).to_bytes() == fit.to_bytes()
    with pytest.raises(InputError, match=r"another run \(x_a and x_b = "):
        swav(x_b=swav.x_b + 1, checkpoint_dir=tmp_path)
    with pytest.raises(InputError, match="another run"):
        foundation_swav_pretrain(swav.x_a, checkpoint_dir=tmp_path, **{**SMALL, "epochs": 4})


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_stopped_in_front_of_and_behind_each_beginning_it_goes_on_bit_equal(
    swav, tmp_path, stopped, after
):
    def call(**where):
        return swav(
            epochs=6, freeze_prototypes_steps=2, queue_start=1, queue_size=16, small_crops=1,
            **where,
        )  # fmt: skip

    stopped(lambda: call(checkpoint_dir=tmp_path, checkpoint_every=1), after)
    assert call(checkpoint_dir=tmp_path).to_bytes() == call().to_bytes()


# --- tiles ---------------------------------------------------------------------------------


def test_tiles_are_trained_on_as_their_patches_are(dataset):
    fit = foundation_swav_pretrain_tiles(dataset, ["band_2", "band_4"], **SMALL)
    patches = dataset.read(np.arange(40))
    plain = foundation_swav_pretrain(patches[:, [0, 2, 4]], patches[:, [1, 3]], **SMALL)
    assert fit.loss_history == plain.loss_history
    assert fit.channels == [3, 2]
    assert fit.normalisation.bands == ("band_1", "band_3", "band_5", "band_2", "band_4")
    assert foundation_encoder_for(fit, "b").normalisation.bands == ("band_2", "band_4")
    assert plain.normalisation is None


def test_a_fit_reads_the_tiles_that_it_comes_from_in_its_own_order(dataset):
    fit = foundation_swav_pretrain_tiles(dataset, ["band_2", "band_4"], **SMALL)
    patches = dataset.read(np.arange(40))[:, [0, 2, 4, 1, 3]]
    assert np.array_equal(foundation_embed(fit, dataset), foundation_embed(fit, patches))
    further = {"feature_dim": 6, "proj_dim": 4, "epochs": 1, "seed": 1, "encoder": fit}
    one = foundation_moco_pretrain_tiles(dataset, **further)
    assert one.loss_history == foundation_moco_pretrain(patches, **further).loss_history
    assert one.encoder.normalisation == fit.encoder.normalisation
    assert foundation_moco_pretrain(dataset, **further).to_bytes() == one.to_bytes()


def test_without_bands_of_b_all_are_of_one_sensor(dataset):
    fit = foundation_swav_pretrain_tiles(dataset, **SMALL)
    plain = foundation_swav_pretrain(dataset.read(np.arange(40)), **SMALL)
    assert fit.loss_history == plain.loss_history
    assert fit.encoder.normalisation == dataset.normalisation


def test_two_tile_data_sets_of_the_same_cells_are_a_pair(dataset):
    parts = [
        foundation_tile_dataset(STACK[bands], patch_size=5, n_patches=40, seed=2)
        for bands in (slice(0, 3), slice(3, 5))
    ]
    fit = foundation_swav_pretrain(*parts, **SMALL)
    one = foundation_swav_pretrain_tiles(dataset, ["band_4", "band_5"], **SMALL)
    assert fit.loss_history == one.loss_history
    assert fit.normalisation.means == one.normalisation.means
    other = foundation_tile_dataset(STACK[3:], patch_size=5, n_patches=40, seed=3)
    raw = foundation_tile_dataset(STACK[3:], patch_size=5, n_patches=40, normalise=False, seed=2)
    for wrong in (other, raw):
        with pytest.raises(InputError, match="`x_b` must be a tile dataset of the cells that"):
            foundation_swav_pretrain(parts[0], wrong, **SMALL)
    read = [part.read(np.arange(40)) for part in parts]
    for pair in ((parts[0], read[1]), (read[0], parts[1])):
        with pytest.raises(InputError, match="`x_b` must be a tile dataset where `x_a` is one"):
            foundation_swav_pretrain(*pair, **SMALL)


@pytest.mark.parametrize(
    ("bands", "says"),
    [
        (["band_9"], "must be names of bands.*It has band_1, band_2"),
        ([], "must be names of bands"),
        (["band_1", "band_1"], "must be names of bands of the tile dataset, each once"),
        ([1], "must be names of bands"),
        (3, "must be names of bands.*found 'int'"),
        ([f"band_{n}" for n in range(1, 6)], "must leave a band for the other sensor"),
    ],
)
def test_bands_that_are_not_there_are_named(dataset, bands, says):
    with pytest.raises(InputError, match=f"`bands_b` {says}"):
        foundation_swav_pretrain_tiles(dataset, bands, **SMALL)


def test_one_band_may_be_given_by_its_name_alone(dataset):
    one = foundation_swav_pretrain_tiles(dataset, "band_2", **SMALL)
    assert one.to_bytes() == foundation_swav_pretrain_tiles(dataset, ["band_2"], **SMALL).to_bytes()


def written(path, cells, size, names):
    """A GeoTIFF of 400 x 300 metres."""
    profile = {
        "count": len(cells), "height": cells.shape[1], "width": cells.shape[2],
        "dtype": "float32", "crs": "EPSG:32723",
        "transform": rasterio.Affine(size, 0, 500000, 0, -size, 9000000),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(cells.astype("float32"))
        file.descriptions = names
    return path


def test_two_rasters_of_their_own_grids_feed_it_when_they_are_aligned(tmp_path):
    fine = written(tmp_path / "fine.tif", STACK[:3], 10, ["red", "green", "nir"])
    coarse = written(tmp_path / "coarse.tif", STACK[3:, :15, :20], 20, ["vv", "vh"])
    stack = foundation_tile_align([fine, coarse], filename=tmp_path / "stack.tif")
    dataset = foundation_tile_dataset(stack, patch_size=6, n_patches=30, seed=1)
    fit = foundation_swav_pretrain_tiles(dataset, ["vv", "vh"], **SMALL)
    assert fit.channels == [3, 2]
    assert foundation_encoder_for(fit, "b").normalisation.bands == ("vv", "vh")


def test_bands_of_both_rasters_need_names_of_their_own(tmp_path):
    a = written(tmp_path / "a.tif", STACK[:2], 10, ["red", "nir"])
    b = written(tmp_path / "b.tif", STACK[3:], 10, ["nir", "swir"])
    stack = foundation_tile_align([a, b], filename=tmp_path / "stack.tif")
    dataset = foundation_tile_dataset(stack, patch_size=6, n_patches=30, seed=1)
    with pytest.raises(InputError, match="`bands_b` must name bands that have names of their own"):
        foundation_swav_pretrain_tiles(dataset, ["nir"], **SMALL)


# --- groups --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_with_groups_no_place_is_on_both_sides_of_a_split(seed):
    n = 24
    groups = np.tile(np.arange(n), 2)
    generator = torch.Generator().manual_seed(seed)
    train, held_out = read_split(2 * n, groups=groups).rows(0.3, generator)
    assert len(held_out) > 0
    assert not set(train % n) & set(held_out % n)
    assert {row % n for row in held_out} == {row % n for row in held_out if row < n}
    rows = torch.randperm(2 * n, generator=generator).numpy()
    assert set(rows[:14] % n) & set(rows[14:] % n)  # what row by row would do


def test_pairs_that_are_rows_of_their_own_leak_unless_they_are_groups():
    # labels of noise: only who has seen the other row of a place can know them
    rng = np.random.default_rng(1)
    n = 60
    place = rng.normal(size=(n, 3, 1, 1)) * 3
    rows = np.concatenate([place + 0.01 * rng.normal(size=(n, 3, 5, 5)) for _ in range(2)])
    labels = np.tile(rng.integers(0, 2, n), 2)
    settings = {"epochs": 60, "freeze_backbone": False, "lr": 0.003, "val_split": 0.3, "seed": 1}
    encoder = foundation_encoder_for(
        foundation_swav_pretrain(rows[:n], rows[n:], epochs=5, seed=1), "a"
    )
    leaky = foundation_fit_classifier(encoder, rows, labels, **settings)
    groups = np.tile(np.arange(n), 2)
    honest = foundation_fit_classifier(encoder, rows, labels, groups=groups, **settings)
    assert np.mean(leaky.val_accuracy_history[-10:]) > 0.7
    assert np.mean(honest.val_accuracy_history[-10:]) < 0.6

"""`foundation_encoder_for()`: encoders of one sensor or of both, in every fit function."""

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge import (
    FoundationFit,
    foundation_cross_validate,
    foundation_embed,
    foundation_embed_raster,
    foundation_encoder,
    foundation_encoder_for,
    foundation_fine_tune,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_predict_raster,
    foundation_swav_pretrain_tiles,
    foundation_tile_dataset,
    foundation_weights_load,
    foundation_weights_save,
)
from edaphos_bridge.encoders import MoCoEncoder
from edaphos_bridge.errors import InputError

SENSORS = ["mean", "concat", "a", "b"]
WIDTHS = {"mean": 6, "concat": 12, "a": 6, "b": 6}
RASTER = np.random.default_rng(3).normal(size=(5, 30, 40)) * 10 + 100
Y = np.array(list("abc") * 12)


@pytest.fixture(scope="module")
def tiles():
    """Tiles of both sensors."""
    return foundation_tile_dataset(RASTER, patch_size=6, n_patches=36, seed=2)


@pytest.fixture(scope="module")
def fit(tiles):
    """A fit on the last two bands beside the first three."""
    return foundation_swav_pretrain_tiles(
        tiles, ["band_4", "band_5"], feature_dim=6, proj_dim=4, batch_size=8, epochs=3, seed=1
    )


def of_sensors(both, sensors):
    """The channels, or bands, that an encoder of these sensors takes."""
    axis = both.ndim - 3
    parts = {"a": slice(0, 3), "b": slice(3, 5)}
    return both[(slice(None),) * axis + (parts.get(sensors, slice(None)),)]


@pytest.fixture
def x(tiles):
    """The patches of both sensors."""
    return tiles.read(np.arange(36))


@pytest.mark.parametrize("sensors", SENSORS)
def test_it_embeds_patches_of_its_sensors(fit, x, sensors):
    encoder = foundation_encoder_for(fit, sensors)
    assert foundation_embed(encoder, of_sensors(x, sensors)).shape == (36, WIDTHS[sensors])


def test_the_encoder_of_the_fit_is_that_of_the_mean(fit, x):
    mean = foundation_embed(foundation_encoder_for(fit), x)
    assert np.array_equal(foundation_embed(fit, x), mean)
    a, b = (foundation_embed(foundation_encoder_for(fit, s), of_sensors(x, s)) for s in ("a", "b"))
    assert_close(mean, (a + b) / 2, 1e-5)
    concat = foundation_embed(foundation_encoder_for(fit, "concat"), x)
    assert_close(concat, np.concatenate([a, b], axis=1), 1e-5)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("sensors", SENSORS)
def test_a_classifier_on_it_predicts_maps_and_survives_its_file(fit, x, sensors, frozen):
    encoder, own = foundation_encoder_for(fit, sensors), of_sensors(x, sensors)
    classifier = foundation_fit_classifier(
        encoder, own, Y, freeze_backbone=frozen, epochs=2, seed=1
    )
    assert classifier.feature_dim == WIDTHS[sensors]
    found = classifier.predict_proba(own)
    back = FoundationFit.from_bytes(classifier.to_bytes())
    assert np.array_equal(back.predict_proba(own), found)
    assert back.to_bytes() == classifier.to_bytes()
    raster = of_sensors(RASTER, sensors)
    if sensors == "b":  # an array cannot say that its bands are the fourth and the fifth
        with pytest.warns(UserWarning, match="they are taken in their order"):
            map_ = foundation_predict_raster(back, raster, stride=6)
    else:
        map_ = foundation_predict_raster(back, raster, stride=6)
    assert map_.shape == (1, 5, 7)


@pytest.mark.parametrize("sensors", ["mean", "concat"])
def test_every_fit_function_takes_both(fit, x, sensors):
    encoder, settings = foundation_encoder_for(fit, sensors), {"epochs": 1, "seed": 1}
    numbers = np.random.default_rng(1).normal(size=36)
    for made in (
        foundation_fit_regressor(encoder, x, numbers, **settings),
        foundation_fit_multilabel(encoder, x, np.eye(36, 3) > 0, **settings),
        foundation_fine_tune(encoder, x, Y, **settings),
    ):
        assert made.feature_dim == WIDTHS[sensors]
    folds = foundation_cross_validate(
        foundation_fit_classifier, encoder, x, Y, k=2, n_jobs=2, **settings
    )
    assert len(folds.table) == 2
    assert foundation_embed_raster(encoder, RASTER, stride=10).shape[0] == WIDTHS[sensors]


def test_a_fit_on_both_gives_the_encoder_that_it_tuned(fit, x):
    tuned = foundation_fit_classifier(fit, x, Y, freeze_backbone=False, epochs=2, seed=1)
    a = of_sensors(x, "a")
    found = foundation_embed(foundation_encoder_for(tuned, "a"), a)
    before = foundation_embed(foundation_encoder_for(fit, "a"), a)
    assert np.abs(found - before).max() > 1e-4


def test_what_it_returns_is_a_copy(fit, x):
    before = foundation_embed(fit, x)
    for sensors in SENSORS:
        for weight in foundation_encoder_for(fit, sensors).parameters():
            weight.data.zero_()
    assert np.array_equal(foundation_embed(fit, x), before)


@pytest.mark.parametrize("sensors", SENSORS)
def test_it_is_saved_and_loaded_as_weights(fit, x, sensors, tmp_path):
    encoder, own = foundation_encoder_for(fit, sensors), of_sensors(x, sensors)
    path = foundation_weights_save(encoder, tmp_path / "encoder")
    back = foundation_weights_load(path, n_channels=own.shape[1])
    assert np.array_equal(foundation_embed(back, own), foundation_embed(encoder, own))
    assert back.normalisation == encoder.normalisation
    assert isinstance(back, MoCoEncoder) == (sensors in "ab")


@pytest.mark.parametrize("sensors", SENSORS)
def test_patches_of_other_channels_are_refused(fit, x, sensors):
    encoder = foundation_encoder_for(fit, sensors)
    with pytest.raises(InputError, match=r"`x` must have \d channels for this encoder"):
        foundation_fit_classifier(encoder, x[:, :4], Y, epochs=1)


@pytest.mark.parametrize("sensors", ["c", None, 1, ["a"], "A"])
def test_sensors_that_are_not_known_are_refused(fit, sensors):
    with pytest.raises(InputError, match="`sensors` must be one of 'a', 'b', 'mean', 'concat'"):
        foundation_encoder_for(fit, sensors)


@pytest.mark.parametrize("other", [foundation_encoder("moco", 4, seed=1), None, "fit"])
def test_what_knows_one_sensor_is_refused(other):
    with pytest.raises(InputError, match="`object` must"):
        foundation_encoder_for(other, "a")

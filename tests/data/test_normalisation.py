"""How raw raster cells become an encoder's input, and that it stays with the encoder."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_weights_load,
    foundation_weights_save,
)
from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes

NORMALISATION = Normalisation(
    bands=("red", "nir"), means=(10.0, -2.0), sds=(4.0, 0.5), normalise=True, patch_size=3
)


def test_cells_are_centred_and_scaled_in_each_band():
    values = np.arange(2 * 3 * 3, dtype=np.int16).reshape(2, 3, 3)
    result = NORMALISATION.apply(values, np.ones(values.shape, dtype=bool))
    assert result.dtype == np.float32
    assert_close(result[0], (values[0] - 10) / 4, 1e-7)
    assert_close(result[1], (values[1] + 2) / 0.5, 1e-7)


@pytest.mark.parametrize(("normalise", "filled"), [(True, (0, 0)), (False, (10, -2))])
def test_cells_without_data_become_the_bands_mean(normalise, filled):
    values = np.full((5, 2, 3, 3), np.nan)
    values[:, :, 0, 0] = 7
    valid = np.isfinite(values)
    before = values.copy()
    result = dataclasses.replace(NORMALISATION, normalise=normalise).apply(values, valid)
    assert np.isfinite(result).all()
    for band, mean in enumerate(filled):
        assert (result[:, band][~valid[:, band]] == mean).all()
    np.testing.assert_array_equal(values, before)
    if not normalise:
        assert (result[valid] == 7).all()


def test_the_bands_of_two_sensors_part_and_come_together_again():
    of_a, of_b = NORMALISATION.parted([1, 1])
    assert (of_a.bands, of_a.means, of_a.sds) == (("red",), (10.0,), (4.0,))
    assert (of_b.bands, of_b.means, of_b.sds) == (("nir",), (-2.0,), (0.5,))
    assert (of_b.normalise, of_b.patch_size) == (True, 3)
    assert of_a.beside(of_b) == NORMALISATION
    assert of_b.beside(of_a) == NORMALISATION.in_order([1, 0])


def test_it_survives_as_json_values():
    assert Normalisation.from_dict(NORMALISATION.to_dict()) == NORMALISATION


@pytest.mark.parametrize(
    "damage",
    [
        {"bands": ["red"]},
        {"bands": [], "means": [], "sds": []},
        {"means": [1.0, float("nan")]},
        {"sds": [1.0, 0.0]},
        {"sds": [1.0, float("inf")]},
        {"sds": None},
        {"normalise": 1},
        {"patch_size": 0},
    ],
)
def test_damaged_values_are_refused(damage):
    with pytest.raises((ValueError, TypeError)):
        Normalisation.from_dict({**NORMALISATION.to_dict(), **damage})


@pytest.fixture
def encoder():
    module = foundation_encoder("moco", 2, seed=1)
    module.normalisation = NORMALISATION
    return module


def test_an_untrained_encoder_has_none():
    assert normalisation_of(foundation_encoder("simclr", 2, seed=1)) is None
    assert normalisation_of(torch.nn.Flatten()) is None


def test_it_stays_with_copies_and_files(encoder, tmp_path):
    assert copy.deepcopy(encoder).normalisation == NORMALISATION
    path = foundation_weights_save(encoder, tmp_path / "encoder.safetensors")
    assert foundation_weights_load(path).normalisation == NORMALISATION


def test_it_stays_with_a_classifier_and_its_file(encoder, tmp_path):
    x = np.random.default_rng(1).normal(size=(12, 2, 3, 3))
    for freeze in (True, False):
        fit = foundation_fit_classifier(
            encoder, x, list("ab") * 6, freeze_backbone=freeze, epochs=1, seed=1
        )
        fit.save(tmp_path / "fit.safetensors")
        loaded = FoundationClassifier.load(tmp_path / "fit.safetensors")
        assert fit.normalisation == loaded.normalisation == NORMALISATION


def test_a_module_of_the_users_own_may_carry_one(tmp_path):
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    module.normalisation = NORMALISATION
    x = np.random.default_rng(1).normal(size=(12, 2, 3, 3))
    fit = foundation_fit_classifier(module, x, list("ab") * 6, epochs=1, seed=1)
    fit.save(tmp_path / "fit.safetensors")
    blank = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    loaded = FoundationClassifier.load(tmp_path / "fit.safetensors", encoder=blank)
    assert loaded.normalisation == NORMALISATION
    assert normalisation_of(blank) is None


@pytest.mark.parametrize("damage", [{"sds": [0.0, 1.0]}, {"bands": ["a"]}, {"means": "x"}])
def test_a_file_with_a_damaged_normalisation_is_refused(encoder, damage):
    encoder.normalisation = dataclasses.replace(NORMALISATION, **damage)
    with pytest.raises(WeightsError, match="damaged"):
        encoder_from_bytes(encoder_to_bytes(encoder))


def test_a_file_whose_normalisation_has_other_bands_than_the_encoder_is_refused(encoder):
    encoder.normalisation = Normalisation(("a",), (0.0,), (1.0,), True, 3)
    with pytest.raises(WeightsError, match="another number of bands"):
        encoder_from_bytes(encoder_to_bytes(encoder))

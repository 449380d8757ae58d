"""An encoder that learnt from transposed patches gets them so from whatever reads rasters."""

import copy

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    FoundationPretrain,
    foundation_embed_at_coords,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_embed,
    foundation_moco_pretrain,
    foundation_patches_at_coords,
    foundation_probe_sweep,
    foundation_tile_dataset,
    foundation_weights_load,
    foundation_weights_save,
)
from edaphos_bridge.errors import EdaphosWarning, InputError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")

Y = ["a", "b"] * 10


@pytest.fixture(scope="module")
def stack():
    return np.random.default_rng(3).normal(100, 20, size=(3, 30, 40))


@pytest.fixture(scope="module")
def tiles(stack):
    return foundation_tile_dataset(stack, patch_size=5, n_patches=20, seed=1)


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(4).uniform([0, 0], [40, 30], size=(20, 2))


@pytest.fixture
def encoder(tiles):
    """It carries everything; a convolution tells a patch from its transpose."""
    encoder = foundation_encoder("moco", 3, feature_dim=8, proj_dim=4, seed=1)
    encoder.normalisation = tiles.normalisation
    encoder.patch_orientation = "transposed"
    return encoder


@pytest.fixture
def rows_first(encoder):
    twin = copy.deepcopy(encoder)
    twin.patch_orientation = "rows_first"
    return twin


def turned(patches):
    return np.ascontiguousarray(patches.swapaxes(2, 3))


def test_without_a_word_an_encoder_saw_rows_first():
    assert foundation_encoder("moco", 3).patch_orientation == "rows_first"
    assert foundation_encoder("simclr", 3).patch_orientation == "rows_first"


def test_patches_at_points_are_transposed(encoder, rows_first, stack, points):
    plain = foundation_patches_at_coords(rows_first, points, stack)
    patches = foundation_patches_at_coords(encoder, points, stack)
    assert np.array_equal(patches, turned(plain), equal_nan=True)
    assert patches.flags.c_contiguous
    cell = np.floor(points[0]).astype(int)
    mean, sd = (numbers[0] for numbers in (encoder.normalisation.means, encoder.normalisation.sds))
    right = (stack[0, cell[1], cell[0] + 1] - mean) / sd  # the neighbour in the same row
    assert_close(patches[0, 0, 3, 2], right, 1e-5)
    assert plain[0, 0, 2, 3] == patches[0, 0, 3, 2]


def test_a_dataset_lends_its_normalisation_and_not_its_orientation(encoder, tiles, stack, points):
    expected = foundation_patches_at_coords(encoder, points, stack)
    encoder.normalisation = None
    found = foundation_patches_at_coords(encoder, points, stack, dataset=tiles)
    assert np.array_equal(found, expected)
    with pytest.raises(InputError, match="Give a `dataset`"):
        foundation_patches_at_coords(encoder, points, stack)


def test_embeddings_at_points_are_those_of_the_transposed_patches(
    encoder, rows_first, stack, points
):
    x = foundation_patches_at_coords(rows_first, points, stack)
    found = foundation_embed_at_coords(encoder, points, stack)
    assert_close(found, foundation_moco_embed(encoder, turned(x)), 1e-5)
    assert np.abs(found - foundation_moco_embed(encoder, x)).max() > 1e-3


def test_tiles_are_transposed_for_it_and_stay_as_they_are(encoder, tiles):
    before = tiles.read(range(20))
    found = foundation_moco_embed(encoder, tiles)
    assert_close(found, foundation_moco_embed(encoder, turned(before)), 1e-5)
    assert np.array_equal(tiles.read(range(20)), before)
    assert tiles.patch_orientation == "rows_first"


@pytest.mark.parametrize("freeze_backbone", [True, False])
def test_a_fit_on_tiles_is_the_fit_on_the_transposed_patches(encoder, tiles, freeze_backbone):
    settings = {"freeze_backbone": freeze_backbone, "epochs": 2, "seed": 1}
    fit = foundation_fit_classifier(encoder, tiles, Y, **settings)
    x = turned(tiles.read(range(20)))
    fit.overlapping = None  # an array does not say
    assert fit.to_bytes() == foundation_fit_classifier(encoder, x, Y, **settings).to_bytes()
    assert np.array_equal(fit.predict_proba(tiles), fit.predict_proba(x))


def test_a_sweep_on_tiles_is_the_sweep_on_the_transposed_patches(encoder, tiles):
    settings = {"lr": [0.01], "weight_decay": [0.0], "C": [1.0], "seeds": [1], "epochs": 2}
    sweep = foundation_probe_sweep(encoder, tiles, Y, **settings)
    x = turned(tiles.read(range(20)))
    assert sweep.results.equals(foundation_probe_sweep(encoder, x, Y, **settings).results)


def test_a_classifier_predicts_points_transposed_and_arrays_as_they_are(
    encoder, rows_first, stack, points
):
    x = turned(foundation_patches_at_coords(rows_first, points, stack))
    fit = foundation_fit_classifier(encoder, x, Y, epochs=2, seed=1)
    assert_close(fit.predict_proba(stack, coords=points), fit.predict_proba(x), 1e-6)


def test_files_and_copies_keep_it(encoder, tiles, tmp_path):
    fit = foundation_fit_classifier(encoder, tiles, Y, epochs=1, seed=1)
    loaded = FoundationClassifier.from_bytes(fit.to_bytes())
    pretrained = foundation_moco_pretrain(np.random.default_rng(1).normal(size=(20, 3, 5, 5)),
                                          epochs=1, seed=1)  # fmt: skip
    pretrained.encoder.patch_orientation = "transposed"
    foundation_weights_save(encoder, tmp_path / "encoder.safetensors")
    for module in (
        fit.encoder,
        loaded.encoder,
        copy.deepcopy(encoder),
        FoundationPretrain.from_bytes(pretrained.to_bytes()).encoder,
        foundation_weights_load(tmp_path / "encoder.safetensors"),
    ):
        assert module.patch_orientation == "transposed"


def test_a_module_of_a_users_own_may_carry_it(tiles, stack, points):
    module = torch.nn.Sequential(torch.nn.Flatten())
    module.patch_orientation = "transposed"
    fit = foundation_fit_classifier(module, tiles, Y, epochs=1, seed=1)
    loaded = FoundationClassifier.from_bytes(
        fit.to_bytes(), torch.nn.Sequential(torch.nn.Flatten())
    )
    assert loaded.encoder.patch_orientation == "transposed"
    plain = foundation_patches_at_coords(tiles, points, stack).transpose(0, 1, 3, 2)
    found = foundation_embed_at_coords(module, points, stack, dataset=tiles)
    assert np.array_equal(found, plain.reshape(20, -1))


def test_a_file_of_an_earlier_version_saw_rows_first_and_a_wrong_word_is_damage(encoder):
    tensors, metadata = unpack("encoder", encoder_to_bytes(encoder))
    assert metadata["encoder"]["patch_orientation"] == "transposed"
    metadata["encoder"]["patch_orientation"] = "sideways"
    with pytest.raises(WeightsError, match="damaged"):
        encoder_from_bytes(pack("encoder", tensors, metadata))
    del metadata["encoder"]["patch_orientation"]
    old = encoder_from_bytes(pack("encoder", tensors, metadata))
    assert old.patch_orientation == "rows_first"


def test_where_it_is_not_known_rows_come_first_with_a_warning(
    encoder, rows_first, tiles, stack, points
):
    expected = foundation_patches_at_coords(rows_first, points, stack)
    encoder.patch_orientation = None
    with pytest.warns(EdaphosWarning, match=r"needs patch_orientation = 'transposed'"):
        found = foundation_patches_at_coords(encoder, points, stack)
    assert np.array_equal(found, expected)
    with pytest.warns(EdaphosWarning, match="patch_orientation"):
        fit = foundation_fit_classifier(encoder, tiles, Y, epochs=1, seed=1)
    x = tiles.read(range(20))  # arrays are taken as they are
    fit.overlapping = None  # and do not say which cells they share
    assert foundation_fit_classifier(encoder, x, Y, epochs=1, seed=1).to_bytes() == fit.to_bytes()
    assert FoundationClassifier.from_bytes(fit.to_bytes()).encoder.patch_orientation is None


def test_another_word_is_refused(encoder, stack, points):
    encoder.patch_orientation = "sideways"
    with pytest.raises(InputError, match="`patch_orientation` must be one of 'rows_first'"):
        foundation_embed_at_coords(encoder, points, stack)

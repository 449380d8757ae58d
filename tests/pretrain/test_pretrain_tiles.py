"""Pretraining on the tiles of a raster: the same training, and the normalisation travels."""

import inspect
import os

import numpy as np
import pytest
import rasterio

from edaphos_bridge import (
    FoundationPretrain,
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_moco_pretrain_tiles,
    foundation_tile_dataset,
    foundation_weights_load,
    foundation_weights_save,
)
from edaphos_bridge.errors import AdjustedWarning, InputError, WeightsError
from edaphos_bridge.training.checkpoint import FILE

SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 4, "seed": 1}


@pytest.fixture
def stack():
    """Three bands with their own means and spreads, and holes."""
    rng = np.random.default_rng(3)
    stack = rng.normal(size=(3, 30, 40)) * np.array([1, 50, 0.1])[:, None, None]
    stack += np.array([0, 1000, -5])[:, None, None]
    stack[:, 4:7, 9:12] = np.nan
    stack[1, 20, 30] = np.nan
    return stack


@pytest.fixture
def dataset(stack):
    return foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=2)


@pytest.fixture
def path(stack, tmp_path):
    path = tmp_path / "stack.tif"
    profile = {
        "driver": "GTiff", "count": 3, "height": 30, "width": 40, "dtype": "float64",
        "transform": rasterio.Affine(10, 0, 500, 0, -10, 900), "crs": "EPSG:32723",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(stack)
        file.descriptions = ("band_1", "band_2", "band_3")
    return path


def test_it_is_the_training_of_moco_on_the_same_patches(dataset):
    tiles = foundation_moco_pretrain_tiles(dataset, **SMALL)
    patches = foundation_moco_pretrain(dataset.read(np.arange(40)), **SMALL)
    assert tiles.loss_history == patches.loss_history
    assert all(
        np.array_equal(one.numpy(), other.numpy())
        for one, other in zip(
            tiles.encoder.state_dict().values(), patches.encoder.state_dict().values(), strict=True
        )
    )
    assert tiles.config == patches.config
    assert patches.normalisation is None


def test_the_normalisation_travels_with_the_fit_and_its_encoder(dataset, tmp_path):
    fit = foundation_moco_pretrain_tiles(dataset, **SMALL)
    assert fit.normalisation == dataset.normalisation
    assert fit.patch_size == [5, 5]
    fit.save(tmp_path / "fit.safetensors")
    assert FoundationPretrain.load(tmp_path / "fit.safetensors").normalisation == fit.normalisation
    encoder = foundation_weights_load(foundation_weights_save(fit, tmp_path / "encoder"))
    assert encoder.normalisation == fit.normalisation
    x = dataset.sample(12, seed=1)
    classifier = foundation_fit_classifier(fit, x, list("abc") * 4, epochs=1, seed=1)
    assert classifier.normalisation == fit.normalisation


def test_a_file_and_an_array_of_the_same_cells_give_the_same_bits(dataset, path, equal_states):
    from_file = foundation_tile_dataset(path, patch_size=5, n_patches=40, seed=2)
    one, other = (foundation_moco_pretrain_tiles(data, **SMALL) for data in (dataset, from_file))
    assert one.loss_history == other.loss_history
    assert equal_states(one.encoder.state_dict(), other.encoder.state_dict())
    assert other.normalisation.makes_the_same_of_cells(one.normalisation)


def defaults_of(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def test_the_defaults_are_the_originals(dataset):
    fit = foundation_moco_pretrain_tiles(dataset, epochs=1, seed=1)
    expected = {
        "queue_size": 24, "momentum": 0.999, "temperature": 0.07, "batch_size": 16, "lr": 0.03,
    }  # fmt: skip
    assert {name: fit.config[name] for name in expected} == expected
    defaults = defaults_of(foundation_moco_pretrain_tiles)
    others = defaults_of(foundation_moco_pretrain)
    assert defaults == {**others, "epochs": 100, "resume": None}


def test_a_run_goes_on_from_its_checkpoint_only_with_the_same_tiles(stack, dataset, tmp_path):
    fit = foundation_moco_pretrain_tiles(dataset, checkpoint_dir=tmp_path, **SMALL)
    again = foundation_moco_pretrain_tiles(dataset, checkpoint_dir=tmp_path, **SMALL)
    assert again.to_bytes() == fit.to_bytes()
    for other in (
        foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=3),
        foundation_tile_dataset(stack + 1, patch_size=5, n_patches=40, seed=2),
    ):
        with pytest.raises(InputError, match="another run \\(dataset = "):
            foundation_moco_pretrain_tiles(other, checkpoint_dir=tmp_path, **SMALL)


@pytest.mark.parametrize("other", ["tiles.tif", np.zeros((40, 3, 5, 5)), None])
def test_only_a_tile_dataset_will_do(other):
    with pytest.raises(InputError, match="`dataset` must be a tile dataset"):
        foundation_moco_pretrain_tiles(other, **SMALL)


def test_a_batch_is_all_tiles_where_there_are_fewer_with_a_warning(dataset):
    with pytest.warns(AdjustedWarning, match="number of patches, 40; using batch_size = 40"):
        fit = foundation_moco_pretrain_tiles(dataset, **{**SMALL, "batch_size": 41})
    assert (fit.batch_size, fit.queue_size) == (40, 2)


# --- going on elsewhere --------------------------------------------------------------------


def test_resume_goes_on_from_a_folder_that_it_leaves_as_it_is(dataset, tmp_path):
    whole = foundation_moco_pretrain_tiles(dataset, **{**SMALL, "epochs": 6})
    foundation_moco_pretrain_tiles(dataset, checkpoint_dir=tmp_path / "old", **SMALL)
    before = (tmp_path / "old" / FILE).read_bytes()

    def longer(**where):
        return foundation_moco_pretrain_tiles(
            dataset, resume=tmp_path / "old", **{**SMALL, "epochs": 6, "seed": None}, **where
        )

    assert longer().to_bytes() == whole.to_bytes()
    assert longer(checkpoint_dir=tmp_path / "new").to_bytes() == whole.to_bytes()
    assert (tmp_path / "old" / FILE).read_bytes() == before
    assert os.listdir(tmp_path / "old") == [FILE]


def test_of_two_checkpoints_the_further_one_is_used(dataset, tmp_path, monkeypatch):
    foundation_moco_pretrain_tiles(dataset, checkpoint_dir=tmp_path / "old", **SMALL)
    settings = {**SMALL, "epochs": 6, "resume": tmp_path / "old"}
    fit = foundation_moco_pretrain_tiles(dataset, checkpoint_dir=tmp_path / "new", **settings)
    monkeypatch.setattr("edaphos_bridge.pretrain.moco.MoCo.loss", None)
    again = foundation_moco_pretrain_tiles(dataset, checkpoint_dir=tmp_path / "new", **settings)
    assert again.to_bytes() == fit.to_bytes()


def test_resume_needs_a_checkpoint_of_this_run(dataset, tmp_path):
    def run(folder, **changes):
        foundation_moco_pretrain_tiles(dataset, resume=folder, **{**SMALL, **changes})

    with pytest.raises(InputError, match="`resume` must be a folder with a checkpoint"):
        run(tmp_path)
    with pytest.raises(InputError, match="`resume` must be the path of a folder"):
        run(3)
    foundation_moco_pretrain_tiles(dataset, checkpoint_dir=tmp_path, **SMALL)
    with pytest.raises(InputError, match=r"`resume` holds the checkpoint of another run \(lr = "):
        run(tmp_path, lr=0.5)
    (tmp_path / FILE).write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=f"{FILE} cannot be read"):
        run(tmp_path)

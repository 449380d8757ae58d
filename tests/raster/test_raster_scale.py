"""An encoder knows the cell size and CRS that it learnt from, and whatever reads a raster tells."""

import warnings

import numpy as np
import pytest
from rasterio import Affine

import edaphos_bridge as eb
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.encoders.raster_input import find_normalisation
from edaphos_bridge.errors import EdaphosWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*share cells with another")

POINTS = np.array([[605.0, 705.0]])
TOLD = "cells of 20 x 20 in EPSG:32723, but .* cells of 10 x 10 in EPSG:32723"


@pytest.fixture
def path(write_tif, image):
    return write_tif("one.tif", image, names=("a", "b", "c"))


@pytest.fixture
def coarse(write_tif, image):
    return write_tif(
        "coarse.tif", image, names=("a", "b", "c"), transform=Affine(20, 0, 500, 0, -20, 900)
    )


@pytest.fixture
def fit(path):
    tiles = eb.foundation_tile_dataset(path, 4, 20, seed=1)
    return eb.foundation_moco_pretrain_tiles(tiles, epochs=1, batch_size=8, feature_dim=6, seed=1)


def test_the_normalisation_of_tiles_says_how_large_cells_are_and_where(path, image):
    found = eb.foundation_tile_dataset(path, 4, 20, seed=1).normalisation
    assert (found.cell_size, found.crs) == ((10, 10), "EPSG:32723")
    assert Normalisation.from_dict(found.to_dict()) == found
    plain = eb.foundation_tile_dataset(image, 4, 20, seed=1).normalisation
    assert (plain.cell_size, plain.crs) == (None, None)


def test_a_normalisation_of_an_earlier_version_opens_without_them(path):
    found = eb.foundation_tile_dataset(path, 4, 20, seed=1).normalisation
    values = found.to_dict()
    del values["cell_size"], values["crs"]
    old = Normalisation.from_dict(values)
    assert (old.cell_size, old.crs) == (None, None)
    assert old.makes_the_same_of_cells(found)


@pytest.mark.parametrize(
    "damage",
    [{"cell_size": [0, 1]}, {"cell_size": [1]}, {"cell_size": [1, np.inf]}, {"cell_size": 1},
     {"crs": 3}],
)  # fmt: skip
def test_damaged_ones_are_refused(path, damage):
    values = eb.foundation_tile_dataset(path, 4, 20, seed=1).normalisation.to_dict()
    with pytest.raises((ValueError, TypeError)):
        Normalisation.from_dict({**values, **damage})


def test_they_go_with_encoders_fits_and_their_files(fit, path, tmp_path):
    saved = eb.foundation_weights_save(fit.encoder, tmp_path / "encoder.safetensors")
    assert eb.foundation_weights_load(saved).normalisation.cell_size == (10, 10)
    x = eb.foundation_patches_at_coords(fit, [[605, 705], [705, 605]], path)
    classifier = eb.foundation_fit_classifier(fit, x, ["a", "b"], epochs=1, val_split=0, seed=1)
    loaded = eb.FoundationClassifier.from_bytes(classifier.to_bytes())
    assert loaded.normalisation == fit.normalisation
    assert loaded.normalisation.crs == "EPSG:32723"


def test_a_stack_of_other_cells_is_read_with_a_warning_that_says_both(fit, path, coarse):
    for read in (eb.foundation_embed_at_coords, eb.foundation_patches_at_coords):
        with pytest.warns(EdaphosWarning, match=f"`stack` has {TOLD}"):
            read(fit, POINTS, coarse)
    x = eb.foundation_patches_at_coords(fit, [[605, 705], [705, 605]], path)
    classifier = eb.foundation_fit_classifier(fit, x, ["a", "b"], epochs=1, val_split=0, seed=1)
    with pytest.warns(EdaphosWarning, match=f"`x` has {TOLD}"):
        classifier.predict(coarse, coords=POINTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eb.foundation_embed_at_coords(fit, POINTS, path)
        classifier.predict(path, coords=POINTS)


def test_an_array_says_nothing_of_its_cells_and_is_not_spoken_of(fit, image):
    with pytest.warns(EdaphosWarning, match="have other names") as caught:
        eb.foundation_embed_at_coords(fit, [[5, 5]], image)
    assert len(caught) == 1


def test_tiles_of_other_cells_are_taken_as_x_with_a_warning(fit, coarse, image):
    tiles = eb.foundation_tile_dataset(coarse, 4, 20, seed=1)
    y = ["a", "b"] * 10
    with pytest.warns(EdaphosWarning, match=f"`x` has {TOLD}"):
        classifier = eb.foundation_fit_classifier(fit, tiles, y, epochs=1, val_split=0, seed=1)
    assert classifier.normalisation.cell_size == (20, 20)
    with pytest.warns(EdaphosWarning, match=f"`x` has {TOLD}"):
        eb.foundation_probe_sweep(fit, tiles, y, epochs=1, seeds=(1,))
    with pytest.warns(EdaphosWarning, match=f"`patches` has {TOLD}"):
        eb.foundation_moco_embed(fit, tiles)
    given = eb.foundation_patches_at_coords(tiles, [[605, 705], [905, 405]], coarse)
    known = eb.foundation_fit_classifier(fit, given, ["a", "b"], epochs=1, val_split=0, seed=1)
    with pytest.warns(EdaphosWarning, match=f"`x` has {TOLD}"):
        known.predict(tiles)


def test_tiles_that_know_nothing_of_their_cells_leave_what_the_encoder_knows(fit, image):
    tiles = eb.foundation_tile_dataset(image, 4, 20, seed=1)
    classifier = eb.foundation_fit_classifier(
        fit, tiles, ["a", "b"] * 10, epochs=1, val_split=0, seed=1
    )
    assert classifier.normalisation.cell_size == (10, 10)


def test_a_dataset_of_the_same_numbers_and_other_cells_does_not_contradict_the_encoder(fit, coarse):
    tiles = eb.foundation_tile_dataset(coarse, 4, 20, seed=1)
    assert find_normalisation(fit, tiles) == fit.normalisation
    plain = eb.foundation_encoder("moco", 3, seed=1)
    assert find_normalisation(plain, tiles).cell_size == (20, 20)


# --- patches that share cells ------------------------------------------------------------------


def naive_overlapping(cells, size):
    apart = np.abs(cells[:, None] - cells[None]).max(axis=2)
    np.fill_diagonal(apart, size)
    return int((apart < size).any(axis=1).sum())


@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("n_patches", [1, 2, 15, 90])
def test_patches_share_cells_if_their_centres_are_nearer_than_their_size(image, size, n_patches):
    for seed in range(4):
        tiles = eb.foundation_tile_dataset(image, size, n_patches, seed=seed)
        assert tiles.overlapping == naive_overlapping(tiles.cells, size)


def test_a_fit_on_tiles_that_share_cells_says_so(path):
    tiles = eb.foundation_tile_dataset(path, 4, 40, seed=1)
    encoder = eb.foundation_encoder("moco", 3, feature_dim=6, seed=1)
    y = ["a", "b"] * 20
    told = f"{tiles.overlapping} of 40 patches share cells"
    with pytest.warns(EdaphosWarning, match=told):
        fit = eb.foundation_fit_classifier(encoder, tiles, y, epochs=1, seed=1)
    assert fit.overlapping == eb.FoundationClassifier.from_bytes(fit.to_bytes()).overlapping
    assert fit.overlapping == tiles.overlapping
    assert f"  overlap:       {told}, so val_acc says little" in repr(fit).split("\n")
    with pytest.warns(EdaphosWarning, match=told):
        sweep = eb.foundation_probe_sweep(encoder, tiles, y, epochs=1, seeds=(1,))
    assert f"  overlap:       {told}, so val_acc says little" in repr(sweep).split("\n")


def test_without_a_random_split_or_for_other_patches_nothing_is_said(path, x, y, encoder):
    tiles = eb.foundation_tile_dataset(path, 4, 40, seed=1)
    three = eb.foundation_encoder("moco", 3, feature_dim=6, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = eb.foundation_fit_classifier(
            three, tiles, ["a", "b"] * 20, epochs=1, val_split=0, seed=1
        )
        plain = eb.foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    assert "overlap" not in repr(fit)
    assert plain.overlapping is None
    assert "overlap" not in repr(plain)


def test_patches_at_points_say_how_many_share_cells(path):
    tiles = eb.foundation_tile_dataset(path, 4, 5, seed=1)
    with pytest.warns(EdaphosWarning, match="2 of 4 patches share cells"):
        eb.foundation_patches_at_coords(tiles, [[605, 705], [635, 735], [805, 605], [0, 0]], path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eb.foundation_patches_at_coords(tiles, [[605, 705], [645, 745]], path)

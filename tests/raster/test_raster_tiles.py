"""Tile datasets: random centres with data, patches that are slices, and nothing held whole."""

import gc
import json
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from closeness import assert_close
from edaphos_bridge import (
    foundation_cross_validate,
    foundation_encoder,
    foundation_fit_classifier,
)
from edaphos_bridge.errors import EdaphosWarning, InputError, WeightsError
from edaphos_bridge.raster.file_raster import FileRaster
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tile_dataset import foundation_tile_dataset
from raster_cells import centres_of


def naive_patches(image, cells, size, normalise=True):
    means = np.nanmean(image, axis=(1, 2))[:, None, None]
    sds = np.nanstd(image, axis=(1, 2), ddof=1)[:, None, None]
    filled = np.where(np.isnan(image), means, image)
    ready = (filled - means) / sds if normalise else filled
    starts = cells - size // 2
    return np.stack([ready[:, row : row + size, col : col + size] for row, col in starts])


@pytest.mark.parametrize("size", [2, 5, 8])
@pytest.mark.parametrize("normalise", [True, False])
def test_patches_are_slices_with_nodata_filled_by_the_mean(image, size, normalise, small_blocks):
    tiles = foundation_tile_dataset(image, size, 90, normalise=normalise, seed=1)
    expected = naive_patches(image, tiles.cells, size, normalise)
    found = tiles.read(np.arange(90))
    assert found.dtype == np.float32
    assert found.shape == (90, 3, size, size)
    assert_close(found, expected, 1e-6)
    assert np.isnan(image[:, :, 50]).any()  # some patches do hold cells without data


@pytest.mark.parametrize("normalise", [True, False])
def test_a_cell_without_data_is_0_after_normalisation_or_the_raw_mean(normalise):
    image = np.random.default_rng(1).normal(5, size=(1, 3, 3))
    image[0, 0, 0] = np.nan
    tiles = foundation_tile_dataset(image, 3, 1, normalise=normalise, seed=1)
    expected = 0 if normalise else np.float32(np.nanmean(image))
    assert_close(tiles.read([0])[0, 0, 0, 0], expected, 1e-6)


@pytest.mark.parametrize("profile", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_files_give_the_patches_of_the_same_array(write_tif, image, profile, small_blocks):
    image = image.astype(np.float32)
    paths = [write_tif("a.tif", image[:2], nodata=np.nan, compress="deflate", **profile)]
    paths += [write_tif("b.tif", np.nan_to_num(image[2:], nan=-9999), nodata=-9999, **profile)]
    tiles = foundation_tile_dataset(paths, patch_size=6, n_patches=50, seed=3)
    expected = naive_patches(image.astype(float), tiles.cells, 6)
    assert_close(tiles.read(range(50)), expected, 1e-6)
    assert set(map(tuple, tiles.cells.tolist())) <= centres_of(image, 6)


def test_the_dataset_says_what_it_is(image):
    tiles = foundation_tile_dataset(image, patch_size=6, n_patches=50, normalise=False, seed=3)
    assert (tiles.height, tiles.width, tiles.n_channels) == (37, 53, 3)
    assert (tiles.patch_size, tiles.n_patches, len(tiles), tiles.seed) == (6, 50, 50, 3)
    assert tiles.bands == ["band_1", "band_2", "band_3"]
    assert_close(tiles.means, np.nanmean(image, axis=(1, 2)), 1e-12)
    assert_close(tiles.sds, np.nanstd(image, axis=(1, 2), ddof=1), 1e-12)
    assert tiles.cells.shape == (50, 2)
    assert tiles.cells.dtype == np.int64
    record = tiles.normalisation
    assert (record.bands, record.means, record.sds) == (tuple(tiles.bands), tiles.means, tiles.sds)
    assert (record.normalise, record.patch_size) == (False, 6)
    assert repr(tiles).split("\n") == tiles.describe() == [
        "<edaphos_tile_dataset>",
        "  stack       : 37 x 53 x 3 (rows x cols x channels)",
        "  patch_size  : 6 x 6",
        "  n_patches   : 50",
        "  channels    : band_1, band_2, band_3",
    ]  # fmt: skip


def test_the_defaults_are_those_of_the_original(image):
    tiles = foundation_tile_dataset(image)
    assert (tiles.patch_size, tiles.n_patches, tiles.normalisation.normalise) == (16, 1000, True)


@pytest.mark.parametrize("size", [2, 3, 16, 37])
def test_as_many_patches_as_centres_are_each_of_them_once(image, size, small_blocks):
    expected = centres_of(image, size)
    tiles = foundation_tile_dataset(image, size, len(expected), seed=1)
    assert sorted(map(tuple, tiles.cells.tolist())) == sorted(expected)


@given(st.integers(0, 2**32), st.floats(0, 0.8), st.integers(2, 5), st.integers(5, 300))
def test_centres_have_data_and_their_patch_fits_whatever_the_holes(seed, holes, size, limit):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(2, 12, 15))
    image[rng.random(image.shape) < holes] = np.nan
    expected = centres_of(image, size)
    if not expected:
        return
    wanted = max(1, len(expected) // 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", limit)
        tiles = foundation_tile_dataset(image, size, wanted, seed=seed)
    found = set(map(tuple, tiles.cells.tolist()))
    assert len(found) == wanted
    assert found <= expected


def test_all_centres_are_equally_likely(small_blocks):
    image = np.random.default_rng(1).normal(size=(1, 12, 12))
    image[0, :, :5] = np.nan  # blocks with few centres and blocks with many
    counts = np.zeros((12, 12))
    for seed in range(400):
        cells = foundation_tile_dataset(image, 3, 10, seed=seed).cells
        counts[cells[:, 0], cells[:, 1]] += 1
    drawn = counts[1:11, 5:11]
    assert drawn.sum() == counts.sum() == 4000
    chi_squared = ((drawn - 4000 / 60) ** 2 / (4000 / 60)).sum()
    assert chi_squared < 98.3  # 59 degrees of freedom, p = 0.001


def test_more_patches_than_centres_are_drawn_with_replacement(image):
    expected = centres_of(image[:, :8, :8], 5)
    tiles = foundation_tile_dataset(image[:, :8, :8], 5, 500, seed=1)
    assert set(map(tuple, tiles.cells.tolist())) == expected
    assert tiles.read(range(500)).shape == (500, 3, 5, 5)


def test_the_same_seed_gives_the_same_cells_and_no_seed_a_fresh_one(image):
    def cells(seed):
        return foundation_tile_dataset(image, 4, 100, seed=seed).cells.tolist()

    assert cells(1) == cells(1) == cells(1.0)
    assert cells(1) != cells(2)
    assert cells(-1) == cells(-1) != cells(1)
    one, other = (foundation_tile_dataset(image, 4, 100) for _ in range(2))
    assert one.seed != other.seed
    assert one.cells.tolist() == cells(one.seed)


def test_the_cells_do_not_depend_on_the_blocks_of_a_file(write_tif, image, monkeypatch):
    expected = foundation_tile_dataset(image, 4, 100, seed=1).cells.tolist()
    tiled = write_tif("tiled.tif", image, tiled=True, blockxsize=16, blockysize=16)
    strips = write_tif("strips.tif", image, blockysize=3)
    for limit in (100, 3000, 10**6):
        monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", limit)
        for stack in (tiled, strips, image):
            assert foundation_tile_dataset(stack, 4, 100, seed=1).cells.tolist() == expected


def test_no_generator_of_numpy_or_torch_moves(image):
    before = np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()  # noqa: NPY002
    foundation_tile_dataset(image, 4, 100, seed=1).sample(3)
    after = np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert before == after


def test_the_array_of_the_caller_is_left_as_it_is(image):
    before = image.tobytes()
    image.flags.writeable = False
    foundation_tile_dataset(image, 4, 100, seed=1).sample(50)
    assert image.tobytes() == before


def test_a_raster_is_never_loaded_whole(write_tif, monkeypatch):
    big = np.random.default_rng(1).integers(0, 1000, size=(4, 400, 500)).astype(np.int16)
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 40_000)
    for profile in ({}, {"tiled": True, "blockxsize": 64, "blockysize": 64}):
        path = write_tif("big.tif", big, **profile)
        read = []
        original = FileRaster._read

        def recording(self, window, read=read, original=original):
            read.append(4 * window.height * window.width)
            return original(self, window)

        with monkeypatch.context() as patch:
            patch.setattr(FileRaster, "_read", recording)
            tiles = foundation_tile_dataset(path, 16, 30, seed=1)
            assert sum(read) <= 2 * big.size  # two passes
            assert max(read) <= 40_000
            read.clear()
            tiles.read(range(30))
        assert read == [4 * 16 * 16] * 30


def test_only_blocks_that_hold_a_centre_are_read_for_the_second_time(write_tif, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 1000)
    image = np.random.default_rng(1).normal(size=(1, 100, 100))
    windows = []
    original = Raster.read
    monkeypatch.setattr(
        Raster, "read", lambda self, *window: windows.append(window) or original(self, *window)
    )
    foundation_tile_dataset(image, 4, 2, seed=1)
    assert len(windows) <= 10 + 2


@given(st.lists(st.integers(0, 39), max_size=150))
def test_patches_come_in_the_order_of_the_rows_asked_for(rows):
    image = np.random.default_rng(1).normal(size=(2, 20, 20))
    tiles = foundation_tile_dataset(image, 3, 40, seed=1)
    everything = tiles.read(range(40))
    expected = everything[rows] if rows else everything[:0]
    assert tiles.read(rows).tobytes() == expected.tobytes()
    assert tiles.read(torch.tensor(rows, dtype=torch.int64)).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "rows", [[-1], [40], [0.5], [[1, 2]], 3, ["a"], np.ma.masked_array([0, 1], mask=[False, True])]
)
def test_rows_that_are_not_there_are_an_error(rows):
    tiles = foundation_tile_dataset(np.random.default_rng(1).normal(size=(2, 20, 20)), 3, 40)
    with pytest.raises(InputError, match="`rows` must be whole numbers from 0 to 39"):
        tiles.read(rows)


def test_a_sample_is_of_distinct_patches_and_follows_its_seed(image):
    tiles = foundation_tile_dataset(image, 4, 20, seed=1)
    everything = {patch.tobytes() for patch in tiles.read(range(20))}
    assert {patch.tobytes() for patch in tiles.sample(20)} == everything
    assert tiles.sample(7, seed=1).shape == (7, 3, 4, 4)
    assert np.array_equal(tiles.sample(7, seed=1), tiles.sample(7, seed=1))
    assert not np.array_equal(tiles.sample(7, seed=1), tiles.sample(7, seed=2))
    assert len({tiles.sample(5).tobytes() for _ in range(5)}) > 1


@pytest.mark.parametrize("size", [0, 21, 1.5, None])
def test_a_sample_of_no_or_too_many_patches_is_an_error(image, size):
    with pytest.raises(InputError, match="`batch_size` must"):
        foundation_tile_dataset(image, 4, 20, seed=1).sample(size)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"patch_size": 1}, "patch_size"),
        ({"patch_size": 2.5}, "patch_size"),
        ({"patch_size": 38}, "patch_size"),
        ({"n_patches": 0}, "n_patches"),
        ({"normalise": 1}, "normalise"),
        ({"seed": 0.5}, "seed"),
        ({"stack": np.zeros((3, 3))}, "stack"),
        ({"stack": "missing.tif"}, "stack"),
    ],
)
def test_an_argument_that_cannot_be_used_is_an_error_that_names_it(image, arguments, argument):
    with pytest.raises(InputError) as caught:
        foundation_tile_dataset(**{"stack": image, **arguments})
    assert caught.value.argument == argument


def test_a_raster_without_any_centre_is_an_error_with_the_reason(image):
    image[0, :20], image[1, 20:] = np.nan, np.nan
    with pytest.raises(InputError, match="found 'no cell with data in every band'"):
        foundation_tile_dataset(image, 4)
    edge = np.full((1, 20, 20), np.nan)
    edge[0, 0, :5] = range(5)
    with pytest.raises(InputError, match="found '5 cells with data in every band, all nearer"):
        foundation_tile_dataset(edge, 4)


def test_a_constant_band_is_0_with_a_warning(image):
    image[1] = 4
    with pytest.warns(EdaphosWarning, match="band_2 all have one value"):
        tiles = foundation_tile_dataset(image, 4, 20, seed=1)
    assert (tiles.read(range(20))[:, 1] == 0).all()


def test_equal_datasets_have_equal_fingerprints_wherever_the_files_lie(write_tif, image):
    one = foundation_tile_dataset(write_tif("one.tif", image), 4, 20, seed=1)
    same = foundation_tile_dataset(write_tif("elsewhere/one.tif", image), 4, 20, seed=1)
    assert one.fingerprint() == same.fingerprint()
    assert len(one.fingerprint()) == 16
    others = [
        foundation_tile_dataset(image, 4, 20, seed=2),
        foundation_tile_dataset(image, 5, 20, seed=1),
        foundation_tile_dataset(image, 4, 21, seed=1),
        foundation_tile_dataset(image, 4, 20, normalise=False, seed=1),
        foundation_tile_dataset(image * 2, 4, 20, seed=1),
    ]
    assert len({tiles.fingerprint() for tiles in [one, *others]}) == 6


def test_plain_values_open_the_same_dataset_without_another_pass(write_tif, image, monkeypatch):
    tiles = foundation_tile_dataset(write_tif("one.tif", image), 4, 20, seed=1)
    values = tiles.to_dict()
    cells = values.pop("cells")
    values = {**json.loads(json.dumps(values)), "cells": cells.astype(float)}  # as R holds them

    def read(*arguments):
        raise AssertionError("the raster was read")

    with monkeypatch.context() as patch:
        patch.setattr(Raster, "read", read)
        again = FoundationTileDataset.from_dict(values)
    assert again.fingerprint() == tiles.fingerprint()
    assert again.seed == 1
    assert repr(again) == repr(tiles)
    assert np.array_equal(again.read(range(20)), tiles.read(range(20)))


def test_a_dataset_of_an_array_has_no_plain_values(image):
    with pytest.raises(InputError, match="must be in files"):
        foundation_tile_dataset(image, 4, 20, seed=1).to_dict()


def test_files_that_are_gone_or_another_raster_are_an_error(write_tif, image):
    path = write_tif("one.tif", image)
    values = foundation_tile_dataset(path, 4, 20, seed=1).to_dict()
    write_tif("one.tif", image[:, 1:])
    with pytest.raises(InputError, match="must still have 37 x 53 cells in 3 bands"):
        FoundationTileDataset.from_dict(values).read([0])
    path.unlink()
    with pytest.raises(InputError, match="cannot be opened"):
        FoundationTileDataset.from_dict(values).read([0])


@pytest.mark.parametrize(
    "change",
    [
        {"cells": [[1, 2, 3]]},
        {"cells": []},
        {"cells": [[0, 0]]},
        {"cells": [[36, 20]]},
        {"cells": [[2**63 - 1, 20]]},
        {"cells": [[2**64, 20]]},
        {"cells": "a"},
        {"seed": float("inf")},
        {"seed": None},
        {"normalisation": {}},
        {"height": "a"},
    ],
)
def test_values_that_are_no_dataset_are_an_error(write_tif, image, change):
    values = foundation_tile_dataset(write_tif("one.tif", image), 4, 20, seed=1).to_dict()
    with pytest.raises(WeightsError, match="no values of a tile data set"):
        FoundationTileDataset.from_dict({**values, **change})
    with pytest.raises(WeightsError):
        FoundationTileDataset.from_dict({})


def test_files_stay_open_as_long_as_the_dataset_lives_and_no_longer(write_tif, image):
    tiles = foundation_tile_dataset(write_tif("one.tif", image), 4, 20, seed=1)
    assert not tiles.raster._parts[0].dataset.closed
    raster = weakref.ref(tiles.raster)
    del tiles
    gc.collect()
    assert raster() is None


# --- many fits on them ---------------------------------------------------------------------


@pytest.mark.parametrize("in_file", [True, False])
def test_a_cross_validation_on_tiles_reads_them_as_a_fit_does(write_tif, image, in_file):
    stack = write_tif("a.tif", image) if in_file else image
    tiles = foundation_tile_dataset(stack, 4, 40, seed=1)
    y = ["a", "b", "c", "a"] * 10
    encoder = foundation_encoder("moco", 3, seed=1)
    encoder.patch_orientation = "transposed"
    settings = {"blocks": tiles.cells, "block_size": 9, "buffer": 4, "k": 2, "seed": 1, "epochs": 2}
    found = foundation_cross_validate("foundation_fit_classifier", encoder, tiles, y, **settings)
    beside = foundation_cross_validate(
        "foundation_fit_classifier", encoder, tiles, y, n_jobs=2, **settings
    )
    assert beside.table.equals(found.table)
    assert beside.predictions.equals(found.predictions)
    assert (found.table["n_train"] + found.table["n_test"] < 40).any()
    rows = [(range(20), range(20, 40))]
    given = {"folds": rows, "seed": 1, "epochs": 2}
    fit = foundation_fit_classifier(encoder, tiles, y, **given)
    alone = foundation_cross_validate("foundation_fit_classifier", encoder, tiles, y, **given)
    assert alone.predictions.to_numpy()[20:].tolist() == fit.predict_proba(tiles)[20:].tolist()

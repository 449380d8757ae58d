"""Tiles with masks: cut like the patches, around labelled cells, and kept with the data set."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from rasterio.warp import transform_geom

from edaphos_bridge import (
    FoundationTileDataset,
    foundation_patches_at_coords,
    foundation_tile_dataset,
)
from edaphos_bridge.data.masks import UNLABELLED, Masks
from edaphos_bridge.errors import EdaphosWarning, InputError, NoteWarning, WeightsError
from edaphos_bridge.raster.cell_labels import CellLabels
from edaphos_bridge.raster.raster import Raster
from edaphos_bridge.raster.tile_file import tiles_from_bytes, tiles_to_bytes
from raster_cells import centres_of
from raster_shapes import Frame, cells_in, polygon

HEIGHT, WIDTH = 25, 34
GRIDS = {
    "north up": ((10, 0, 500, 0, -10, 900), "EPSG:32723"),
    "south up": ((10, 0, 500, 0, 10, 650), "EPSG:32723"),
    "east to west": ((-10, 0, 840, 0, -10, 900), "EPSG:32723"),
    "turned": ((8, 3, 500, 2, -9, 900), "EPSG:32723"),
    "degrees": ((0.001, 0, -43.2, 0, -0.001, -22.9), "EPSG:4326"),
    "Albers": ((30, 0, 1200000, 0, -30, 1900000), "EPSG:5070"),
}


@pytest.fixture
def values():
    """Each cell's own number, so that a patch says where it was cut."""
    values = np.arange(HEIGHT * WIDTH, dtype=float).reshape(1, HEIGHT, WIDTH)
    values[0, 3, 4] = np.nan
    return values


@pytest.fixture
def land():
    """Classes of a few cells."""
    land = np.full((HEIGHT, WIDTH), None, dtype=object)
    land[2:5, 3:9], land[20, 30], land[10:13, 0:2] = "wood", "crop", "water"
    return land


def codes_of(land):
    return np.array([[["crop", "water", "wood", None].index(c) for c in r] for r in land]) % 3 - (
        land == None  # noqa: E711
    )


def cut(whole, cells, size):
    starts = cells - size // 2
    return np.stack([whole[row : row + size, col : col + size] for row, col in starts])


def centres_near(values, known, size):
    """Centres of patches that hold a labelled cell."""
    return {
        (row, col)
        for row, col in centres_of(values, size)
        if cut(known, np.array([[row, col]]), size).any()
    }


@pytest.mark.parametrize("size", [2, 5, 8])
def test_masks_are_cut_as_patches_are(values, land, size):
    tiles = foundation_tile_dataset(
        values, patch_size=size, n_patches=35, normalise=False, seed=1, labels=land
    )
    masks = tiles.masks()
    assert isinstance(masks, Masks)
    assert masks.classes == tiles.classes == ["crop", "water", "wood"]
    assert masks.codes.dtype == torch.int16
    expected = codes_of(land)
    expected[3, 4] = UNLABELLED  # without data
    assert np.array_equal(masks.codes, cut(expected, tiles.cells, size))
    places = tiles.read(range(35))[:, 0].astype(int)
    labelled = masks.codes.numpy() >= 0
    assert np.array_equal(masks.codes.numpy()[labelled], expected.reshape(-1)[places[labelled]])


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("other_crs", [False, True])
def test_polygons_label_the_cells_of_tiles_of_a_file_however_it_lies(
    write_tif, values, name, other_crs
):
    transform, crs = GRIDS[name]
    path = write_tif("stack.tif", values, transform=rasterio.Affine(*transform), crs=crs)
    a, b, c, d, e, f = transform
    places = [
        [(2.2, 3.1), (17.3, 1.2), (19.8, 16.7), (6.4, 22.9)],
        [(20.1, 2.3), (32.2, 9.4), (23.3, 21.2)],
    ]
    polygons = [
        polygon([(a * col + b * row + c, d * col + e * row + f) for col, row in ring])
        for ring in places
    ]
    known = np.full((HEIGHT, WIDTH), UNLABELLED)
    for code, geometry in enumerate(polygons):
        known[cells_in(geometry, transform, HEIGHT, WIDTH)] = code
    known[3, 4] = UNLABELLED  # without data
    if other_crs:
        polygons = [transform_geom(crs, "EPSG:3857", g) for g in polygons]
    labels = Frame(polygons, "EPSG:3857" if other_crs else crs, soil=pd.Series(["clay", "sand"]))
    tiles = foundation_tile_dataset(
        path, 6, 80, normalise=False, seed=1, labels=labels, field="soil"
    )
    places = tiles.read(range(80))[:, 0].astype(int)  # of the cells in the file
    codes = tiles.masks().codes.numpy()
    whole = places != np.float32(np.nanmean(values)).astype(int)  # without data is the mean
    assert np.array_equal(codes[whole], known.reshape(-1)[places[whole]])
    assert (codes >= 0).any(axis=(1, 2)).all()


def test_a_tile_holds_a_labelled_cell_and_any_such_tile_can_be_drawn(values, land, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 100)
    for size in (2, 5, 9):
        known = codes_of(land) >= 0
        known[3, 4] = False
        expected = centres_near(values, known, size)
        tiles = foundation_tile_dataset(values, size, len(expected), seed=1, labels=land)
        assert set(map(tuple, tiles.cells.tolist())) == expected
        assert (tiles.masks().codes >= 0).any(dim=2).any(dim=1).all()


def test_a_label_where_nothing_was_seen_makes_no_tile(values):
    land = np.full((HEIGHT, WIDTH), np.nan)
    land[3, 4], land[15, 20], land[15, 25] = 1, 2, 3  # the first has no data
    with pytest.warns(EdaphosWarning, match="None of the 18 patches has a cell of: 1"):
        tiles = foundation_tile_dataset(values, 3, 18, seed=1, labels=land)
    assert tiles.cells.min(axis=0).tolist() == [14, 19]


def test_labels_and_a_valid_mask_hold_together(values, land):
    mask = np.zeros((HEIGHT, WIDTH))
    mask[:, 2:7] = mask[:, 29] = 1
    expected = {c for c in centres_near(values, codes_of(land) >= 0, 5) if mask[c]}
    tiles = foundation_tile_dataset(values, 5, len(expected), mask, seed=1, labels=land)
    assert set(map(tuple, tiles.cells.tolist())) == expected


def test_neither_blocks_nor_kinds_of_labels_change_a_bit(write_tif, values, land, monkeypatch):
    codes = codes_of(land)
    path = write_tif("labels.tif", (codes + 1).astype(np.uint8)[None], nodata=0)
    stack = write_tif("stack.tif", values)
    expected = foundation_tile_dataset(values, 5, 70, seed=1, labels=land)
    for limit in (40, 300, 10**6):
        monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", limit)
        found = foundation_tile_dataset(stack, 5, 70, seed=1, labels=path)
        assert np.array_equal(found.cells, expected.cells)
        assert torch.equal(found.masks().codes, expected.masks().codes)
        assert found.masks().classes == [1, 2, 3]


def test_statistics_are_of_all_cells_and_where_all_are_labelled_places_are_as_without(values, land):
    plain = foundation_tile_dataset(values, 5, 300, seed=1)
    labelled = foundation_tile_dataset(values, 5, 70, seed=1, labels=land)
    assert (labelled.means, labelled.sds) == (plain.means, plain.sds)
    assert not np.array_equal(labelled.cells, plain.cells)
    everywhere = np.where(land == None, "rest", land)  # noqa: E711
    labelled = foundation_tile_dataset(values, 5, 300, seed=1, labels=everywhere)
    assert np.array_equal(labelled.cells, plain.cells)


def test_neither_stack_nor_labels_are_ever_read_whole(write_tif, monkeypatch):
    rng = np.random.default_rng(1)
    stack = write_tif("stack.tif", rng.integers(0, 99, (4, 300, 400)).astype(np.int16))
    labels = write_tif("labels.tif", rng.integers(1, 4, (1, 300, 400)).astype(np.uint8))
    monkeypatch.setattr("edaphos_bridge.raster.raster._BLOCK_VALUES", 20_000)
    read = []
    original = Raster.read
    monkeypatch.setattr(
        Raster, "read", lambda self, *window: read.append(window) or original(self, *window)
    )
    foundation_tile_dataset(stack, 8, 20, seed=1, labels=labels)
    assert max(height * width for _, _, height, width in read) <= 20_000


def test_files_of_labels_are_closed(write_tif, values, land, monkeypatch):
    closed = []
    original = CellLabels.close
    monkeypatch.setattr(
        CellLabels, "close", lambda self: original(self) or closed.append(self._source)
    )
    path = write_tif("labels.tif", (codes_of(land) + 1).astype(np.uint8)[None], nodata=0)
    foundation_tile_dataset(write_tif("stack.tif", values), 5, 9, seed=1, labels=path)
    assert [source._parts[0].dataset.closed for source in closed] == [True]


# --- what the data set gives -------------------------------------------------------------------


@pytest.fixture
def tiles(write_tif, values, land):
    labels = write_tif("labels.tif", (codes_of(land) + 1).astype(np.uint8)[None], nodata=0)
    found = foundation_tile_dataset(write_tif("stack.tif", values), 5, 40, seed=1, labels=labels)
    labels.unlink()  # never asked for again
    return found


def test_masks_of_some_rows_come_in_their_order(tiles):
    every = tiles.masks().codes
    for rows in ([3, 1, 1], np.arange(4), torch.tensor([7]), []):
        found = tiles.masks(rows)
        assert torch.equal(found.codes, every[torch.as_tensor(np.asarray(rows), dtype=torch.long)])
        assert found.classes == [1, 2, 3]
    with pytest.raises(InputError, match="`rows` must be whole numbers from 0 to 39"):
        tiles.masks([40])


def test_what_is_given_is_a_copy(tiles):
    before = tiles.fingerprint()
    masks = tiles.masks()
    masks.codes.fill_(0)
    masks.classes.append(9)
    tiles.classes.append(9)
    assert tiles.fingerprint() == before


def test_masks_are_turned_with_their_patches(tiles):
    turned = tiles.oriented("transposed")
    assert torch.equal(turned.masks().codes, tiles.masks().codes.transpose(1, 2))
    assert torch.equal(turned.masks([2]).codes, tiles.masks([2]).codes.transpose(1, 2))
    assert turned.masks().codes.is_contiguous()
    assert turned.fingerprint() == tiles.fingerprint()


def test_printing_says_which_classes_and_how_much_is_labelled(tiles):
    share = 100 * (tiles.masks().codes >= 0).double().mean()
    assert tiles.describe()[-3:] == [
        "  channels    : stack",
        "  classes     : 1, 2, 3",
        f"  labelled    : {share:.3g} % of the cells of patches",
    ]


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda tiles: pickle.loads(pickle.dumps(tiles)),
    "bytes": lambda tiles: tiles_from_bytes(tiles_to_bytes(tiles)),
    "values": lambda tiles: FoundationTileDataset.from_dict(tiles.to_dict()),
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("classes", [["a", "b"], [False, True], [3, 9]])
def test_copies_and_files_keep_masks_and_the_kind_of_classes(write_tif, values, name, classes):
    labels = np.array(classes)[np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 2]
    tiles = foundation_tile_dataset(write_tif("stack.tif", values), 5, 40, seed=1, labels=labels)
    twin = COPIES[name](COPIES[name](tiles))
    assert twin.fingerprint() == tiles.fingerprint()
    assert repr(twin) == repr(tiles)
    assert torch.equal(twin.masks().codes, tiles.masks().codes)
    assert twin.classes == classes
    assert [type(label) for label in twin.classes] == [type(label) for label in classes]
    assert np.array_equal(twin.read(range(5)), tiles.read(range(5)))


def test_other_labels_are_another_data_set(write_tif, values, land):
    path = write_tif("stack.tif", values)
    rest = np.where(land == None, "rest", land)  # noqa: E711
    other, renamed = rest.copy(), np.where(rest == "rest", "soil", rest)
    other[8, 8] = "wood"
    settings = {"patch_size": 5, "n_patches": 300, "seed": 1}
    found = [foundation_tile_dataset(path, **settings, labels=l) for l in (rest, other, renamed)]  # noqa: E741
    found.append(foundation_tile_dataset(path, **settings))
    assert np.array_equal(found[0].cells, found[3].cells)
    assert len({tiles.fingerprint() for tiles in found}) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"classes": [1]},
        {"classes": [1, 2]},  # fewer than codes
        {"classes": None},
        {"classes": [1, "a", 3]},
        {"masks": None},
        {"masks": np.zeros((40, 5, 4), dtype=np.int16)},
        {"masks": np.full((40, 5, 5), 0.5)},
        {"masks": np.full((40, 5, 5), -2, dtype=np.int16)},
        {"masks": np.full((40, 5, 5), 3, dtype=np.int16)},
        {"masks": np.full((40, 5, 5), 70000)},
        {"masks": np.full((40, 5, 5), "a")},
        {"masks": np.full((40, 5, 5), np.nan)},
    ],
)
def test_values_that_are_no_masks_are_an_error(tiles, change):
    values = {**tiles.to_dict(), **change}
    with pytest.raises(WeightsError, match="no values of a tile data set"):
        FoundationTileDataset.from_dict(values)


def test_plain_values_are_json_but_for_arrays(tiles):
    values = tiles.to_dict()
    arrays = {name: values.pop(name) for name in ("cells", "masks")}
    again = FoundationTileDataset.from_dict({**json.loads(json.dumps(values)), **arrays})
    assert again.fingerprint() == tiles.fingerprint()
    arrays["masks"] += 1
    assert torch.equal(again.masks().codes, tiles.masks().codes)


@pytest.mark.filterwarnings("ignore:.*share cells with another")
@pytest.mark.parametrize("name", [*GRIDS, "array"])
def test_coords_are_those_at_which_the_patches_are_found_again(write_tif, values, name):
    stack = values
    if name in GRIDS:
        transform, crs = GRIDS[name]
        stack = write_tif("stack.tif", values, transform=rasterio.Affine(*transform), crs=crs)
    for size in (4, 5):
        tiles = foundation_tile_dataset(stack, size, 30, seed=1)
        assert tiles.coords.shape == (30, 2)
        found = foundation_patches_at_coords(tiles, tiles.coords, stack)
        assert np.array_equal(found, tiles.read(range(30)))
        if name in GRIDS:
            assert np.array_equal(pickle.loads(pickle.dumps(tiles)).coords, tiles.coords)


# --- what is refused or told -------------------------------------------------------------------


def test_without_labels_there_are_no_masks(values):
    tiles = foundation_tile_dataset(values, 5, 10, seed=1)
    assert tiles.classes is None
    with pytest.raises(InputError, match="`labels` are needed for masks") as caught:
        tiles.masks()
    assert caught.value.argument == "labels"


def test_a_class_that_no_patch_has_a_cell_of_is_told(values, land):
    with pytest.warns(EdaphosWarning, match="None of the 2 patches has a cell of: crop."):
        tiles = foundation_tile_dataset(values, 2, 2, seed=3, labels=land)
    assert tiles.classes == ["crop", "water", "wood"]
    assert tiles.masks().counts()[0] == 0


def test_more_patches_than_hold_a_label_are_drawn_twice_which_is_told(values):
    land = np.full((HEIGHT, WIDTH), np.nan)
    land[10, 10], land[10, 11] = 1, 2
    with pytest.warns(NoteWarning, match="Only 30 different patches hold a labelled cell"):
        tiles = foundation_tile_dataset(values, 5, 31, seed=1, labels=land)
    assert len(np.unique(tiles.cells, axis=0)) < len(tiles) == 31
    foundation_tile_dataset(values, 5, 30, seed=1, labels=land)


def test_labels_that_no_patch_can_hold_are_an_error_that_speaks_of_them(values, land):
    """Both ends of the raster are labelled, and only its middle has data."""
    values[0, :, :12] = values[0, :, 22:] = np.nan
    values[0, 0, [3, 30]] = 1
    land[:] = None
    land[0, 3], land[0, 30] = "wood", "crop"
    with pytest.raises(InputError, match="must label a cell of the patch around a cell") as caught:
        foundation_tile_dataset(values, 4, 10, labels=land)
    assert caught.value.argument == "labels"
    mask = np.ones((HEIGHT, WIDTH))
    with pytest.raises(InputError, match="where `valid_mask` is neither 0 nor missing"):
        foundation_tile_dataset(values, 4, 10, mask, labels=land)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"labels": "missing.tif"}, "labels"),
        ({"labels": np.zeros((3, 3))}, "labels"),
        ({"field": "soil"}, "field"),
        ({"unlabelled": 0}, "unlabelled"),
        ({"labels": None, "field": "soil"}, "field"),
        ({"labels": None, "unlabelled": 0}, "unlabelled"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name_before_statistics(
    values, land, arguments, argument, monkeypatch
):
    monkeypatch.setattr("edaphos_bridge.tile_dataset.band_statistics", None)
    with pytest.raises(InputError) as caught:
        foundation_tile_dataset(values, 5, 10, **{"labels": land, **arguments})
    assert caught.value.argument == argument


def test_masks_that_no_memory_holds_are_refused(values, land, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.basics.memory._all_memory", lambda: 10**7)
    assert len(foundation_tile_dataset(values, 16, 10**4, seed=1)) == 10**4
    with pytest.raises(InputError, match="`n_patches` needs"):
        foundation_tile_dataset(values, 16, 10**5, labels=land)

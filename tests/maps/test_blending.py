"""Blended tiles: one value a cell, without seams, whatever the blocks it is asked for in."""

import numpy as np
import pytest

from closeness import assert_close, size_of
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps import blending
from edaphos_bridge.maps.blending import BLENDINGS, BlendedTiles, ramp_of, tile_starts
from edaphos_bridge.raster.raster import Window

SHAPES = [  # extents of the raster, of a tile, and the overlap
    (37, 50, 16, 4),
    (37, 50, 15, 5),
    (16, 33, 16, 8),
    (40, 17, 11, 9),
    (10, 13, 16, 6),
    (5, 40, 8, 3),
    (24, 24, 8, 0),
    (1, 1, 1, 0),
]


def image_of(height, width, bands=2):
    return np.random.default_rng(1).normal(size=(bands, height, width)).astype(np.float32)


def reader(image):
    """Windows of an image, 0 beyond it."""

    def read(window):
        row, col, height, width = window
        cells = np.zeros((len(image), height, width), np.float32)
        part = image[:, row : row + height, col : col + width]
        cells[:, : part.shape[1], : part.shape[2]] = part
        return cells

    return read


def one_for_each_tile(x):
    """Values that depend on all cells of a tile: a tile has others than its neighbours."""
    offset = np.abs(x).mean(axis=(1, 2, 3), keepdims=True)
    return np.concatenate([x.sum(axis=1, keepdims=True) + offset, offset + 0 * x[:, :1]], axis=1)


def whole(height, width):
    return Window(0, 0, height, width)


def weighted_mean(image, size, overlap, kind):
    """The blended map written out: each cell by itself, over all tiles."""
    _, height, width = image.shape

    def starts(extent):
        found, start = [], 0
        while start + size < extent:
            found.append(start)
            start += size - overlap
        return [*found, max(0, extent - size)]

    def weight(place):
        to_edge = min(place, size - 1 - place) + 0.5
        rise = min(1, to_edge / overlap) if overlap else 1
        return rise if kind == "linear" else np.sin(np.pi * rise / 2) ** 2

    read = reader(image)
    tiles = {
        (top, left): one_for_each_tile(read(Window(top, left, size, size))[None])[0]
        for top in starts(height)
        for left in starts(width)
    }
    expected = np.zeros((2, height, width))
    for row in range(height):
        for col in range(width):
            pairs = [
                (weight(row - top) * weight(col - left), values[:, row - top, col - left])
                for (top, left), values in tiles.items()
                if 0 <= row - top < size and 0 <= col - left < size
            ]
            total = sum(w for w, _ in pairs)
            expected[:, row, col] = sum(w * v.astype(float) for w, v in pairs) / total
    return expected


@pytest.mark.parametrize("kind", BLENDINGS)
@pytest.mark.parametrize(("height", "width", "size", "overlap"), SHAPES)
def test_each_cell_has_the_weighted_mean_of_its_tiles(height, width, size, overlap, kind):
    image = image_of(height, width)
    tiles = BlendedTiles(height, width, size, overlap, reader(image), one_for_each_tile, kind)
    found = tiles.block(whole(height, width))
    expected = weighted_mean(image, size, overlap, kind)
    assert found.dtype == np.float64
    assert_close(found, expected, 1e-12, size_of(expected))


@pytest.mark.parametrize("kind", BLENDINGS)
@pytest.mark.parametrize(("height", "width", "size", "overlap"), SHAPES)
def test_any_blocks_give_the_same_bits(height, width, size, overlap, kind):
    def anew():
        image = image_of(height, width)
        return BlendedTiles(height, width, size, overlap, reader(image), one_for_each_tile, kind)

    at_once = anew().block(whole(height, width))
    for rows, cols in [(1, width), (height, 1), (7, 9), (size, size)]:
        tiles, parts = anew(), np.empty_like(at_once)
        for row in range(0, height, rows):
            for col in range(0, width, cols):
                block = Window(row, col, min(rows, height - row), min(cols, width - col))
                inside = np.s_[:, row : row + block.height, col : col + block.width]
                parts[inside] = tiles.block(block)
                assert np.array_equal(parts[inside], anew().block(block))
        assert np.array_equal(parts, at_once)


@pytest.mark.parametrize("kind", BLENDINGS)
@pytest.mark.parametrize(("height", "width", "size", "overlap"), SHAPES)
def test_what_tiles_agree_on_stays(height, width, size, overlap, kind):
    rows, cols = np.mgrid[:height, :width]
    plane = np.stack([np.full((height, width), 0.7), 3.0 * rows - 2.0 * cols + 0.1])
    tiles = BlendedTiles(
        height, width, size, overlap, reader(plane.astype(np.float32)), lambda x: x, kind
    )
    found = tiles.block(whole(height, width))
    assert_close(found, plane.astype(np.float32), 1e-14, size_of(plane))


@pytest.mark.parametrize("kind", BLENDINGS)
@pytest.mark.parametrize("extents", [(64, 64), (61, 75)])
def test_between_tiles_that_disagree_values_change_by_small_steps(kind, extents):
    """Tiles that differ by one everywhere: from cell to cell less than the ramp's steepest step."""
    size, overlap, told = 24, 8, {}

    def number(x):
        top_left = x[0, 0, 0, 0]
        value = told.setdefault(top_left, float(len(told) % 2))
        return np.full_like(x[:, :1], value)

    places = np.arange(np.prod(extents), dtype=np.float32).reshape(1, *extents)
    found = BlendedTiles(*extents, size, overlap, reader(places), number, kind).block(
        whole(*extents)
    )[0]
    assert set(told.values()) == {0.0, 1.0}
    steepest = {"linear": 1 / overlap, "cosine": np.pi / (2 * overlap)}[kind]
    for axis in (0, 1):
        assert np.abs(np.diff(found, axis=axis)).max() <= 1.5 * steepest


def test_a_tile_weighs_nearly_nothing_at_its_edges_and_neighbours_add_up_to_one():
    for kind, first in (("linear", 0.5 / 8), ("cosine", np.sin(np.pi / 32) ** 2)):
        ramp = ramp_of(20, 8, kind)
        assert_close(ramp[[0, -1]], [first, first], 1e-12)
        assert np.array_equal(ramp, ramp[::-1])
        assert_close(ramp[:8] + ramp[-8:], np.ones(8), 1e-12)
        assert np.array_equal(ramp[8:-8], np.ones(4))
    assert np.array_equal(ramp_of(5, 0, "cosine"), np.ones(5))


def test_tiles_follow_each_other_and_the_last_ends_with_the_raster():
    assert tile_starts(40, 16, 4) == [0, 12, 24]
    assert tile_starts(41, 16, 4) == [0, 12, 24, 25]
    assert tile_starts(16, 16, 4) == [0]
    assert tile_starts(9, 16, 4) == [0]


def test_a_block_computes_only_the_tiles_that_it_lies_in_and_each_only_once():
    asked, image = [], image_of(64, 64)

    def read(window):
        asked.append(window[:2])
        return reader(image)(window)

    tiles = BlendedTiles(64, 64, 16, 4, read, one_for_each_tile)
    tiles.block(Window(14, 30, 2, 3))
    assert asked == [(0, 24), (12, 24)]
    tiles.block(Window(0, 0, 20, 64))
    tiles.block(Window(20, 0, 8, 64))
    assert len(asked) == len(set(asked)) == 3 * 5


def test_tiles_are_kept_in_bounded_memory_and_a_copy_of_what_was_given(monkeypatch):
    image, memory = image_of(64, 64), np.empty((1, 2, 16, 16))

    def in_the_same_memory(x):
        memory[:] = one_for_each_tile(x)
        return memory

    plain = BlendedTiles(64, 64, 16, 4, reader(image), one_for_each_tile).block(whole(64, 64))
    monkeypatch.setattr(blending, "_KEPT_BYTES", 3 * memory.nbytes)
    tiles = BlendedTiles(64, 64, 16, 4, reader(image), in_the_same_memory)
    assert np.array_equal(tiles.block(whole(64, 64)), plain)
    assert len(tiles._kept) == 3


def test_predict_sees_one_tile_at_a_time():
    shapes = set()
    image = image_of(20, 30)

    def predict(x):
        shapes.add(x.shape)
        return x

    BlendedTiles(20, 30, 8, 2, reader(image), predict).block(whole(20, 30))
    assert shapes == {(1, 2, 8, 8)}


@pytest.mark.parametrize(
    ("argument", "settings"),
    [
        ("tile_size", {"tile_size": 0}),
        ("tile_size", {"tile_size": 2.5}),
        ("overlap", {"overlap": -1}),
        ("overlap", {"overlap": 16}),
        ("blending", {"blending": "gaussian"}),
    ],
)
def test_settings_of_no_use_are_refused_before_anything_is_read(argument, settings):
    asked = []
    with pytest.raises(InputError) as error:
        BlendedTiles(
            **{
                "height": 40, "width": 40, "tile_size": 16, "overlap": 4,
                "read": asked.append, "predict": asked.append, **settings,
            }
        )  # fmt: skip
    assert error.value.argument == argument
    assert asked == []

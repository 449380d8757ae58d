"""Which way rows and columns run in a file: points get the cell that affine arithmetic gives."""

import itertools

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from edaphos_bridge import foundation_patches_at_coords, foundation_tile_dataset
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.coords import cells_at
from edaphos_bridge.raster.sources import open_raster

HEIGHT, WIDTH = 7, 9
NORTH_UP = Affine(30, 0, 500000, 0, -30, 5399490)
# The same ground; of the others only the first cell lies there.
ORIENTATIONS = {
    "north up": NORTH_UP,
    "rows flipped": Affine(30, 0, 500000, 0, 30, 5399490 - 30 * HEIGHT),
    "columns flipped": Affine(-30, 0, 500000 + 30 * WIDTH, 0, -30, 5399490),
    "both flipped": Affine(-30, 0, 500000 + 30 * WIDTH, 0, 30, 5399490 - 30 * HEIGHT),
}
TURNED = {
    "turned": Affine(20, 10, 500000, 10, -20, 5399490),
    "by a quarter": Affine(0, 30, 500000, 30, 0, 5399490),
    "sheared": Affine(30, 5, 500000, 0, -30, 5399490),
}
CELLS = np.arange(2.0 * HEIGHT * WIDTH).reshape(2, HEIGHT, WIDTH)
CENTRES = np.array(list(itertools.product(range(HEIGHT), range(WIDTH)))) + 0.5


@pytest.fixture
def write(write_tif):
    def write(name, transform, cells=CELLS, **profile):
        return str(
            write_tif(f"{name}.tif", cells, transform=transform, names=("a", "b"), **profile)
        )

    return write


def places(transform, rows_and_columns):
    """Coordinates by affine arithmetic."""
    a, b, c, d, e, f = transform[:6]
    row, col = rows_and_columns.T
    return np.stack([a * col + b * row + c, d * col + e * row + f], axis=1)


def flipped(cells, transform):
    """`cells` of a north-up raster in the order of a file with `transform`."""
    return cells[:, :: (-1 if transform.e > 0 else 1), :: (-1 if transform.a < 0 else 1)]


def values_at(stack, points):
    with open_raster(stack) as raster:
        values, valid = raster.read(0, 0, raster.height, raster.width)
        cells, inside = cells_at(raster, points)
    assert valid.all()
    assert inside.all()
    return values[:, cells[:, 0], cells[:, 1]]


@pytest.mark.parametrize("name", [*ORIENTATIONS, *TURNED])
def test_every_point_has_the_value_that_rasterio_has_there(write, name):
    transform = {**ORIENTATIONS, **TURNED}[name]
    path = write("one", transform)
    points = places(transform, CENTRES)
    with rasterio.open(path) as file:
        expected = np.array(list(file.sample(points))).T
        assert np.array_equal(values_at(path, points), expected)
    assert np.array_equal(expected, CELLS.reshape(2, -1))


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_flipped_file_is_the_north_up_raster_of_the_same_ground(write, name, small_blocks):
    north = write("north", NORTH_UP)
    other = write("other", ORIENTATIONS[name], flipped(CELLS, ORIENTATIONS[name]))
    with open_raster(north) as expected, open_raster(other) as found:
        assert found.transform == expected.transform
        for window in [(0, 0, HEIGHT, WIDTH), (2, 1, 3, 5), (-2, 6, 4, 7)]:
            for one, two in zip(expected.read(*window), found.read(*window), strict=True):
                assert np.array_equal(one, two)
    one, two = (foundation_tile_dataset(path, 3, 20, seed=1) for path in (north, other))
    assert np.array_equal(one.cells, two.cells)
    assert np.array_equal(one.read(range(20)), two.read(range(20)))
    points = places(NORTH_UP, np.array([[3.5, 4.5]]))
    found, expected = (foundation_patches_at_coords(one, points, path) for path in (other, north))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("names", list(itertools.permutations(ORIENTATIONS, 2)))
def test_files_of_one_ground_make_one_stack_whatever_way_each_runs(write, names):
    paths = [
        write(f"file{number}", ORIENTATIONS[name], flipped(CELLS, ORIENTATIONS[name]))
        for number, name in enumerate(names)
    ]
    points = places(NORTH_UP, CENTRES)
    expected = np.concatenate([CELLS, CELLS]).reshape(4, -1)
    assert np.array_equal(values_at(paths, points), expected)
    mapping = {
        "files": [{"path": path, "bands": [2]} for path in paths],
        "transform": list(NORTH_UP[:6]),
    }
    assert np.array_equal(values_at(mapping, points), expected[[1, 3]])


def test_a_flipped_file_of_other_ground_is_not_aligned(write):
    one = write("one", NORTH_UP)
    other = write("other", Affine(30, 0, 500000, 0, 30, 5399490))
    with pytest.raises(InputError, match="another transform"):
        open_raster([one, other])


@pytest.mark.parametrize("name", TURNED)
def test_a_turned_file_under_a_transform_that_is_not_its_own_is_refused(write, name):
    path = write("one", TURNED[name])
    described = {"files": [{"path": path, "bands": [1]}]}
    for transform in (NORTH_UP, Affine(20, 0, 500000, 0, -20, 5399490)):
        with pytest.raises(InputError, match=r"terra::rectify\(\) in R"):
            open_raster({**described, "transform": list(transform[:6])})
    with open_raster({**described, "transform": list(TURNED[name][:6])}) as raster:
        assert raster.transform == tuple(TURNED[name][:6])
    with pytest.raises(InputError, match="another transform"):
        open_raster([write("two", NORTH_UP), path])


def test_what_was_described_in_the_order_of_the_file_is_still_read_in_it(write):
    """Tile data sets of earlier versions count the rows of a flipped file from its first."""
    transform = ORIENTATIONS["rows flipped"]
    files = [{"path": write("one", transform), "bands": [1, 2]}]
    with open_raster({"files": files, "transform": list(transform[:6])}) as raster:
        assert np.array_equal(raster.read(0, 0, HEIGHT, WIDTH)[0], CELLS)


def test_a_transform_that_says_the_same_with_other_digits_gives_way_to_the_files(write):
    files = [{"path": write("one", NORTH_UP), "bands": [1]}]
    nearly = [30.0000000001, 0, 500000, 0, -30, 5399490]
    with open_raster({"files": files, "transform": nearly}) as raster:
        assert raster.transform == tuple(NORTH_UP[:6])
        assert raster.cell_size == (30, 30)

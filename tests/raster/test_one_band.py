"""A mask of a tile data set: where the centres of its patches may be."""

import dask.array
import numpy as np
import pandas as pd
import pytest
import rasterio

from edaphos_bridge.errors import InputError
from edaphos_bridge.tile_dataset import foundation_tile_dataset
from raster_cells import centres_of


@pytest.fixture
def mask(image):
    mask = np.zeros(image.shape[1:])
    mask[10:30, 20:45] = 1
    mask[15] = np.nan
    return mask


@pytest.mark.parametrize(
    "kind", ["array", "bool", "three dimensions", "masked", "dask", "table", "file"]
)
def test_centres_are_only_where_the_mask_has_data_that_are_not_0(
    image, mask, kind, write_tif, small_blocks
):
    given = {
        "array": lambda: mask,
        "bool": lambda: np.nan_to_num(mask).astype(bool),
        "three dimensions": lambda: mask[None],
        "masked": lambda: np.ma.masked_invalid(mask),
        "dask": lambda: dask.array.from_array(mask),
        "table": lambda: pd.DataFrame(mask),
        "file": lambda: write_tif("mask.tif", mask[None]),
    }[kind]()
    expected = {cell for cell in centres_of(image, 5) if mask[cell] == 1}
    tiles = foundation_tile_dataset(image, 5, len(expected), valid_mask=given, seed=1)
    assert set(map(tuple, tiles.cells.tolist())) == expected
    assert tiles.means == foundation_tile_dataset(image, 5, 10, seed=1).means


def test_the_mask_lies_where_its_coordinates_say(write_tif, image, mask):
    stack = write_tif("stack.tif", image)
    flipped = write_tif(
        "mask.tif", mask[None, ::-1], transform=rasterio.Affine(10, 0, 500, 0, 10, 900 - 370)
    )
    expected = foundation_tile_dataset(stack, 5, 30, mask, seed=1).cells
    assert np.array_equal(foundation_tile_dataset(stack, 5, 30, flipped, seed=1).cells, expected)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda mask: mask[1:], "height and width"),
        (lambda mask: np.stack([mask, mask]), "one band"),
        (lambda mask: True, "must be the path"),
        (lambda mask: "missing.tif", "cannot be opened"),
        (lambda mask: mask.astype(complex), "real numbers"),
    ],
)
def test_a_mask_that_does_not_fit_is_an_error_that_names_it(image, mask, change, says):
    with pytest.raises(InputError, match=says) as caught:
        foundation_tile_dataset(image, 5, 30, valid_mask=change(mask))
    assert caught.value.argument == "valid_mask"


def test_a_mask_on_another_grid_is_an_error_with_both(write_tif, image, mask):
    stack = write_tif("stack.tif", image)
    moved = write_tif("moved.tif", mask[None], transform=rasterio.Affine(10, 0, 510, 0, -10, 900))
    other = write_tif("other.tif", mask[None], crs="EPSG:32722")
    for path, says in ((moved, "510"), (other, "EPSG:32722")):
        with pytest.raises(InputError, match=f"grid of `stack`.*{says}"):
            foundation_tile_dataset(stack, 5, 30, valid_mask=path)


def test_a_mask_that_leaves_no_centre_is_an_error_that_speaks_of_it(image, mask):
    with pytest.raises(InputError, match="`valid_mask` must be neither 0 nor missing"):
        foundation_tile_dataset(image, 5, 30, valid_mask=mask * 0)

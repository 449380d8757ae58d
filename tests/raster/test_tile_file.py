"""Tile datasets as bytes: whole, or refused."""

import numpy as np
import pytest

from edaphos_bridge import foundation_tile_dataset
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.raster.tile_file import tiles_from_bytes, tiles_to_bytes


@pytest.fixture
def dataset(write_tif, image):
    return foundation_tile_dataset(write_tif("stack.tif", image), 3, 20, seed=1)


def test_a_dataset_comes_back_with_its_cells_and_patches(dataset):
    twin = tiles_from_bytes(tiles_to_bytes(dataset))
    assert twin.normalisation == dataset.normalisation
    assert twin.seed == dataset.seed
    np.testing.assert_array_equal(twin.cells, dataset.cells)
    np.testing.assert_array_equal(twin.read(range(20)), dataset.read(range(20)))
    assert tiles_to_bytes(twin) == tiles_to_bytes(dataset)


def test_an_array_cannot_be_kept(image):
    with pytest.raises(InputError, match="must be in files"):
        tiles_to_bytes(foundation_tile_dataset(image, 3, 20, seed=1))


def test_a_file_cut_at_any_byte_is_refused(dataset):
    data = tiles_to_bytes(dataset)
    for length in range(len(data)):
        with pytest.raises(WeightsError):
            tiles_from_bytes(data[:length])


def test_a_change_of_any_byte_of_the_header_gives_a_dataset_or_a_typed_error(dataset):
    data = tiles_to_bytes(dataset)
    header = 8 + int.from_bytes(data[:8], "little")
    refused = 0
    for place in range(header):
        changed = bytearray(data)
        changed[place] ^= 0x15
        try:
            tiles_from_bytes(bytes(changed)).raster.close()
        except (WeightsError, InputError):
            refused += 1
    assert refused > header / 2

"""The blocks of a scene and their groups."""

import numpy as np
import pytest

from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.blocks import balanced_groups, block_numbers, near


def test_near_is_what_lies_within_so_many_rows_and_columns():
    mask = np.zeros((9, 11), dtype=bool)
    mask[2, 3] = mask[8, 10] = True
    expected = np.zeros_like(mask)
    for row, column in ((2, 3), (8, 10)):
        expected[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = True
    assert np.array_equal(near(mask, 2), expected)
    assert np.array_equal(near(mask, 0), mask)


def test_blocks_tile_the_scene_in_order_and_are_of_even_size():
    block = block_numbers((10, 9), n_rows=2, n_columns=4, margin=1)
    assert block[1, 1] == 0
    assert block[1, -2] == 3
    assert block[-2, 1] == 4
    sizes = np.bincount(block[1:-1, 1:-1].ravel())
    assert sizes.tolist() == [4 * 2, 4 * 2, 4 * 2, 4 * 1] * 2


def test_pixels_of_the_margin_belong_to_the_nearest_block():
    block = block_numbers((10, 9), n_rows=2, n_columns=4, margin=1)
    assert np.array_equal(block[0], block[1])
    assert np.array_equal(block[:, -1], block[:, -2])


@pytest.mark.parametrize(("name", "blocks"), [("n_rows", (9, 1)), ("n_columns", (1, 8))])
def test_more_blocks_than_pixels_are_refused(name, blocks):
    with pytest.raises(InputError, match=f"`{name}` must be at most"):
        block_numbers((10, 9), *blocks, margin=1)


@pytest.fixture
def scene():
    """Labels of two classes in stripes, some pixels without, and 16 blocks."""
    labels = np.tile([0, 0, 1, 1, -1], (40, 8))
    labels[:10, :10] = -1  # a block without labels
    return labels, block_numbers(labels.shape, 4, 4)


def test_each_group_has_enough_labels_of_each_class_and_blocks_without_labels_have_no_group(scene):
    labels, block = scene
    group = balanced_groups(labels, block, 3, buffer=2, tries=50)
    assert group[0] == -1
    assert set(group[1:]) == {0, 1, 2}
    for number in range(3):
        inside = labels[group[block] == number]
        assert (np.bincount(inside[inside >= 0]) >= 10).all()


def test_the_assignment_is_that_with_most_of_the_rarest_class_where_it_trains(scene):
    labels, block = scene
    one, fewer = (balanced_groups(labels, block, 3, buffer=2, tries=n) for n in (50, 1))

    def rarest(group):
        left = []
        for number in range(3):
            tested = (group[block] == number) & (labels >= 0)
            far = [
                not tested[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].any()
                for row, column in np.ndindex(labels.shape)
            ]
            far = np.reshape(far, labels.shape)
            left += [(far & (labels == code)).sum() for code in (0, 1)]
        return min(left)

    assert rarest(one) > rarest(fewer)
    assert np.array_equal(one, balanced_groups(labels, block, 3, buffer=2, tries=50))


def test_more_groups_than_the_labels_allow_are_refused(scene):
    with pytest.raises(InputError, match="`n_groups` asks for more groups than have 10 labels"):
        balanced_groups(*scene, 16, buffer=2, tries=5)


def test_labels_and_blocks_of_other_shapes_are_refused(scene):
    labels, block = scene
    with pytest.raises(InputError, match="`block` must have the shape"):
        balanced_groups(labels, block[1:], 3, buffer=2)

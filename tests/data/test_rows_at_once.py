"""How many patches are computed with at a time."""

import pytest

from edaphos_bridge.data.rows_at_once import rows_at_once


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_larger_patches_are_fewer_and_there_is_always_one(device, ours):
    sides = (1, 9, 64, 256, 2**12)
    found = [rows_at_once((10, 4, side, side), device, ours=ours) for side in sides]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[2] > found[-1] == 1
    assert rows_at_once((10, 400, 64, 64), device, ours=ours) < found[2]


def test_it_does_not_depend_on_how_many_there_are():
    assert rows_at_once((1, 4, 9, 9)) == rows_at_once((10**6, 4, 9, 9))

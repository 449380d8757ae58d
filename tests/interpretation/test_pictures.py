"""Patches as pictures: bands and stretch."""

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation.pictures import pictures


@pytest.fixture
def patches():
    return np.random.default_rng(1).normal(size=(3, 4, 5, 6)).astype(np.float32)


def test_a_band_is_stretched_from_its_2nd_to_its_98th_percentile_over_all_patches(patches):
    shown = pictures(patches, (3, 0, 1), "percent")
    assert shown.shape == (3, 5, 6, 3)
    for colour, band in enumerate((3, 0, 1)):
        low, high = np.percentile(patches[:, band].astype(float), [2, 98])
        expected = ((patches[:, band] - low) / (high - low)).clip(0, 1)
        assert_close(shown[..., colour], expected, 1e-6)


def test_minmax_uses_all_values_and_none_shows_them_as_they_are(patches):
    shown = pictures(patches, None, "minmax")
    assert (shown.min(), shown.max()) == (0.0, 1.0)
    expected = patches[:, :3].clip(0, 1).transpose(0, 2, 3, 1)
    assert_close(pictures(patches, None, "none"), expected, 1e-7)


def test_one_band_is_grey_and_so_are_patches_of_one_or_two(patches):
    grey = pictures(patches, 2, "percent")
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    np.testing.assert_array_equal(grey, pictures(patches[:, 2:], None, "percent"))


def test_a_band_without_contrast_is_black(patches):
    assert (pictures(np.full_like(patches, 7), 1, "percent") == 0).all()


@pytest.mark.parametrize(
    ("bands", "stretch", "argument", "says"),
    [
        ((0, 1), "percent", "bands", "one band or three"),
        ((0, 1, 4), "percent", "bands", "of the 4 that there are"),
        (-1, "percent", "bands", "whole number"),
        (1.5, "percent", "bands", "one band or three"),
        ("red", "percent", "bands", "whole number"),
        (0, "sd", "stretch", "'percent', 'minmax', 'none'"),
    ],
)
def test_other_bands_and_stretches_are_refused(patches, bands, stretch, argument, says):
    with pytest.raises(InputError, match=says) as caught:
        pictures(patches, bands, stretch)
    assert caught.value.argument == argument

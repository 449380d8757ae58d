"""Each augmentation against its definition, patch by patch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from kornia.geometry.transform import remap
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge.data import augmentations
from edaphos_bridge.data.augmentations import (
    Augmentations,
    box_places,
    brightness,
    channel_drop,
    crop_places,
    cutout,
    flip,
    noise,
    quarter_turn,
    read_at,
    read_between,
    turned,
)
from edaphos_bridge.errors import EdaphosError

GENERATOR = torch.Generator()
ALL = Augmentations(
    crop_ratio=(0.6, 1.0),
    flip_prob=0.5,
    rot90_prob=0.75,
    channel_drop_prob=0.2,
    cutout_prob=0.3,
    cutout_size_ratio=0.2,
    brightness_jitter=0.2,
    noise_sd=0.1,
)


@pytest.fixture(autouse=True)
def seed():
    GENERATOR.manual_seed(1)


def patches(n=400, channels=3, height=6, width=6):
    return torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(2))


def near(count, n, probability):
    """Whether a binomial count lies within five standard deviations of its mean."""
    return abs(count - n * probability) < 5 * (n * probability * (1 - probability)) ** 0.5


def has_mean(values, mean, sd):
    """Whether independent draws have a mean within five standard errors of what is asked."""
    return abs(values.mean() - mean) < 5 * sd / values.numel() ** 0.5


def crop_resize(x, crop_ratio):
    return read_between(x, crop_places(x.shape, crop_ratio, GENERATOR))


# --- crop-resize -------------------------------------------------------------------------


@pytest.mark.parametrize("to", [None, (3, 2), (8, 8)])
@pytest.mark.parametrize("extent", [(6, 6), (9, 5), (1, 4), (1, 1)])
def test_a_box_is_resized_as_interpolate_does_with_the_slice(extent, to):
    to = to or extent
    x = patches(20, 2, *extent)
    boxes = [torch.randint(1, size + 1, (20,)) for size in extent]
    starts = [
        torch.tensor([torch.randint(0, size - int(n) + 1, ()) for n in lengths])
        for size, lengths in zip(extent, boxes, strict=True)
    ]
    found = read_between(x, box_places(to, *starts, *boxes))
    for i in range(20):
        (top, left), (height, width) = (starts[0][i], starts[1][i]), (boxes[0][i], boxes[1][i])
        piece = x[i : i + 1, :, top : top + height, left : left + width]
        expected = functional.interpolate(piece, size=to, mode="bilinear")
        assert_close(found[i : i + 1], expected, 1e-5)


def test_crops_are_boxes_of_the_asked_size_at_all_places():
    ramp = torch.arange(10.0).expand(1, 1, 10, 10)  # the value is the column
    x = torch.cat([ramp, ramp.transpose(2, 3)], dim=1).expand(600, 2, 10, 10)
    found = crop_resize(x, (0.5, 0.5))
    corners = found.amin(dim=(2, 3)).round().int()
    assert sorted(corners[:, 0].unique().tolist()) == [0, 1, 2, 3, 4, 5]
    assert sorted(corners[:, 1].unique().tolist()) == [0, 1, 2, 3, 4, 5]
    assert not torch.equal(corners[:, 0], corners[:, 1])
    spans = found.amax(dim=(2, 3)) - found.amin(dim=(2, 3))
    assert_close(spans, torch.full_like(spans, 4), 1e-6)


def test_ratios_of_crops_fill_their_range():
    x = torch.arange(20.0).expand(500, 1, 20, 20)
    found = crop_resize(x, (0.6, 1.0))
    sides = (found.amax(dim=(1, 2, 3)) - found.amin(dim=(1, 2, 3)) + 1).round().int()
    assert sorted(sides.unique().tolist()) == list(range(12, 21))


def test_a_crop_of_the_whole_patch_changes_nothing():
    x = patches(5)
    assert_close(crop_resize(x, (1.0, 1.0)), x, 1e-5)


def test_a_view_may_have_a_size_of_its_own_whatever_changes_make_it():
    changes = Augmentations(
        crop_ratio=(0.3, 0.5), flip_prob=0.5, rot90_prob=0.5, cutout_prob=1, noise_sd=0.1,
        channel_drop_prob=0.2, brightness_jitter=0.1,
    )  # fmt: skip
    x = patches(5)
    before = x.clone()
    assert changes.view(x, GENERATOR, (4, 4)).shape == (*x.shape[:2], 4, 4)
    assert Augmentations().view(x, GENERATOR, (3, 5)).shape == (*x.shape[:2], 3, 5)
    assert torch.equal(x, before)


def test_places_are_read_as_kornia_does():
    x = patches(20, 2, 6, 4)
    places = crop_places(x.shape, (0.3, 1.0), GENERATOR)
    expected = remap(x, places[:, 0], places[:, 1], mode="bilinear", align_corners=True)
    assert_close(read_between(x, places), expected, 1e-5)


def test_cells_are_counted_row_by_row():
    x = patches(2, 3, 4, 5)
    cells = torch.stack([torch.randperm(20) for _ in range(2)]).reshape(2, 1, 4, 5)
    found = read_at(x, cells)
    for patch, row, column in np.ndindex(2, 4, 5):
        cell = int(cells[patch, 0, row, column])
        expected = x[patch, :, cell // 5, cell % 5]
        assert torch.equal(found[patch, :, row, column], expected)


# --- flips and turns ---------------------------------------------------------------------


@pytest.mark.parametrize("width", [6, 4])
def test_flips_are_numpys_and_each_way_comes_as_often_as_asked(width):
    x = patches(width=width)
    found = flip(x, 0.3, GENERATOR).numpy()
    ways = {(): 0, (3,): 0, (2,): 0, (2, 3): 0}
    for one, result in zip(x.numpy(), found, strict=True):
        (way,) = [w for w in ways if np.array_equal(np.flip(one[None], w)[0], result)]
        ways[way] += 1
    assert near(ways[(3,)] + ways[(2, 3)], 400, 0.3)
    assert near(ways[(2,)] + ways[(2, 3)], 400, 0.3)
    assert near(ways[(2, 3)], 400, 0.09)


def test_quarter_turns_are_those_of_numpy():
    x = patches(4)
    found = turned(x, torch.arange(4)).numpy()
    for quarters in range(4):
        expected = np.rot90(x[quarters].numpy(), quarters, axes=(1, 2))
        np.testing.assert_array_equal(found[quarters], expected)


def test_turns_come_as_often_as_asked_and_each_angle_equally_often():
    x = patches(900)
    found = quarter_turn(x, 0.75, GENERATOR).numpy()
    counts = [0, 0, 0, 0]
    for one, result in zip(x.numpy(), found, strict=True):
        (k,) = [k for k in range(4) if np.array_equal(np.rot90(one, k, axes=(1, 2)), result)]
        counts[k] += 1
    assert all(near(count, 900, 0.25) for count in counts)


def test_patches_that_are_not_square_turn_by_half_only():
    x = patches(height=6, width=4)
    found = quarter_turn(x, 0.5, GENERATOR).numpy()
    half = np.rot90(x.numpy(), 2, axes=(2, 3))
    is_half = (found == half).all(axis=(1, 2, 3))
    assert np.array_equal(found[~is_half], x.numpy()[~is_half])
    assert near(is_half.sum(), 400, 0.5)


# --- channels and cells ------------------------------------------------------------------


def test_channels_are_dropped_whole_one_by_one_and_as_often_as_asked():
    x = patches(1000, 5)
    found = channel_drop(x, 0.2, GENERATOR)
    dropped = (found == 0).all(dim=(2, 3))
    assert torch.equal(found, torch.where(dropped[:, :, None, None], 0, x))
    for channel in range(5):
        assert near(dropped[:, channel].sum().item(), 1000, 0.2)
    assert near((dropped.sum(dim=1) == 2).sum().item(), 1000, 10 * 0.2**2 * 0.8**3)
    assert (channel_drop(x, 1.0, GENERATOR) == 0).all()


@pytest.mark.parametrize(("extent", "ratio", "box"), [
    ((10, 10), 0.2, (2, 2)), ((10, 6), 0.5, (5, 3)), ((3, 3), 0.1, (1, 1)), ((4, 4), 1.0, (4, 4)),
])  # fmt: skip
def test_cutout_sets_one_box_of_the_asked_size_in_all_channels_to_zero(extent, ratio, box):
    x = patches(500, 3, *extent)
    found = cutout(x, 0.3, ratio, GENERATOR)
    zero = found == 0
    assert torch.equal(found, torch.where(zero, 0, x))
    assert torch.equal(zero, zero[:, :1].expand_as(zero))
    cut = zero[:, 0][zero[:, 0].any(dim=(1, 2))]
    assert near(len(cut), 500, 0.3)
    rows, columns = cut.any(dim=2), cut.any(dim=1)
    assert torch.equal(cut, rows[:, :, None] & columns[:, None, :])
    for lines, side, size in ((rows, box[0], extent[0]), (columns, box[1], extent[1])):
        assert (lines.sum(dim=1) == side).all()
        first = lines.int().argmax(dim=1)
        assert ((first[:, None] <= torch.arange(size)) & lines == lines).all()
        assert set(first.tolist()) == set(range(size - side + 1))


def test_brightness_multiplies_each_channel_by_one_factor_within_the_range():
    x = patches(1000)
    factor = brightness(x, 0.2, GENERATOR) / x
    lowest, highest = factor.amin(dim=(2, 3)), factor.amax(dim=(2, 3))
    assert_close(lowest, highest, 1e-6)
    assert 0.8 * (1 - 1e-6) <= lowest.min() < 0.801
    assert 1.199 < highest.max() <= 1.2 * (1 + 1e-6)
    assert has_mean(lowest, 1, 0.4 / 12**0.5)
    assert lowest.flatten().unique().numel() > 2900


def test_noise_is_gaussian_with_the_asked_deviation():
    added = noise(patches(1000), 0.1, GENERATOR) - patches(1000)
    assert has_mean(added, 0, 0.1)
    assert has_mean(added**2, 0.1**2, 2**0.5 * 0.1**2)
    assert near((added.abs() < 0.1).sum().item(), added.numel(), 0.6827)


def test_noise_is_a_draw_of_randn_for_every_cell():
    x = patches()
    found = noise(x, 0.1, GENERATOR.manual_seed(3))
    expected = x + 0.1 * torch.randn(x.shape, generator=GENERATOR.manual_seed(3))
    assert_close(found, expected, 1e-6)


# --- views -------------------------------------------------------------------------------


def test_each_patch_of_a_batch_is_changed_on_its_own():
    x = patches(1).expand(50, -1, -1, -1)
    for change in (
        lambda x: crop_resize(x, (0.3, 1.0)),
        lambda x: flip(x, 0.5, GENERATOR),
        lambda x: quarter_turn(x, 0.5, GENERATOR),
        lambda x: channel_drop(x, 0.5, GENERATOR),
        lambda x: cutout(x, 0.5, 0.3, GENERATOR),
        lambda x: brightness(x, 0.2, GENERATOR),
        lambda x: noise(x, 0.1, GENERATOR),
        lambda x: ALL.view(x, GENERATOR),
    ):
        assert len({row.numpy().tobytes() for row in change(x)}) > 3


@pytest.mark.parametrize("changes", [
    {}, {"crop_ratio": (1.0, 1.0)}, {"noise_sd": 0.0}, {"channel_drop_prob": 0.0},
    {"brightness_jitter": 0.0}, {"cutout_prob": 0.0}, {"flip_prob": 0.0}, {"rot90_prob": 0.0},
    {"crop_ratio": (1.0, 1.0), "flip_prob": 0.0},
])  # fmt: skip
@pytest.mark.parametrize("extent", [(6, 6), (9, 5), (1, 4)])
def test_a_view_is_its_changes_one_after_the_other(changes, extent):
    views = replace(ALL, **changes)
    x = patches(50, 3, *extent)
    found = views.view(x, GENERATOR.manual_seed(3))
    draws = GENERATOR.get_state()
    GENERATOR.manual_seed(3)
    if views.crop_ratio != (1.0, 1.0):
        x = crop_resize(x, views.crop_ratio)
    if views.flip_prob:
        x = flip(x, views.flip_prob, GENERATOR)
    if views.rot90_prob:
        x = quarter_turn(x, views.rot90_prob, GENERATOR)
    if views.channel_drop_prob:
        x = channel_drop(x, views.channel_drop_prob, GENERATOR)
    if views.cutout_prob:
        x = cutout(x, views.cutout_prob, views.cutout_size_ratio, GENERATOR)
    if views.brightness_jitter:
        x = brightness(x, views.brightness_jitter, GENERATOR)
    if views.noise_sd:
        x = noise(x, views.noise_sd, GENERATOR)
    assert torch.equal(GENERATOR.get_state(), draws)
    assert_close(found, x, 1e-5)


def test_the_same_seed_gives_the_same_view_and_another_seed_another():
    def view(seed):
        return ALL.view(patches(), GENERATOR.manual_seed(seed))

    assert torch.equal(view(3), view(3))
    assert not torch.equal(view(3), view(4))


def test_a_view_has_the_shape_of_the_patches_and_leaves_them_alone():
    x = patches(7, 4, 9, 5)
    before = x.clone()
    assert ALL.view(x, GENERATOR).shape == x.shape
    assert torch.equal(x, before)


def test_without_any_change_asked_for_the_view_is_the_patch():
    assert torch.equal(Augmentations().view(patches(), GENERATOR), patches())


def test_without_kornia_the_error_says_how_to_install_it(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(augmentations, "imported", missing)
    with pytest.raises(EdaphosError, match="pip install kornia"):
        augmentations.kornia_transforms()


@pytest.mark.parametrize("size", [(6, 6), (6, 4)])
def test_masks_go_where_their_cells_go(size):
    cells = torch.arange(5 * size[0] * size[1]).reshape(5, *size)
    x = torch.stack([cells.float(), -cells.float()], dim=1)
    changes = Augmentations(flip_prob=0.5, rot90_prob=0.7)
    seen, masks = changes.views(x, cells.short(), torch.Generator().manual_seed(1))
    assert torch.equal(seen[:, 0], masks.float())
    assert not torch.equal(masks, cells.short())
    alone = changes.view(x, torch.Generator().manual_seed(1))
    assert torch.equal(alone, seen)  # they draw nothing


def test_masks_of_a_crop_are_those_of_the_nearest_cells():
    halves = torch.zeros(40, 8, 8, dtype=torch.int16)
    halves[:, :, 4:] = 1
    x = halves[:, None].float()
    changes = Augmentations(crop_ratio=(0.5, 0.9))
    seen, masks = changes.views(x, halves, torch.Generator().manual_seed(1))
    between = (seen[:, 0] > 0.01) & (seen[:, 0] < 0.99)
    assert torch.equal(masks[~between].float(), seen[:, 0][~between].round())
    assert torch.equal(masks.float(), seen[:, 0].round()) or bool(between.any())
    assert set(masks.unique().tolist()) == {0, 1}


def test_other_changes_leave_masks_as_they_are():
    masks = torch.arange(64).reshape(1, 8, 8)
    changes = Augmentations(
        channel_drop_prob=0.5, cutout_prob=1.0, brightness_jitter=0.5, noise_sd=1.0
    )
    x = torch.ones(1, 3, 8, 8)
    seen, found = changes.views(x, masks, torch.Generator().manual_seed(1))
    assert torch.equal(found, masks)
    assert not torch.equal(seen, x)

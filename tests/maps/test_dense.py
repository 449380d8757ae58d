"""Dense features: those of patches whose borders are padded with their real neighbours."""

import copy
import math
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close, size_of
from edaphos_bridge.datasets import statlog_scene
from edaphos_bridge.encoders.contrastive import ContrastiveEncoder
from edaphos_bridge.encoders.encoder import concat_pooled
from edaphos_bridge.encoders.features import encode
from edaphos_bridge.encoders.foundation import ARCHITECTURES
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps import dense
from edaphos_bridge.maps.borders import BorderCorrection, sample_windows
from edaphos_bridge.maps.dense import DenseEncoder, reach_of
from small_encoders import small_encoder, with_other_norms

CPU = torch.device("cpu")
CONTEXT = 24  # cells around a patch: more than any encoder sees, and a multiple of its strides


POOLED = [name for name, kind in ARCHITECTURES.items() if issubclass(kind, ContrastiveEncoder)]


@pytest.fixture(params=POOLED)
def encoder(request):
    """An encoder whose BatchNorms, if any, are far from their initial state."""
    return with_other_norms(small_encoder(request.param, 3))


def window_of(height, width, bands=3):
    return torch.randn(bands, height, width, generator=torch.Generator().manual_seed(3))


def starts_within(window, patch_size, stride, margin):
    """All rows and columns at which a patch can start that has the margin around it."""
    return [range(margin, n - margin - patch_size + 1, stride) for n in window.shape[1:]]


@torch.no_grad()
def with_neighbours(encoder, window, row, col, patch_size, pool):
    """Pool the cells of the last map that belong to one patch, which lies in its surroundings.

    Beyond the window these are 0; they begin a multiple of the strides before the patch.
    """
    around = nn.functional.pad(window, (CONTEXT,) * 4)
    extent = patch_size + 2 * CONTEXT
    maps = encoder.maps(around[None, :, row : row + extent, col : col + extent])[-1]
    step = round(extent / maps.shape[-1])
    first, n = CONTEXT // step, math.ceil(patch_size / step)
    return pool(maps[:, :, first : first + n, first : first + n])[0]


def mean_pooled(maps):
    return maps.mean(dim=(2, 3))


@pytest.mark.parametrize("patch_size", [1, 4, 5, 9, 16])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_features_are_the_means_of_the_cells_of_each_patch_in_its_surroundings(
    encoder, patch_size, stride
):
    ours = DenseEncoder(encoder, patch_size, CPU)
    window = window_of(patch_size + 24, patch_size + 21)
    rows, cols = starts_within(window, patch_size, stride, ours.margin)
    expected = [
        with_neighbours(encoder, window, r, c, patch_size, mean_pooled) for r in rows for c in cols
    ]
    features = ours.features(window, rows, cols)
    assert_close(features, torch.stack(expected), 1e-5, size_of(torch.stack(expected)))


@pytest.mark.parametrize(("patch_size", "stride"), [(6, 1), (7, 2), (7, 3)])
def test_pooled_maps_are_their_maxima_then_their_means(encoder, patch_size, stride):
    ours = DenseEncoder(encoder, patch_size, CPU)
    window = window_of(31, 28)
    rows, cols = starts_within(window, patch_size, stride, ours.margin)
    expected = [
        with_neighbours(encoder, window, r, c, patch_size, concat_pooled)
        for r in rows
        for c in cols
    ]
    features = ours.features(window, rows, cols, "pooled maps")
    assert_close(features, torch.stack(expected), 1e-5, size_of(torch.stack(expected)))


def test_patches_may_start_anywhere_with_other_strides_for_rows_and_columns(encoder):
    ours = DenseEncoder(encoder, 5, CPU)
    window = window_of(40, 44)
    for rows, cols in [
        (range(8, 9), range(9, 10)),
        (range(9, 20, 5), range(10, 30, 7)),
        (range(11, 25, 2), range(8, 31, 3)),
    ]:
        expected = [
            with_neighbours(encoder, window, r, c, 5, mean_pooled) for r in rows for c in cols
        ]
        features = ours.features(window, rows, cols)
        assert_close(features, torch.stack(expected), 1e-5, size_of(torch.stack(expected)))


def test_what_lies_beyond_the_margin_changes_nothing(encoder):
    ours = DenseEncoder(encoder, 5, CPU)
    window = window_of(48, 50)
    rows, cols = range(20, 24), range(19, 25)
    narrow = np.s_[
        :,
        rows[0] - ours.margin : rows[-1] + 5 + ours.margin,
        cols[0] - ours.margin : cols[-1] + 5 + ours.margin,
    ]
    moved = [range(ours.margin, ours.margin + len(starts)) for starts in (rows, cols)]
    wide = ours.features(window, rows, cols)
    assert_close(ours.features(window[narrow], *moved), wide, 1e-6, size_of(wide))


def test_a_window_without_its_margin_is_refused(encoder):
    ours = DenseEncoder(encoder, 5, CPU)
    window = window_of(5 + 2 * ours.margin, 5 + 2 * ours.margin)
    alone = range(ours.margin, ours.margin + 1)
    assert ours.features(window, alone, alone).shape == (1, 6)
    with pytest.raises(AssertionError, match="begins too late"):
        ours.features(window, alone, range(ours.margin - 1, ours.margin))
    with pytest.raises(AssertionError, match="ends too early"):
        ours.features(window, range(ours.margin, ours.margin + 2), alone)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_window_is_computed_in_strips_of_bounded_size(encoder, stride, monkeypatch):
    window = window_of(90, 40)
    ours = DenseEncoder(encoder, 5, CPU)
    starts = starts_within(window, 5, stride, ours.margin)
    whole = ours.features(window, *starts)
    monkeypatch.setattr(dense, "_CELLS_AT_ONCE", {"cpu": 40 * 30})
    seen, maps = [], type(encoder).maps
    monkeypatch.setattr(
        type(encoder), "maps", lambda self, x: seen.append(x.shape) or maps(self, x)
    )
    ours = DenseEncoder(encoder, 5, CPU)
    assert_close(ours.features(window, *starts), whole, 1e-6, size_of(whole))
    assert len(seen) > 3
    assert all(math.prod(shape[2:]) <= 40 * 30 for shape in seen)


def test_windows_to_learn_from_are_computed_a_bounded_number_at_once(encoder, scene, monkeypatch):
    windows = sample_of(scene, DenseEncoder(encoder, 5, CPU).sample_side, 7)
    found = []
    for cells in (1, 2 * windows[0, 0].numel(), 10 * windows.numel()):
        monkeypatch.setattr(dense, "_CELLS_AT_ONCE", {"cpu": cells})
        ours = DenseEncoder(encoder, 5, CPU)
        ours.learn_borders(windows)
        found.append(ours.features(scene, range(20, 23), range(30, 34)))
    assert_close(found[0], found[2], 1e-4, size_of(found[2]))
    assert_close(found[1], found[2], 1e-4, size_of(found[2]))


def test_an_encoder_of_transposed_patches_gets_them_transposed(encoder):
    window = window_of(30, 27)
    rows, cols = range(8, 15), range(9, 14)
    turned = DenseEncoder(encoder, 6, CPU, "transposed").features(window, rows, cols)
    expected = DenseEncoder(encoder, 6, CPU).features(window.swapaxes(1, 2), cols, rows)
    expected = expected.unflatten(0, (len(cols), len(rows))).swapaxes(0, 1).flatten(0, 1)
    assert_close(turned, expected, 1e-5, size_of(expected))


def test_the_encoder_and_the_window_stay_as_they_are(encoder, state_of):
    before, window = state_of(encoder), window_of(30, 30)
    given = window.clone()
    DenseEncoder(encoder, 6, CPU, "transposed").features(window, range(8, 12), range(8, 12))
    assert torch.equal(window, given)
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_reach_is_what_the_gradient_of_one_cell_says(encoder):
    step, margin = reach_of(encoder)
    x = window_of(65, 65)[None].requires_grad_()
    maps = encoder.maps(x)[-1]
    assert maps.shape[-1] == math.ceil(65 / step)
    cell = 32 // step
    maps[0, :, cell, cell].sum().backward()
    touched = x.grad[0].abs().sum(dim=(0, 1)).nonzero()[:, 0]
    assert max(cell * step - touched[0], touched[-1] - cell * step) <= margin
    assert margin % step == 0


def test_encoders_of_other_code_are_refused(encoder):
    class Mine(type(encoder)):
        pass

    hooked = copy.deepcopy(encoder)
    hooked.register_forward_hook(lambda *args: None)
    for other in (Mine(3, 6, 4), hooked, nn.Conv2d(3, 2, 1)):
        with pytest.raises(InputError, match=r"`method` can be 'dense' only.*'exact'") as error:
            DenseEncoder(other, 5, CPU)
        assert error.value.found == type(other).__name__


@pytest.mark.parametrize("name", sorted({*ARCHITECTURES} - {*POOLED}))
def test_an_encoder_of_another_kind_is_refused(name):
    with pytest.raises(InputError, match=r"`method` can be 'dense' only for a MoCo or SimCLR"):
        DenseEncoder(small_encoder(name, 3), 5, CPU)


@pytest.fixture
def scene():
    """Three bands of a satellite scene, standardised, unknown cells 0."""
    image = torch.from_numpy(statlog_scene().image[:3].astype(np.float32))
    known = image >= 0
    bands = zip(image, known, strict=True)
    return torch.stack([((b - b[ok].mean()) / b[ok].std()).where(ok, 0) for b, ok in bands])


def sample_of(scene, side, n):
    windows = islice(sample_windows(*scene.shape[1:], side), n)
    return torch.stack([scene[:, r : r + h, c : c + w] for r, c, h, w in windows])


@torch.no_grad()
def exact_features(encoder, window, rows, cols, size, reads):
    patches = [window[:, r : r + size, c : c + size] for r in rows for c in cols]
    return encode(encoder, torch.stack(patches), reads)


@pytest.mark.parametrize("reads", ["features", "pooled maps"])
@pytest.mark.parametrize("patch_size", [2, 9, 12])
def test_what_borders_do_is_a_ridge_regression_on_the_whole_patch_and_its_inside(
    encoder, scene, patch_size, reads
):
    ours = DenseEncoder(encoder, patch_size, CPU)
    windows = sample_of(scene, ours.sample_side, 5)
    step, m = ours.step, ours.margin
    starts = [m, m + 4, m + 8, m + 12]
    assert ours.sample_side == m + 12 + patch_size + m
    pool = mean_pooled if reads == "features" else concat_pooled

    def predictors(window, row, col):
        cells = math.ceil(patch_size / step)
        insides = [
            with_neighbours(
                encoder,
                window,
                row + ring * step,
                col + ring * step,
                (cells - 2 * ring) * step,
                pool,
            )
            for ring in (0, 1, 2)
            if cells > 2 * ring
        ]
        return torch.cat(insides)

    x = torch.stack([predictors(w, r, c) for w in windows for r in starts for c in starts])
    y = torch.cat([exact_features(encoder, w, starts, starts, patch_size, reads) for w in windows])
    expected = BorderCorrection.learn(x, y)

    before = ours.features(scene, range(20, 23), range(30, 34), reads)
    ours.learn_borders(windows, reads)
    found = ours.features(scene, range(20, 23), range(30, 34), reads)
    x = torch.stack([predictors(scene, r, c) for r in range(20, 23) for c in range(30, 34)])
    assert found.shape == before.shape
    assert_close(found, expected.apply(x), 1e-4, size_of(expected.apply(x)))


def test_borders_are_learnt_for_what_one_head_reads(encoder, scene):
    ours = DenseEncoder(encoder, 9, CPU)
    before = ours.features(scene, range(20, 23), range(30, 34))
    ours.learn_borders(sample_of(scene, ours.sample_side, 3), "pooled maps")
    assert torch.equal(ours.features(scene, range(20, 23), range(30, 34)), before)


def test_on_a_scene_corrected_features_go_with_the_exact_ones(encoder, scene):
    """An approximation: no bound but that it says nearly the same about places."""
    ours = DenseEncoder(encoder, 9, CPU)
    rows, cols = starts_within(scene, 9, 4, ours.margin)
    exact = exact_features(encoder, scene, rows, cols, 9, "features")

    def unexplained():
        off = ours.features(scene, rows, cols) - exact
        return float(off.square().sum() / (exact - exact.mean(dim=0)).square().sum())

    before = unexplained()
    ours.learn_borders(sample_of(scene, ours.sample_side, 40))
    assert unexplained() < min(0.2, before / 3)

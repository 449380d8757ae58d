"""The Statlog Landsat patches and their scene."""

import numpy as np

from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.datasets import statlog_landsat, statlog_scene


def test_there_are_4435_training_and_2000_test_patches_of_four_bands():
    data = statlog_landsat()
    assert data.x.shape == (6435, 4, 3, 3)
    assert data.x.dtype == np.uint8
    assert len(data.y) == 6435
    assert data.train.sum() == 4435
    assert data.train[:4435].all()
    assert not data.train[4435:].any()


def test_the_six_classes_have_the_published_counts():
    data = statlog_landsat()
    counts = np.bincount(data.y.codes[data.train], minlength=6)
    assert sorted(counts.tolist()) == sorted([1072, 479, 961, 415, 470, 1038])
    counts = np.bincount(data.y.codes[~data.train], minlength=6)
    assert sorted(counts.tolist()) == sorted([461, 224, 397, 211, 237, 470])
    assert len(data.y.categories) == 6


def test_patches_and_labels_go_straight_into_a_fit():
    data = statlog_landsat()
    assert Patches(data.x[:10]).tensor().shape == (10, 4, 3, 3)
    assert as_labels(data.y).classes == data.y.categories.tolist()


def test_the_scene_holds_every_placed_patch_where_it_says():
    data, scene = statlog_landsat(), statlog_scene()
    assert scene.image.shape == (4, 82, 100)
    assert scene.classes == data.y.categories.tolist()
    rows = scene.row
    assert (rows >= 0).sum() == 6434
    for i, j in np.argwhere(rows >= 0):
        row = rows[i, j]
        assert np.array_equal(scene.image[:, i - 1 : i + 2, j - 1 : j + 2], data.x[row])
        assert scene.labels[i, j] == data.y.codes[row]


def test_what_is_unknown_is_minus_one():
    scene = statlog_scene()
    assert (scene.labels.min(), scene.labels.max()) == (-1, 5)
    assert (scene.image.min(), scene.row.min()) == (-1, -1)


def test_every_call_gives_arrays_of_its_own():
    statlog_landsat().x[:] = 0
    assert statlog_landsat().x.max() > 0

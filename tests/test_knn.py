"""`foundation_knn()` and `foundation_embedding_map()`: how features lie."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from closeness import assert_close
from edaphos_bridge import foundation_embed, foundation_embedding_map, foundation_knn
from edaphos_bridge.errors import InputError
from interpreted import classifier_of_means
from small_fits import quick


@pytest.fixture
def labelled(easy):
    x, y = easy
    return x[:40], y[:40], x[40:], y[40:]


def test_votes_are_those_of_weighted_neighbours(encoder, labelled):
    x, y, newx, newy = labelled
    found = foundation_knn(encoder, x, y, newx, newy, k=7, temperature=0.2, n_boot=10, seed=1)
    unit = [f / np.linalg.norm(f, axis=1, keepdims=True) for f in
            (foundation_embed(encoder, x), foundation_embed(encoder, newx))]  # fmt: skip
    model = KNeighborsClassifier(
        7, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.2)
    ).fit(unit[0], y)
    assert_close(found.outcome.probabilities, model.predict_proba(unit[1]), 1e-4)
    assert found.classes == [0, 1, 2]
    assert len(found) == 20


def test_without_others_each_patch_is_asked_of_the_rest(encoder, labelled):
    x, y = labelled[:2]
    found = foundation_knn(encoder, x, y, k=5, n_boot=0)
    for row in (0, 11):
        rest = np.arange(40) != row
        alone = foundation_knn(encoder, x[rest], y[rest], x[[row]], y[[row]], k=5, n_boot=0)
        expected = alone.outcome.probabilities[0]
        assert_close(found.outcome.probabilities[row], expected, 1e-4)


def test_a_group_does_not_vote_for_its_own(encoder, easy):
    x, y = (
        np.repeat(easy[0][:20], 3, axis=0),
        np.repeat(np.random.default_rng(1).permutation(20), 3),
    )
    alone = foundation_knn(encoder, x, y % 4, k=2, n_boot=0)
    grouped = foundation_knn(encoder, x, y % 4, k=2, n_boot=0, groups=np.arange(60) // 3)
    assert alone.as_table()["estimate"][0] == 1.0  # by its copies
    assert grouped.as_table()["estimate"][0] < 0.7
    assert grouped.units.kind == "groups"


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"k": 40}, "k"),
        ({"k": 0}, "k"),
        ({"temperature": 0}, "temperature"),
        ({"y": [0, 1]}, "y"),
        ({"y": [0] * 40}, "y"),
        ({"newx": np.zeros((2, 4, 5, 5))}, "newy"),
        ({"newy": [1]}, "newx"),
        ({"newx": np.zeros((2, 4, 5, 5)), "newy": [1]}, "newy"),
        ({"newx": np.zeros((2, 4, 5, 5)), "newy": [1, 7]}, "newy"),
        ({"newx": np.zeros((2, 3, 5, 5)), "newy": [1, 1]}, "newx"),
        ({"groups": [1]}, "groups"),
        ({"object": "moco"}, "object"),
        ({"n_boot": None}, "n_boot"),
    ],
)
def test_bad_input_is_refused(encoder, labelled, changes, argument):
    call = {"object": encoder, "x": labelled[0], "y": labelled[1], **changes}
    with pytest.raises(InputError) as caught:
        foundation_knn(**call)
    assert caught.value.argument == argument


def test_features_are_those_of_any_encoder_and_of_fits(encoder, dropout_encoder, x, y):
    for module in (encoder, dropout_encoder):
        fit = quick(module, x, y)
        found = foundation_embed(module, x)
        assert found.dtype == np.float32
        assert found.shape == (41, fit.feature_dim)
        assert_close(foundation_embed(fit, x), found, 1e-6)
        assert foundation_embed(fit, x[:0]).shape == (0, fit.feature_dim)
    assert dropout_encoder.training


def test_features_of_what_does_not_fit_are_refused(encoder, x):
    for args, argument in [((None, x), "object"), ((encoder, x[:, :3]), "x"), ((encoder, 3), "x")]:
        with pytest.raises(InputError) as caught:
            foundation_embed(*args)
        assert caught.value.argument == argument


def test_the_map_has_the_two_first_principal_components(encoder, x, y):
    found = foundation_embedding_map(encoder, x, pd.Categorical(y))
    model = PCA(2).fit(foundation_embed(encoder, x).astype(float))
    expected = model.transform(foundation_embed(encoder, x).astype(float))
    largest = np.abs(model.components_).argmax(axis=1)
    signs = np.sign(model.components_[[0, 1], largest])
    assert_close(found.points, expected * signs, 1e-5)
    assert_close(found.explained, model.explained_variance_ratio_, 1e-5)
    table = found.as_table()
    assert list(table.columns) == ["PC1", "PC2", "class"]
    assert table["class"].tolist() == y
    assert list(foundation_embedding_map(encoder, x).as_table().columns) == ["PC1", "PC2"]
    assert "PC1 (" in repr(found)


def test_patches_without_spread_and_one_feature_have_a_map():
    fit = classifier_of_means(np.eye(3))
    found = foundation_embedding_map(fit, np.ones((4, 3, 5, 5)))
    assert_close(found.points, np.zeros((4, 2)), 1e-6)
    assert found.explained == [0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "argument"),
    [({"x": np.zeros((1, 4, 5, 5))}, "x"), ({"y": ["a", "b"]}, "y"), ({"object": 3}, "object")],
)
def test_maps_of_bad_input_are_refused(encoder, x, changes, argument):
    with pytest.raises(InputError) as caught:
        foundation_embedding_map(**{"object": encoder, "x": x, **changes})
    assert caught.value.argument == argument

"""The verbs as estimators of scikit-learn: its own checks, and what its tools do with them."""

import inspect
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from closeness import assert_close
from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_fit_regressor,
)
from edaphos_bridge.basics.workers import own_libraries_first
from edaphos_bridge.errors import InputError
from edaphos_bridge.sklearn import FoundationClassifierEstimator, FoundationRegressorEstimator
from sklearn_checks import (
    CAN_BE_TOLD,
    NOT_OF_LABELS,
    NOT_OF_PATCHES,
    ClassifierOfColumns,
    RegressorOfColumns,
    outcomes,
)
from small_fits import small_network

LEARNS = {"freeze_backbone": False, "backbone_lr_mult": 1, "epochs": 20, "lr": 0.03}
FEW = {"epochs": 2, "random_state": 1}
# Rows come with fit() and splitters; fits of a search would share a folder.
NOT_OF_ESTIMATORS = {
    "checkpoint_dir",
    "groups",
    "blocks",
    "block_size",
    "buffer",
    "folds",
    "fold",
    "validation",
}
VERBS = {
    FoundationClassifierEstimator: foundation_fit_classifier,
    FoundationRegressorEstimator: foundation_fit_regressor,
}
BOTH = pytest.mark.parametrize("kind", VERBS, ids=["classes", "numbers"])


def quick(**changes):
    return FoundationClassifierEstimator(**{**FEW, **changes})


# -- scikit-learn's own checks


@BOTH
def test_every_check_of_scikit_learn_passes_where_patches_stand_in_tables(kind):
    found = outcomes(kind(patch_shape=(-1, 1, 1), random_state=1, **LEARNS))
    assert len(found) > 30
    assert {name: says for name, says in found.items() if says} == {}


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        (ClassifierOfColumns, NOT_OF_PATCHES | NOT_OF_LABELS),
        (RegressorOfColumns, NOT_OF_PATCHES),
    ],
    ids=["classes", "numbers"],
)
def test_every_check_passes_on_patches_but_for_those_that_are_of_tables(kind, reasons):
    found = outcomes(kind(random_state=1, **LEARNS))
    assert len(found) > 30
    failed = {name for name, says in found.items() if says}
    assert failed == set(reasons) & set(found)


@BOTH
def test_without_patch_shape_scikit_learn_is_told_that_no_table_will_do(kind):
    if CAN_BE_TOLD:
        with pytest.warns(SkipTestWarning, match="Can't test estimator"):
            assert outcomes(kind()).keys() == {"check_estimator_cloneable"}


# -- the verb behind it


@BOTH
def test_the_settings_are_those_of_the_verb_with_its_defaults_but_for_its_rows(kind):
    verb = inspect.signature(VERBS[kind]).parameters
    settings = {name: p.default for name, p in verb.items() if p.kind is p.KEYWORD_ONLY}
    assert settings.pop("seed") is None
    own = {"encoder": None, "patch_shape": None, "random_state": None}
    expected = {name: value for name, value in settings.items() if name not in NOT_OF_ESTIMATORS}
    assert kind().get_params() == {**expected, **own}


def test_a_fit_is_that_of_the_verb_with_random_state_as_its_seed(encoder, x, y):
    settings = {"freeze_backbone": False, "head": "mlp", "hidden": (5,), "val_split": 0.1}
    estimator = quick(encoder=encoder, **settings).fit(x, y)
    fit = foundation_fit_classifier(encoder, x, y, epochs=2, seed=1, **settings)
    assert estimator.fit_.to_bytes() == fit.to_bytes()
    assert estimator.classes_.tolist() == fit.classes
    assert np.array_equal(estimator.predict_proba(x), fit.predict_proba(x))
    assert estimator.predict(x).tolist() == fit.predict(x).tolist()


def test_a_regressor_is_that_of_its_verb_and_predicts_as_many_targets_as_it_learnt(encoder, x):
    clay = 30 + 20 * x[:, 0].mean(axis=(1, 2))
    settings = {"freeze_backbone": False, "loss": "huber"}
    for y in (clay, pd.Series(clay), pd.DataFrame({"clay": clay, "sand": 90 - clay})):
        estimator = FoundationRegressorEstimator(encoder, **FEW, **settings).fit(x, y)
        fit = foundation_fit_regressor(encoder, x, y, epochs=2, seed=1, **settings)
        assert estimator.fit_.to_bytes() == fit.to_bytes()
        predicted = estimator.predict(x)
        assert (predicted.dtype, predicted.shape) == (np.float64, np.shape(y))
        assert np.array_equal(predicted, fit.predict(x))
        unexplained = ((np.asarray(y) - predicted) ** 2).sum(axis=0)
        spread = ((np.asarray(y) - np.mean(np.asarray(y), axis=0)) ** 2).sum(axis=0)
        assert_close(estimator.score(x, y), np.mean(1 - unexplained / spread), 1e-9)


def test_without_an_encoder_it_is_an_untrained_one_of_the_seed(x, y):
    encoder = foundation_encoder("simclr", 4, seed=1)
    fit = foundation_fit_classifier(encoder, x, y, epochs=2, seed=1)
    assert quick().fit(x, y).fit_.to_bytes() == fit.to_bytes()


def test_seeds_are_drawn_from_a_random_state_and_from_numpys_own(x, y):
    def seeds(random_state):
        estimator = quick(random_state=random_state)
        return [estimator.fit(x, y).fit_.config["seed"] for _ in range(2)]

    drawn = np.random.RandomState(5).randint(2**31 - 1, size=2).tolist()
    assert seeds(np.random.RandomState(5)) == drawn
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    assert seeds(None) == drawn
    np.random.set_state(before)  # noqa: NPY002
    assert seeds(7) == [7, 7]


@BOTH
def test_groups_stay_on_one_side_of_the_split_of_the_verb(kind, x):
    y, groups = np.arange(41) % 3, np.arange(41) // 4
    encoder = foundation_encoder("simclr", 4, seed=1)
    fit = VERBS[kind](encoder, x, y, epochs=2, seed=1, groups=groups)
    assert kind(**FEW).fit(x, y, groups=groups).fit_.to_bytes() == fit.to_bytes()
    assert kind(**FEW).fit(x, y).fit_.to_bytes() != fit.to_bytes()


def test_weights_of_classes_are_named_as_the_classes_or_their_text(x):
    y = np.arange(41) % 3
    fits = [
        quick(class_weight=weights).fit(x, y).fit_
        for weights in ({0: 1, 1: 5, 2: 2}, {"0": 1, "1": 5, "2": 2})
    ]
    assert fits[0].to_bytes() == fits[1].to_bytes()
    assert fits[0].to_bytes() != quick().fit(x, y).fit_.to_bytes()
    for kind in (float, np.float32):
        weights = {kind(0): 1, kind(1): 5, kind(2): 2}
        floats = quick(class_weight=weights).fit(x, y.astype(kind)).fit_
        assert floats.to_bytes() == fits[0].to_bytes()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a", "c"], ["a", "b", "c"]),
        (pd.Categorical(["b", "a", "c"], categories=["c", "b", "a"]), ["a", "b", "c"]),
        (np.array([2.0, -1.0, 7.0]), [-1, 2, 7]),
        (np.array([True, False, True]), [False, True]),
        (torch.tensor([3, 1, 2]), [1, 2, 3]),
    ],
)
def test_classes_are_sorted_as_scikit_learn_expects_of_columns(x, labels, classes):
    y = labels[[row % 3 for row in range(41)]] if hasattr(labels, "dtype") else labels * 14
    estimator = quick(epochs=40, lr=0.05, freeze_backbone=False).fit(x[:41], y[:41])
    assert estimator.classes_.tolist() == classes == estimator.fit_.classes
    assert estimator.predict_proba(x).shape == (41, len(classes))
    assert set(estimator.predict(x).tolist()) <= set(classes)
    assert estimator.score(x, np.asarray(y[:41])) > 0.5


# -- what scikit-learn's tools do with it


def test_a_clone_has_a_copy_of_the_encoder_and_is_not_fitted(encoder, x, y, equal_states):
    estimator = quick(encoder=encoder).fit(x, y)
    copied = clone(estimator)
    assert copied.encoder is not encoder
    assert equal_states(copied.encoder.state_dict(), encoder.state_dict())
    with pytest.raises(NotFittedError):
        copied.predict(x)
    assert copied.fit(x, y).fit_.to_bytes() == estimator.fit_.to_bytes()


def test_a_fit_of_ours_is_an_encoder_and_clones(encoder, x, y):
    fit = foundation_fit_classifier(encoder, x, y, freeze_backbone=False, epochs=2, seed=1)
    one, other = quick(encoder=fit), clone(quick(encoder=fit))
    assert one.fit(x, y).fit_.to_bytes() == other.fit(x, y).fit_.to_bytes()


def test_cross_validation_by_groups_scores_patches(easy):
    x, y = easy
    groups = np.arange(60) // 5
    estimator = FoundationClassifierEstimator(
        freeze_backbone=False, epochs=8, lr=0.02, random_state=1
    )
    scores = cross_val_score(estimator, x, y, groups=groups, cv=GroupKFold(3))
    by_hand = []
    for train, test in GroupKFold(3).split(x, y, groups):
        predicted = clone(estimator).fit(x[train], y[train]).predict(x[test])
        by_hand.append((predicted == y[test]).mean())
    assert_close(scores, by_hand, 1e-12)
    probabilities = cross_val_predict(estimator, x, y, cv=3, method="predict_proba")
    assert probabilities.shape == (60, 3)


def test_a_grid_search_goes_over_settings_and_encoders_in_processes_too(easy, monkeypatch):
    for name, value in own_libraries_first().items():  # other tests start R in this process
        monkeypatch.setenv(name, value)
    x, y = easy
    grid = {"lr": [1e-3, 0.05], "encoder": [None, small_network()]}
    settings = {"cv": 2, "scoring": "neg_log_loss"}
    search = GridSearchCV(quick(epochs=5), grid, **settings).fit(x, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_params_["lr"] == 0.05
    assert search.best_estimator_.fit_.classes == [0, 1, 2]
    other = GridSearchCV(quick(epochs=5), {"lr": grid["lr"]}, n_jobs=2, **settings).fit(x, y)
    scores = [s.cv_results_["mean_test_score"] for s in (search, other)]
    assert_close(scores[1], scores[0][:2], 1e-6)


def test_a_pipeline_scales_the_columns_of_a_table_that_become_patches(easy):
    x, y = easy
    table = pd.DataFrame(x.reshape(60, -1) * 100 + 7).add_prefix("cell")
    pipeline = make_pipeline(StandardScaler(), quick(patch_shape=(4, 5, 5))).fit(table, y)
    scaled = StandardScaler().fit_transform(table).reshape(60, 4, 5, 5)
    alone = quick().fit(scaled, y)
    assert pipeline[-1].fit_.to_bytes() == alone.fit_.to_bytes()
    assert np.array_equal(pipeline.predict(table), alone.predict(scaled))
    assert pipeline[-1].n_features_in_ == 100
    named = clone(pipeline).set_output(transform="pandas").fit(table, y)
    assert named[-1].feature_names_in_.tolist() == list(table)
    assert np.array_equal(named.predict_proba(table), pipeline.predict_proba(table))
    assert clone(pipeline).set_params(foundationclassifierestimator__epochs=3) is not None


def test_it_goes_through_pickle_and_joblib(encoder, x, y, tmp_path):
    estimator = quick(encoder=encoder).fit(x, y)
    joblib.dump(estimator, tmp_path / "estimator")
    for found in (
        pickle.loads(pickle.dumps(estimator)),
        joblib.load(tmp_path / "estimator"),
    ):
        assert np.array_equal(found.predict_proba(x), estimator.predict_proba(x))
        found.fit_.encoder.train()  # frozen stays frozen
        assert not any(part.training for part in found.fit_.encoder.modules())


# -- bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"X": np.zeros((6, 4))},
            "`X` must have the four dimensions (N, C, H, W): patches, channels",
        ),
        ({"X": np.zeros((6, 4, 5))}, "`X` must have the four dimensions (N, C, H, W)"),
        ({"y": ["a"] * 6}, "`y` must have at least two classes; found ['a']"),
        ({"y": ["a", None] * 3}, "`y` holds NA in 3 of 6 labels"),
        ({"y": ["a", "b"]}, "`y` must have one label for each of the 6 patches; found 2"),
        ({"y": np.array([0.5, 1, 2, 3, 4, 5])}, "1 of 6 numbers are not whole"),
        ({"epochs": 0}, "`epochs` must be a positive whole number; found 0"),
        ({"encoder": "resnet"}, "`encoder` must be a fit of edaphos_bridge or a torch.nn.Module"),
        ({"random_state": 2**60}, "`random_state` must be a whole number between -2^53 and 2^53"),
    ],
)
def test_what_cannot_be_used_is_named(changes, message, no_training):
    given = {"X": np.ones((6, 4, 5, 5)), "y": ["a", "b"] * 3, **changes}
    X, y = given.pop("X"), given.pop("y")
    with pytest.raises(InputError, match=re.escape(message)):
        quick(**given).fit(X, y)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (4, 5, 4),
            "`patch_shape` must be of as many cells as `X` has columns, 100; found [4, 5, 4]",
        ),
        ((-1, 3, 5), "`patch_shape` must be of as many cells as `X` has columns, 100"),
        (
            (-1, -1, 5),
            "`patch_shape` must be three whole numbers (C, H, W), one of which may be -1",
        ),
        ((4, 25), "`patch_shape` must be three whole numbers"),
        ("4, 5, 5", "`patch_shape` must be three whole numbers"),
        (4, "`patch_shape` must be three whole numbers"),
        ((4, 5, 0), "`patch_shape` must be a positive whole number; found 0"),
    ],
)
def test_a_patch_shape_that_columns_do_not_have_is_an_error(shape, message, no_training):
    with pytest.raises(InputError, match=re.escape(message)):
        quick(patch_shape=shape).fit(np.ones((6, 100)), ["a", "b"] * 3)


def test_without_scikit_learn_it_says_what_to_install(fresh_python):
    code = """
import sys
sys.modules["sklearn"] = None
import edaphos_bridge
try:
    edaphos_bridge.sklearn
except ImportError as error:
    print(error)
"""
    assert fresh_python(code).strip() == (
        "Estimators need the package scikit-learn. Install it with `pip install scikit-learn`."
    )

"""Any recipe over folds, groups or blocks: what it computes, shows and refuses."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edaphos_bridge
from closeness import assert_close
from edaphos_bridge import (
    FoundationCrossValidation,
    foundation_cross_validate,
    foundation_fit_classifier,
)
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments import cross_validation
from small_cross_validations import FOLDS, VERB, quick, same, same_numbers
from small_fits import small_network

# --- what it is ---------------------------------------------------------------------------


@pytest.mark.parametrize("freeze_backbone", [True, False])
def test_it_is_the_loop_written_out_with_explicit_validation_rows(encoder, easy, freeze_backbone):
    x, y = easy
    found = quick(encoder, x, y, freeze_backbone=freeze_backbone, head="mlp", hidden=(5,))
    for fold in range(3):
        rows = np.flatnonzero(fold == FOLDS)
        fit = foundation_fit_classifier(
            encoder, x, y, validation=rows, seed=1, epochs=2, freeze_backbone=freeze_backbone,
            head="mlp", hidden=(5,),
        )  # fmt: skip
        expected = fit.predict_proba(x[rows])
        assert found.predictions.to_numpy()[rows].tolist() == expected.tolist()
        row = found.table.iloc[fold]
        assert row[["fold", "n_train", "n_test"]].tolist() == [fold, 60 - len(rows), len(rows)]
        assert row["accuracy"] == fit.val_accuracy_history[-1]
        right = expected.argmax(axis=1) == y[rows]
        assert row["accuracy"] == right.mean()
        per_class = [right[y[rows] == code].mean() for code in range(3)]
        assert_close(row["balanced_accuracy"], sum(per_class) / 3, 1e-12)
        losses = [-np.log(p[code]) for p, code in zip(expected, y[rows], strict=True)]
        assert_close(row["log_loss"], sum(losses) / len(losses), 1e-12)
    assert found.predictions.columns.tolist() == [0, 1, 2]
    assert found.measures == ["accuracy", "balanced_accuracy", "log_loss"]


def test_rows_in_no_fold_are_missing_and_those_in_several_have_the_mean(encoder, easy):
    x, y = easy
    pairs = [(range(20, 60), range(10)), (range(20, 60), range(5, 15))]
    found = quick(encoder, x, y, folds=pairs).predictions.to_numpy()
    first, second = (quick(encoder, x, y, folds=[pair]).predictions.to_numpy() for pair in pairs)
    assert np.isnan(found[15:]).all()
    assert found[:5].tolist() == first[:5].tolist()
    assert found[10:15].tolist() == second[10:15].tolist()
    assert_close(found[5:10], (first[5:10] + second[5:10]) / 2, 1e-15)


def test_folds_of_single_rows_are_drawn_from_the_seed_and_cover_all_rows(encoder, easy):
    x, y = easy
    found = quick(encoder, x, y, k=4)
    assert found.table["n_test"].tolist() == [15] * 4
    assert found.table["fold"].tolist() == [0, 1, 2, 3]
    assert found.predictions.notna().all(axis=None)
    assert same(found, quick(encoder, x, y, k=4))
    assert not found.predictions.equals(quick(encoder, x, y, k=4, seed=2).predictions)
    assert len(foundation_cross_validate(VERB, encoder, x, y, epochs=1).table) == 5


@pytest.fixture
def folds_made(monkeypatch):
    """The folds that are fitted on."""
    made = []
    compute = cross_validation.result_of

    def noted(recipe, encoder, x, y, fold):
        made.append(fold)
        return compute(recipe, encoder, x, y, fold)

    monkeypatch.setattr(cross_validation, "result_of", noted)
    return made


def test_groups_are_whole_and_each_is_tested_once(encoder, easy, folds_made):
    x, y = easy
    groups = np.arange(60) // 7
    quick(encoder, x, y, groups=groups, k=3)
    for fold in folds_made:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert len(fold.train) + len(fold.test) == 60
    tested = np.concatenate([fold.test for fold in folds_made])
    assert sorted(tested.tolist()) == list(range(60))


def test_blocks_are_whole_and_what_trains_is_beyond_the_buffer(encoder, easy, folds_made):
    x, y = easy
    points = np.random.default_rng(1).uniform(0, 100, (60, 2))
    found = quick(encoder, x, y, blocks=points, block_size=30, buffer=12, k=3)
    blocks = [tuple(place) for place in points // 30]
    for fold in folds_made:
        assert not {blocks[row] for row in fold.train} & {blocks[row] for row in fold.test}
        apart = np.hypot(
            *(points[fold.train][:, None] - points[fold.test][None]).transpose(2, 0, 1)
        )
        assert apart.min() >= 12
    assert found.table["n_train"].tolist() == [len(fold.train) for fold in folds_made]
    assert (found.table["n_train"] + found.table["n_test"] < 60).any()
    assert found.predictions.notna().all(axis=None)


def test_nothing_given_is_changed_and_threads_are_as_before(encoder, easy, snapshot):
    x, y = easy
    before = snapshot(encoder), x.tobytes(), y.tobytes(), torch.get_rng_state().tolist()
    torch.set_num_threads(2)
    try:
        quick(encoder, x, y, freeze_backbone=False)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    after = snapshot(encoder), x.tobytes(), y.tobytes(), torch.get_rng_state().tolist()
    assert after == before


# --- recipes and encoders -----------------------------------------------------------------


def test_a_verb_comes_by_name_or_as_itself(encoder, easy):
    x, y = easy
    assert same(quick(encoder, x, y), quick(encoder, x, y, fit=foundation_fit_classifier))


def test_a_recipe_of_ones_own_and_a_module_of_ones_own_run_in_this_process(easy):
    x, y = easy

    def two_rounds(encoder, x, y, *, folds, seed, epochs):
        first = foundation_fit_classifier(encoder, x, y, folds=folds, seed=seed, epochs=epochs)
        return foundation_fit_classifier(first, x, y, folds=folds, seed=seed, epochs=epochs)

    found = quick(small_network(), x, y, fit=two_rounds)
    assert found.config["fit"].endswith("two_rounds")
    assert same_numbers(found, quick(small_network(), x, y))  # a frozen encoder is the same


def test_labels_may_be_a_categorical(encoder, easy):
    x, y = easy
    names = pd.Categorical.from_codes(y, ["wet", "dry", "bare"], ordered=True)
    found = quick(encoder, x, names)
    assert found.predictions.columns.tolist() == ["wet", "dry", "bare"]
    assert (
        found.predictions.to_numpy().tolist()
        == quick(encoder, x, y).predictions.to_numpy().tolist()
    )


# --- shown --------------------------------------------------------------------------------


def test_it_prints_means_over_folds(encoder, easy):
    x, y = easy
    found = quick(encoder, x, y)
    accuracy = found.table["accuracy"]
    assert repr(found).splitlines() == [
        "<edaphos_cross_validation>",
        "  fit:               foundation_fit_classifier",
        "  folds:             3, of the folds given",
        "  rows tested:       60 of 60",
        *[
            f"  {name + ':':<18} {found.table[name].mean():.3f} (sd over folds "
            f"{found.table[name].std():.3f})"
            for name in found.measures
        ],
    ]
    assert f"{accuracy.mean():.3f}" in repr(found)


def test_verbose_prints_a_line_for_each_fold(encoder, easy, capsys):
    x, y = easy
    found = quick(encoder, x, y, verbose=True)
    assert capsys.readouterr().out.splitlines() == [
        f"[cross-validation] fold {fold} ({fold + 1}/3)  accuracy={row.accuracy:.3f}  "
        f"balanced_accuracy={row.balanced_accuracy:.3f}  log_loss={row.log_loss:.3f}"
        for fold, row in enumerate(found.table.itertuples())
    ]


def test_plot_draws_a_measure_of_each_fold(encoder, easy, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    x, y = easy
    found = quick(encoder, x, y)
    axes = found.plot("log_loss")
    assert axes.lines[0].get_ydata().tolist() == found.table["log_loss"].tolist()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2"]
    assert axes.get_ylabel() == "log loss"
    assert found.plot(ax=axes) is axes
    with pytest.raises(InputError, match="`measure` must be one of 'accuracy'"):
        found.plot("rmse")


# --- bad input ----------------------------------------------------------------------------


def of_my_own(encoder, x, y, *, folds, seed, **settings):
    return "no fit"


BAD_INPUT = [
    ({"fit": "foundation_fit"}, "fit", "found 'foundation_fit'"),
    ({"fit": "foundation_encoder"}, "fit", "must be a function that fits"),
    ({"fit": foundation_cross_validate, "n_jobs": 2}, "n_jobs", "a function of your own"),
    ({"fit": 3}, "fit", "found 'int'"),
    ({"fit": of_my_own}, "fit", "must return a fit of edaphos_bridge; found 'str'"),
    ({"fit": of_my_own, "n_jobs": 2}, "n_jobs", "a function of your own"),
    ({"encoder": small_network(), "n_jobs": 2}, "n_jobs", "an encoder of your own"),
    ({"encoder": 3}, "encoder", "must be a fit of edaphos_bridge or a torch.nn.Module"),
    ({"x": np.zeros((60, 4))}, "x", "four dimensions"),
    ({"y": ["a", "b"]}, "y", "one label for each of the 60 patches; found 2"),
    ({"groups": range(60), "folds": FOLDS}, "folds", "together with `groups`"),
    ({"k": 3, "folds": FOLDS}, "k", "together with `folds`"),
    ({"k": 1}, "k", "whole number of at least 2; found 1"),
    ({"k": 61}, "k", "at most 60, the number of rows"),
    ({"k": 3, "groups": np.arange(60) % 2}, "k", "at most 2, the number of groups"),
    ({"k": 4, "blocks": np.eye(60, 2), "block_size": 1}, "k", "at most 3, the number of blocks"),
    ({"blocks": np.eye(60, 2)}, "block_size", "is needed with `blocks`"),
    ({"block_size": 2}, "block_size", "needs `blocks`"),
    ({"buffer": 2}, "buffer", "needs `blocks`"),
    ({"buffer": []}, "buffer", "single finite number"),
    ({"folds": np.zeros(60, dtype=int)}, "folds", "at least two folds"),
    ({"n_jobs": 0}, "n_jobs", "positive whole number; found 0"),
    ({"n_jobs": 2, "head": small_network()}, "head", "a module"),
    ({"seed": 1.5}, "seed", "found 1.5"),
    ({"verbose": "yes"}, "verbose", "true/false"),
    ({"epoch": 3}, "epoch", "is no argument of foundation_fit_classifier()"),
    ({"epochs": 0}, "epochs", "positive whole number"),
    ({"validation": [1]}, "validation", "is no setting of a cross-validation"),
    ({"val_split": 0.2}, "val_split", "is no setting of a cross-validation"),
    ({"patience": 3}, "patience", "is no setting of a cross-validation"),
    ({"checkpoint_dir": ""}, "checkpoint_dir", "must be the path of a folder"),
    ({"checkpoint_dir": __file__}, "checkpoint_dir", "cannot be made"),
]


@pytest.mark.parametrize(("change", "argument", "problem"), BAD_INPUT)
def test_bad_input_is_named_before_any_training(
    encoder, easy, no_training, change, argument, problem
):
    x, y = easy
    given = {"fit": VERB, "encoder": encoder, "x": x, "y": y, "epochs": 2, **change}
    with pytest.raises(InputError) as caught:
        foundation_cross_validate(**given)
    assert caught.value.argument == argument
    assert problem in str(caught.value)


def test_a_function_of_a_users_script_cannot_cross(encoder, easy):
    x, y = easy
    with pytest.raises(InputError, match="`device` cannot be given to another process"):
        quick(encoder, x, y, n_jobs=2, device=lambda: "cpu")


# --- recipes and other tasks --------------------------------------------------------------


def test_recipes_go_on_from_a_fit_in_any_number_of_processes(encoder, easy):
    x, y = easy
    start = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    rows = np.flatnonzero(FOLDS == 1)
    for fit, n_jobs, settings in (
        ("foundation_fine_tune", 1, {"epochs": 1}),
        ("foundation_finetune_classifier", 2, {"epochs": 2, "recipe": "layerwise"}),
    ):
        found = quick(start, x, y, fit=fit, n_jobs=n_jobs, **settings)
        recipe = getattr(edaphos_bridge, fit)
        fitted = recipe(start, x, y, folds=FOLDS, fold=1, seed=1, **settings)
        expected = fitted.predict_proba(x[rows])
        assert found.predictions.to_numpy()[rows].tolist() == expected.tolist()


def test_a_recipe_is_judged_in_the_order_of_classes_that_its_fit_has(encoder, easy):
    x, y = easy
    names = np.array(["low", "mid", "high"])[y]
    ordered = pd.Categorical(names, categories=["low", "mid", "high"])
    start = foundation_fit_classifier(encoder, x, ordered, epochs=1, seed=1)
    found = quick(start, x, names, fit="foundation_fine_tune", epochs=1)
    right = found.predictions.to_numpy().argmax(axis=1) == y
    for fold in range(3):
        assert found.table["accuracy"][fold] == right[fold == FOLDS].mean()
    assert same_numbers(found, quick(start, x, ordered, fit="foundation_fine_tune", epochs=1))


def test_a_regressor_has_its_own_measures_and_the_names_of_targets(encoder, easy, tmp_path):
    x, _ = easy
    y = pd.DataFrame({"clay": x.mean(axis=(1, 2, 3)) * 10, "ph": x[:, 0].mean(axis=(1, 2))})
    fit = "foundation_fit_regressor"
    found = quick(encoder, x, y, fit=fit, checkpoint_dir=tmp_path)
    assert found.task == "regression"
    assert found.predictions.columns.tolist() == ["clay", "ph"]
    off = found.predictions - y
    for fold in range(3):
        rows = fold == FOLDS
        expected = np.sqrt((off[rows] ** 2).mean()).mean()
        assert_close(found.table["rmse"][fold], expected, 1e-12)
    assert same(quick(encoder, x, y, fit=fit, checkpoint_dir=tmp_path, n_jobs=2), found)
    one = quick(encoder, x, y["clay"], fit=fit)
    assert one.predictions.shape == (60, 1)


def test_several_labels_are_judged_by_their_own_score(encoder, easy):
    x, y = easy
    labels = [["wet"] * int(code > 0) + ["dark"] * int(code != 1) for code in y]
    found = quick(encoder, x, labels, fit="foundation_fit_multilabel")
    assert found.predictions.columns.tolist() == ["dark", "wet"]
    assert found.measures == ["val_f1"]


def test_what_can_be_read_only_once_is_read_for_all_folds(encoder, x, y):
    settings = {"epochs": 1, "head": "mlp", "k": 2, "seed": 1}
    once = foundation_cross_validate(
        "foundation_fit_classifier", encoder, x, iter(y), hidden=iter([4, 3]), **settings
    )
    again = foundation_cross_validate(
        "foundation_fit_classifier", encoder, x, y, hidden=[4, 3], **settings
    )
    pd.testing.assert_frame_equal(once.predictions, again.predictions)


def test_heads_and_encoders_of_equal_weights_are_told_apart_by_their_layers(x, y, tmp_path):
    encoder, layer = small_network(), nn.Linear(6, 3)

    def run(encoder, head):
        return foundation_cross_validate(
            "foundation_fit_classifier", encoder, x, y, epochs=1, k=2, seed=1,
            head=nn.Sequential(layer, head), checkpoint_dir=tmp_path,
        )  # fmt: skip

    run(encoder, nn.Tanh())
    for other in ((encoder, nn.ReLU()), (nn.Sequential(*encoder, nn.ReLU()), nn.Tanh())):
        with pytest.raises(InputError, match="another cross-validation"):
            run(*other)


def test_a_fold_without_a_value_does_not_count_for_the_mean_and_none_is_no_plot():
    table = pd.DataFrame({"fold": [0, 1, 2], "n_train": 2, "n_test": 1, "rmse": [1.0, 2.0, 3.0]})
    config = {"fit": "f", "by": "rows"}
    some = table.assign(r_squared=[np.nan, 0.5, 0.25])
    found = FoundationCrossValidation(some, pd.DataFrame({"y": [0.0]}), config, "regression", ["y"])
    axes = found.plot("r_squared")
    assert axes.lines[1].get_ydata()[0] == 0.375
    none = FoundationCrossValidation(
        table.assign(r_squared=np.nan), pd.DataFrame({"y": [0.0]}), config, "regression", ["y"]
    )
    with pytest.raises(InputError, match="`measure` has no value in any fold; found 'r_squared'"):
        none.plot("r_squared")
    assert none.describe()[-1].split() == ["r_squared:", "NA"]

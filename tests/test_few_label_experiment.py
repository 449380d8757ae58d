"""Methods compared on few labels: what each learns, what is shown and what is refused."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    foundation_embed,
    foundation_encoder,
    foundation_encoder_for,
    foundation_few_label_experiment,
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_rotation_pretrain,
    foundation_simclr_pretrain,
    foundation_swav_pretrain,
)
from edaphos_bridge.encoders.untrained import untrained_like
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments import few_label_arms
from edaphos_bridge.experiments.folds import drawn_in_all
from small_experiments import FOLDS, PRETRAIN, quick, same
from small_fits import small_network

BASELINES = ["raw pixels", "random convolutions", "image statistics"]


def rows_of(found, method):
    return found.table[found.table["method"] == method]


# --- what it is ---------------------------------------------------------------------------


def test_all_methods_stand_in_one_table_on_the_same_rows(encoder, easy):
    found = quick({"ours": encoder, "SimCLR": PRETRAIN}, *easy, labels=[6, 12])
    scratch = [
        f"from scratch ({name}), {epochs}"
        for name in ("ours", "SimCLR")
        for epochs in ("1 epoch", "2 epochs")
    ]
    assert found.methods == [
        "ours", "ours, probe", "SimCLR", "SimCLR, probe", *scratch, *BASELINES,
    ]  # fmt: skip
    assert found.labels == [6, 12]
    assert list(found.table.columns) == [
        "method", "labels", "repeat", "fold", "n_train", "n_test", "accuracy",
        "balanced_accuracy", "log_loss", "seconds",
    ]  # fmt: skip
    for _, same_draw in found.table.groupby(["labels", "repeat"]):
        assert same_draw[["fold", "n_train", "n_test"]].drop_duplicates().shape == (1, 3)
    assert found.table["n_train"].tolist() == found.table["labels"].tolist()
    assert (found.table["seconds"] > 0).all()
    assert found.pretraining[["method", "fold"]].values.tolist() == [["SimCLR", 0], ["SimCLR", 1]]


def test_a_method_may_be_pretrained_on_the_bands_of_two_sensors(easy):
    def of_two(x, seed):
        return foundation_swav_pretrain(x[:, :1], x[:, 1:], epochs=1, batch_size=8, seed=seed)

    found = quick({"pairs": of_two}, *easy)
    scratch = ["from scratch, 1 epoch", "from scratch, 2 epochs"]
    assert found.methods == ["pairs", "pairs, probe", *scratch, *BASELINES]


NARROW = foundation_encoder("xresnet18", 4, width=4, stem="small", seed=1)
PRETRAINING = {
    "MoCo": partial(foundation_moco_pretrain, epochs=2, batch_size=4, queue_size=8),
    "SimCLR": partial(foundation_simclr_pretrain, epochs=2, batch_size=4),
    "rotation": partial(foundation_rotation_pretrain, epochs=1, batch_size=8),
    "SwAV": partial(foundation_swav_pretrain, epochs=2, batch_size=8, n_prototypes=4),
    "SwAV of an XResNet": partial(foundation_swav_pretrain, encoder=NARROW, epochs=2, batch_size=8),
}


@pytest.mark.parametrize("name", PRETRAINING)
def test_each_verb_that_pretrains_is_a_method(name, easy):
    x, y = easy
    pretrain = PRETRAINING[name]
    found = quick({"ours": pretrain}, x, y, scratch_epochs=())
    assert found.methods == ["ours", "ours, probe", *BASELINES]
    fit = pretrain(x[FOLDS != 0].astype("float32"), seed=1)  # as for the first fold
    ready = quick({"ours": fit}, x, y, scratch_epochs=())
    for method in ("ours", "ours, probe"):
        first, expected = (rows_of(each, method).iloc[0] for each in (found, ready))
        assert first.drop("seconds").equals(expected.drop("seconds"))


def drawn(x, y, repeat, number=9):
    """What trains and is tested in a repeat, counted from 0."""
    train, test = np.flatnonzero(repeat != FOLDS), np.flatnonzero(repeat == FOLDS)
    rows = drawn_in_all(y, train, number, 1 + repeat)
    return x[rows], y[rows], x[test], y[test]


def test_what_trains_from_scratch_is_a_fit_of_all_weights_from_random_ones(encoder, easy):
    x, y = (each.astype(kind) for each, kind in zip(easy, ("float32", "int64"), strict=True))
    found = quick({"ours": encoder}, x, y, epochs=2, scratch_epochs=3, lr=0.01)
    for repeat, row in enumerate(rows_of(found, "from scratch, 3 epochs").itertuples()):
        known, labels, asked, truth = drawn(x, y, repeat)
        fit = foundation_fit_classifier(
            untrained_like(encoder, 1 + repeat), known, labels, freeze_backbone=False, epochs=3,
            backbone_lr_mult=1.0, lr=0.01, batch_size=4, seed=1 + repeat,
            validation=few_label_arms.held_out(labels, 0.2, 1 + repeat),
        )  # fmt: skip
        probabilities = fit.predict_proba(asked)
        assert row.accuracy == (probabilities.argmax(axis=1) == truth).mean()
        expected = -np.log(probabilities[np.arange(len(truth)), truth]).mean()
        assert_close(row.log_loss, expected, 1e-12)


def test_a_pretrained_encoder_trains_frozen_and_then_as_a_whole(encoder, easy, monkeypatch):
    x, y = easy
    learnt = []
    fit = few_label_arms.fit_classifier

    def noted(start, patches, labels, settings, *run, **how):
        learnt.append((settings, foundation_embed(start, x)))
        return fit(start, patches, labels, settings, *run, **how)

    monkeypatch.setattr(few_label_arms, "fit_classifier", noted)
    quick({"ours": encoder}, x, y, epochs=3, lr=0.02, freeze_to=-2, seed=4)
    phases = [[(p.epochs, p.freeze_to, p.lr, p.backbone_lr_mult) for p in s.recipe_phases]
              for s, _ in learnt[:3]]  # fmt: skip
    assert phases == [
        [(3, -2, 0.02, 1.0), (3, 0, 0.02, 1.0)],
        [(3, 0, 0.02, 1.0)],
        [(6, 0, 0.02, 1.0)],
    ]
    assert [settings.seed for settings, _ in learnt] == [4, 4, 4, 5, 5, 5]
    assert {(s.batch_size, s.head.head) for s, _ in learnt} == {(4, "linear")}
    starts = [np.array_equal(features, foundation_embed(encoder, x)) for _, features in learnt]
    assert starts == [True, False, False] * 2


def test_a_share_of_labels_is_held_out_and_one_of_each_class_never():
    y = np.array([0] * 30 + [1] * 2 + [2])
    seen = np.zeros(33)
    for seed in range(300):
        rows = few_label_arms.held_out(y, 0.4, seed)
        assert len(set(rows)) == 13
        assert set(np.delete(y, rows)) == {0, 1, 2}
        seen[rows] += 1
    assert seen[32] == 0
    assert (seen[:32] > 0).all()
    assert len(few_label_arms.held_out(y, 0.95, 1)) == 30
    assert len(few_label_arms.held_out(y, 0.0, 1)) == 0


def test_probe_and_pixels_are_logistic_regressions_of_all_labels(encoder, easy):
    x, y = (each.astype(kind) for each, kind in zip(easy, ("float32", "int64"), strict=True))
    found = quick({"ours": encoder}, x, y)
    for method, features in (
        ("ours, probe", lambda part: foundation_embed(encoder, part).astype(float)),
        ("raw pixels", lambda part: part.reshape(len(part), -1).astype(float)),
    ):
        for repeat, row in enumerate(rows_of(found, method).itertuples()):
            known, labels, asked, truth = drawn(x, y, repeat)
            mean, sd = features(known).mean(0), features(known).std(0)
            sd[sd == 0] = 1
            model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000)
            model.fit((features(known) - mean) / sd, labels)
            probabilities = model.predict_proba((features(asked) - mean) / sd)
            expected = -np.log(probabilities[np.arange(len(truth)), truth]).mean()
            assert_close(row.log_loss, expected, 1e-4)


def test_methods_with_equal_layers_share_what_trains_from_scratch(encoder, easy):
    other = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=2)
    found = quick({"one": encoder, "two": other}, *easy, scratch_epochs=[2])
    assert found.methods[4:5] == ["from scratch, 2 epochs"]
    assert ("two", "from scratch, 2 epochs") in found.pairs
    assert len(found.methods) == 8
    without = quick({"one": encoder}, *easy, scratch_epochs=[])
    assert without.methods == ["one", "one, probe", *BASELINES]


# --- which rows ---------------------------------------------------------------------------


def noted_pretraining(seen, x, *, seed):
    seen.append(x)
    return foundation_encoder("simclr", 4, feature_dim=6, proj_dim=4, seed=seed)


def test_encoders_of_two_sensors_are_methods(easy):
    x, y = easy
    fit = foundation_swav_pretrain(x[:, :1], x[:, 1:], feature_dim=6, proj_dim=4, epochs=1, seed=1)
    concat = foundation_encoder_for(fit, "concat")
    found = quick({"mean": fit, "concat": concat}, x, y, scratch_epochs=1)
    assert found.methods[4:6] == ["from scratch (mean), 1 epoch", "from scratch (concat), 1 epoch"]


def test_what_is_pretrained_sees_nothing_of_what_is_tested(easy):
    x, y = easy
    seen = []
    quick({"ours": partial(noted_pretraining, seen)}, x, y, repeats=4)
    assert [part.tolist() for part in seen] == [
        x[fold != FOLDS].astype(np.float32).tolist() for fold in (0, 1)
    ]


def test_patches_without_a_label_are_there_for_pretraining_alone(easy):
    x, y = easy
    seen = []
    known = np.where(np.arange(60) % 4 > 0, y.astype(float), np.nan)
    found = quick({"ours": partial(noted_pretraining, seen)}, x, known, np.inf)
    labelled = ~np.isnan(known)
    for repeat, row in enumerate(rows_of(found, "ours").itertuples()):
        assert len(seen[repeat]) == (repeat != FOLDS).sum()
        assert row.n_train == (labelled & (repeat != FOLDS)).sum()
        assert row.n_test == (labelled & (repeat == FOLDS)).sum()


def test_a_test_set_is_tested_in_each_repeat_and_nothing_else(easy):
    x, y = easy
    seen = []
    names = np.array(["wet", "dry", "bare"])
    found = quick(
        {"ours": partial(noted_pretraining, seen)},
        x[:40], names[y[:40]], repeats=3, test=(x[40:], pd.Categorical(names[y[40:]])),
    )  # fmt: skip
    assert [part.shape for part in seen] == [(40, 4, 5, 5)]
    assert found.table["n_test"].unique().tolist() == [20]
    assert found.config["by"] == "test"
    assert len(found.pretraining) == 1


def test_groups_and_blocks_are_tested_whole(encoder, easy):
    x, y = easy
    field = np.arange(60) // 6
    by_group = quick({"ours": encoder}, x, y, groups=field, k=5, repeats=5)
    assert (rows_of(by_group, "ours")["n_test"] % 6 == 0).all()
    assert by_group.config["by"] == "groups"
    points = np.random.default_rng(1).uniform(0, 100, (60, 2))
    by_block = quick({"ours": encoder}, x, y, blocks=points, block_size=30, buffer=10, k=3,
                     repeats=3)  # fmt: skip
    assert by_block.config["by"] == "blocks"
    by_row = quick({"ours": encoder}, x, y, k=3, repeats=3)
    assert rows_of(by_row, "ours")["n_test"].tolist() == [20, 20, 20]


def test_everything_comes_from_the_seed(encoder, easy):
    methods = {"ours": encoder, "SimCLR": PRETRAIN}
    found = quick(methods, *easy, k=3)
    before = torch.get_rng_state()
    assert same(quick(methods, *easy, k=3), found)
    assert not same(quick(methods, *easy, k=3, seed=2), found)
    assert same(quick(methods, *easy, seed=-3), quick(methods, *easy, seed=-3))
    drawn_one = quick({"ours": encoder}, *easy, seed=None)
    assert same(quick({"ours": encoder}, *easy, seed=drawn_one.config["seed"]), drawn_one)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_given_is_changed(encoder, easy, snapshot):
    x, y = easy
    before = snapshot(encoder), x.tobytes(), y.tobytes()
    quick({"ours": encoder}, x, y, standardise=True)
    assert (snapshot(encoder), x.tobytes(), y.tobytes()) == before


def test_bands_of_any_size_are_the_same_once_standardised(encoder, easy):
    x, y = easy
    scale = np.array([1, 64, 1 / 64, 1024])[:, None, None]
    found, other = (
        quick({"ours": encoder}, part, y, standardise=True).table.drop(columns="seconds")
        for part in (x, x * scale)
    )
    assert found["accuracy"].tolist() == other["accuracy"].tolist()
    assert_close(found["log_loss"], other["log_loss"], 1e-4)


def test_a_module_of_ones_own_is_a_method_too(easy):
    found = quick({"mine": small_network()}, *easy)
    assert found.methods[:3] == ["mine", "mine, probe", "from scratch, 1 epoch"]


# --- shown --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown():
    y = np.arange(60) % 3
    noise = np.random.default_rng(3).normal(size=(60, 4, 5, 5))
    encoder = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
    return quick(
        {"ours": encoder}, noise + 3 * y[:, None, None, None], y, [6, np.inf], repeats=4,
        scratch_epochs=2,
    )  # fmt: skip


def test_the_summary_has_mean_and_sd_over_repeats(shown):
    found = shown.summary().set_index(["method", "labels"])
    of_pixels = rows_of(shown, "raw pixels").groupby("labels")["log_loss"]
    assert list(found.index[:2]) == [("ours", 6), ("ours", np.inf)]
    assert_close(found.loc["raw pixels"]["log_loss"], of_pixels.mean(), 1e-12)
    assert_close(found.loc["raw pixels"]["log_loss_sd"], of_pixels.std(), 1e-12)
    assert (found["n"] == 4).all()


def test_differences_are_paired_within_repeats(shown):
    found = shown.differences("log_loss")
    assert found.columns.tolist() == [
        "method", "minus", "labels", "difference", "conf_low", "conf_high", "above", "n",
    ]  # fmt: skip
    row = found[(found["method"] == "ours, probe") & (found["minus"] == "raw pixels")].iloc[0]
    ours, pixels = (
        rows_of(shown, name).query("labels == 6").set_index("repeat")["log_loss"]
        for name in ("ours, probe", "raw pixels")
    )
    assert_close(row["difference"], (ours - pixels).mean(), 1e-12)
    assert row["above"] == (ours > pixels).sum()
    assert row["conf_low"] < row["difference"] < row["conf_high"]
    with pytest.raises(InputError, match="`measure` must be one of 'accuracy'"):
        shown.differences("seconds")


def test_it_prints_means_and_differences(shown):
    lines = repr(shown).splitlines()
    assert lines[:3] == [
        "<edaphos_few_label_experiment>",
        "  4 repeats, 60 patches tested in 2 folds",
        "  accuracy, mean ± sd of the repeats",
    ]
    assert lines[3].split() == ["6", "labels", "all", "labels"]
    pixels = shown.summary().set_index(["method", "labels"]).loc[("raw pixels", 6)]
    start = f"  raw pixels              {pixels['accuracy']:.3f} ± {pixels['accuracy_sd']:.3f}"
    assert any(line.startswith(start) for line in lines)
    assert any(line.startswith("  ours, minus from scratch, 2 epochs  ") for line in lines)
    assert "| ours, probe, minus raw pixels |" in "\n".join(shown.markdown())


def test_plot_draws_boxes_and_every_repeat(shown, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    figure = shown.plot()
    assert [(axes.get_title(), axes.get_ylabel()) for axes in figure.axes] == [
        ("6 labels", "accuracy"), ("all labels", "accuracy"),
        ("6 labels", "log loss"), ("all labels", "log loss"),
    ]  # fmt: skip
    assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == shown.methods
    for one, other in (figure.axes[:2], figure.axes[2:]):
        assert one.get_ylim() == other.get_ylim()
        values = [line.get_ydata() for axes in (one, other) for line in axes.lines]
        low, high = one.get_ylim()
        assert low < min(map(min, values))
        assert max(map(max, values)) < high
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    expected = rows_of(shown, "ours").query("labels == 6")["accuracy"].tolist()
    assert points[0].get_ydata().tolist() == expected
    with pytest.raises(InputError, match="`measures` must be one of"):
        shown.plot("rmse")
    with pytest.raises(InputError, match="`measures` must name at least one"):
        shown.plot([])


def test_verbose_prints_a_line_for_each_part(easy, capsys):
    found = quick({"SimCLR": PRETRAIN}, *easy, scratch_epochs=[], verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == [
        f"[few labels] SimCLR pretrained beside fold {fold} ({fold + 1}/2)" for fold in (0, 1)
    ]
    assert lines[2:] == [
        f"[few labels] {row.method}, 9 labels, repeat {row.repeat} ({done}/10)  "
        f"accuracy={row.accuracy:.3f}"
        for done, row in enumerate(found.table.itertuples(), start=1)
    ]


# --- bad input ----------------------------------------------------------------------------

BAD_INPUT = [
    ({"methods": {}}, "methods", "by name; found {}"),
    ({"methods": [1]}, "methods", "found 'list'"),
    ({"methods": {"": 1}}, "methods", "names that are text"),
    ({"methods": {3: 1}}, "methods", "found 3"),
    ({"methods": {"a": 3}}, "methods", "a fit of edaphos_bridge or a torch.nn.Module"),
    ({"methods": {"raw pixels": PRETRAIN}}, "methods", "that another row of the table has"),
    ({"methods": {"a": PRETRAIN, "a, probe": PRETRAIN}}, "methods", "found 'a, probe'"),
    ({"x": np.zeros((60, 4))}, "x", "four dimensions"),
    ({"y": ["a", "b"]}, "y", "one label for each of the 60 patches; found 2"),
    ({"y": ["a", None] * 30}, "y", "at least two classes"),
    ({"labels": []}, "labels", "at least one number"),
    ({"labels": [6, 6]}, "labels", "each number once"),
    ({"labels": 0}, "labels", "positive whole number or infinity; found 0"),
    ({"labels": "all"}, "labels", "found 'all'"),
    ({"labels": np.array(0)}, "labels", "found 0"),
    ({"labels": -np.inf}, "labels", "infinity"),
    ({"labels": 2}, "labels", "from 3, one of each class"),
    ({"labels": 49}, "labels", "all that train"),
    ({"per_class": 1}, "per_class", "true/false"),
    ({"repeats": 1}, "repeats", "at least 2; found 1"),
    ({"standardise": None}, "standardise", "true/false"),
    ({"epochs": 0}, "epochs", "positive whole number"),
    ({"scratch_epochs": [3, 0]}, "scratch_epochs", "found 0"),
    ({"scratch_epochs": [3, 3]}, "scratch_epochs", "each number once"),
    ({"freeze_to": 1.5}, "freeze_to", "whole number"),
    ({"lr": 0}, "lr", "greater than 0"),
    ({"batch_size": 0}, "batch_size", "positive whole number"),
    ({"val_split": 1}, "val_split", "less than 1"),
    ({"device": "gpu"}, "device", "must be one of"),
    ({"n_jobs": 0}, "n_jobs", "positive whole number"),
    ({"methods": {"a": small_network()}, "n_jobs": 2}, "n_jobs", "an encoder of your own"),
    ({"test": 3}, "test", "a pair of patches and labels"),
    ({"test": (np.zeros((5, 4, 5, 5)), [0] * 5), "folds": FOLDS}, "folds", "with `test`"),
    ({"test": (np.zeros((5, 4, 6, 5)), [0] * 5)}, "test", "as `x`; found [4, 6, 5]"),
    ({"test": (np.zeros((5, 4, 5, 5)), [0] * 4)}, "test", "of its 5 patches; found 4"),
    ({"test": (np.zeros((5, 4, 5, 5)), [7] * 5)}, "test", "its labels must hold classes"),
    ({"methods": {"a": lambda x: x}}, "methods", "'a' cannot be called so"),
    ({"methods": {"a": partial(foundation_moco_pretrain, epoch=3)}}, "methods", "'epoch'"),
    (
        {"methods": {"a": partial(foundation_moco_pretrain, epochs=0)}},
        "methods",
        "its `epochs` must",
    ),
    (
        {"methods": {"a": partial(foundation_moco_pretrain, seed=3)}},
        "methods",
        "has a `seed` of 'a'",
    ),
    (
        {"methods": {"a": partial(foundation_moco_pretrain, checkpoint_dir="here")}},
        "methods",
        "has a `checkpoint_dir` of 'a'",
    ),
    ({"groups": np.arange(60), "folds": FOLDS}, "folds", "together with `groups`"),
    ({"k": 3, "folds": FOLDS}, "k", "together with `folds`"),
    ({"test": (np.zeros((2, 4, 5, 5)), [0, 1]), "buffer": 30}, "buffer", "needs `blocks`"),
    ({"test": (np.zeros((2, 4, 5, 5)), [0, 1]), "block_size": 3}, "block_size", "needs `blocks`"),
    ({"seed": "one"}, "seed", "found 'one'"),
    ({"seed": 2**53}, "seed", "between -2^53 and 2^53"),
    ({"verbose": 2}, "verbose", "true/false"),
    ({"checkpoint_dir": ""}, "checkpoint_dir", "must be the path of a folder"),
]


@pytest.mark.parametrize(("change", "argument", "problem"), BAD_INPUT)
def test_bad_input_is_named_before_any_training(easy, no_training, change, argument, problem):
    x, y = easy
    given = {"methods": {"a": small_network()}, "x": x, "y": y, "labels": 9, "seed": 1, **change}
    with pytest.raises(InputError) as caught:
        foundation_few_label_experiment(**given)
    assert caught.value.argument == argument
    assert problem in str(caught.value)


def test_an_encoder_that_cannot_be_drawn_anew_needs_that_nothing_trains_from_scratch(easy):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.ones(100))

        def forward(self, x):
            return x.flatten(1) + self.shift

    with pytest.raises(InputError, match="`shift` of Tokens"):
        quick({"tokens": Tokens()}, *easy)
    assert quick({"tokens": Tokens()}, *easy, scratch_epochs=()).methods[0] == "tokens"


@pytest.mark.parametrize(
    ("methods", "argument"),
    [
        ({"a, probe": None, "a": None}, "methods"),
        ({"raw pixels": None}, "methods"),
        ({"a": None, "b": foundation_encoder("moco", 3, seed=1)}, "x"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_pretrained(easy, methods, argument):
    def pretrain(x, seed):
        raise AssertionError("called")

    given = {name: pretrain if each is None else each for name, each in methods.items()}
    with pytest.raises(InputError) as caught:
        quick(given, *easy)
    assert caught.value.argument == argument


def test_an_encoder_of_two_sensors_is_compared_as_any_other(easy):
    x, y = easy
    fit = foundation_swav_pretrain(x[:, :3], x[:, 3:], n_prototypes=3, epochs=1, seed=1)
    encoders = {each: foundation_encoder_for(fit, each) for each in ("mean", "concat")}
    found = quick(encoders, x, y)
    assert found.methods[4] == "from scratch (mean), 1 epoch"
    assert found.methods[6] == "from scratch (concat), 1 epoch"
    one, other = (rows_of(found, each)["log_loss"].values for each in found.methods[4:8:2])
    assert (one != other).all()


def test_what_a_function_gives_must_hold_an_encoder(easy):
    with pytest.raises(InputError, match="must be a fit of edaphos_bridge"):
        quick({"mine": lambda x, seed: "no fit"}, *easy)


def test_a_tile_data_set_is_refused(easy):
    import edaphos_bridge

    tiles = edaphos_bridge.foundation_tile_dataset(
        np.random.default_rng(1).normal(size=(4, 30, 30)), patch_size=5, n_patches=60, seed=1
    )
    with pytest.raises(InputError, match="must be patches; a tile data set"):
        quick({"a": partial(foundation_moco_pretrain, epochs=1)}, tiles, easy[1])

"""Draws of labels, and what comes of each way of learning from them."""

from functools import partial

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge import foundation_encoder, foundation_simclr_pretrain
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.few_labels import Arm, Design, keys_of, pretrained, results
from edaphos_bridge.experiments.folds import standardised

# 12 rows of each of three classes, and 4 without a label
CODES = np.array([0, 1, 2] * 12 + [-1] * 4)
FOLDS = [
    Fold(7, np.arange(20, 40), np.arange(0, 20)),
    Fold(9, np.arange(0, 20), np.arange(20, 40)),
]


@pytest.fixture
def x():
    return np.random.default_rng(2).normal(3, 2, size=(40, 4, 5, 5)).astype(np.float32)


def design_of(x, folds=FOLDS, standardise=False, **changes):
    given = {"codes": CODES, "labels": (4, 9), "per_class": False, "repeats": 3, "seed": 5}
    return Design.of(x, folds, standardise, **{**given, **changes})


# --- draws --------------------------------------------------------------------------------


def test_repeats_take_the_folds_in_turn_and_each_draws_anew(x):
    design = design_of(x, repeats=4)
    assert [design.folds[design.place(repeat)].name for repeat in range(4)] == [7, 9, 7, 9]
    for repeat in range(4):
        fold = design.folds[design.place(repeat)]
        few, more = (design.drawn(repeat, n) for n in (4, 9))
        assert set(few) < set(more) < set(fold.train)
        assert set(CODES[few]) == {0, 1, 2}
    assert set(design.drawn(0, 4)) != set(design.drawn(2, 4))


def test_a_design_is_the_same_from_the_seed_of_a_repeat_on(x):
    first, later = design_of(x, repeats=4, seed=5), design_of(x, FOLDS[::-1], seed=6)
    assert later.drawn(0, 9).tolist() == first.drawn(1, 9).tolist()


def test_all_labels_are_those_of_the_fold_and_rows_without_one_are_not_tested(x):
    design = design_of(x, labels=(np.inf,))
    assert design.drawn(0, np.inf).tolist() == list(range(20, 36))
    assert design.tested(1).tolist() == list(range(20, 36))


def test_of_each_class_as_many_are_drawn_or_as_many_as_there_are(x):
    design = design_of(x, labels=(2, 100), per_class=True)
    assert np.bincount(CODES[design.drawn(0, 2)]).tolist() == [2, 2, 2]
    assert sorted(design.drawn(0, 100)) == list(range(20, 36))


def test_folds_that_no_repeat_needs_are_left_out(x):
    assert len(design_of(x, FOLDS * 3, repeats=2).folds) == 2


def test_patches_are_standardised_by_what_trains_in_their_fold(x):
    design = design_of(x, standardise=True)
    for place, fold in enumerate(FOLDS):
        expected = standardised(x, fold.train)[fold.test]
        assert design.patches(x, fold.test, place).tobytes() == expected.tobytes()
    plain = design_of(x)
    assert plain.patches(x, np.arange(3), 0).tobytes() == x[:3].tobytes()


@pytest.mark.parametrize(
    ("changes", "argument", "problem"),
    [
        ({"labels": (2,)}, "labels", "from 3, one of each class, to 16"),
        ({"labels": (4, 17)}, "labels", "found 17"),
        ({"folds": [Fold(3, np.arange(9), np.arange(36, 40))]}, "folds", "no labelled row"),
        ({"folds": [Fold(3, np.array([0, 3, 39]), np.arange(9, 20))]}, "folds", "less than two"),
    ],
)  # fmt: skip
def test_a_fold_with_too_few_labels_is_refused(x, changes, argument, problem):
    with pytest.raises(InputError, match=problem) as caught:
        design_of(x, **changes)
    assert caught.value.argument == argument


# --- encoders -----------------------------------------------------------------------------


def in_this_process(seen, patches, *, seed):
    seen.append((patches, seed))
    return foundation_encoder("simclr", 4, seed=seed)


def test_a_function_sees_what_trains_in_a_fold_and_no_labels(x):
    seen, design = [], design_of(x)
    function = partial(in_this_process, seen)
    found = dict(pretrained(design, x, {"ours": function}, [("ours", 0), ("ours", 1)], 1))
    assert list(found) == [("ours", 0), ("ours", 1)]
    for place, (patches, seed) in enumerate(seen):
        assert patches.tobytes() == x[FOLDS[place].train].tobytes()
        assert seed == 5 + place
    assert all(each.seconds > 0 for each in found.values())


def test_functions_run_beside_each_other_where_they_can_and_give_equal_weights(
    x, tmp_path, equal_states
):
    np.save(tmp_path / "x.npy", x)
    functions = {
        "simclr": partial(foundation_simclr_pretrain, epochs=2, batch_size=4),
        "ours": lambda patches, seed: foundation_encoder("moco", 4, seed=seed),
    }
    keys = [(name, place) for name in functions for place in (0, 1)]
    here = dict(pretrained(design_of(x), x, functions, keys, 1))
    beside = dict(pretrained(design_of(x), str(tmp_path / "x.npy"), functions, keys, 2))
    assert set(here) == set(beside) == set(keys)
    for key in keys:
        assert equal_states(here[key].encoder.state_dict(), beside[key].encoder.state_dict())


# --- fits ---------------------------------------------------------------------------------


def share_of_each_class(encoder, x, y, test, *, labels, seed):
    assert len(x) == len(y)
    assert sorted(set(y)) == list(range(y.max() + 1))
    return np.tile(np.bincount(y) / len(y), (len(test), 1))


ARMS = [Arm("shares", None, share_of_each_class)]


def test_a_row_of_the_table_judges_what_was_learnt(x):
    design = design_of(x, labels=(9,))
    keys = keys_of(design, ARMS)
    rows = [row for _, row in results(design, x, ARMS, {}, keys, 1)]
    assert [row["repeat"] for row in rows] == [1, 2, 3]
    for repeat, row in enumerate(rows):
        truth = CODES[design.tested(design.place(repeat))]
        shares = np.bincount(CODES[design.drawn(repeat, 9)]) / 9
        right = truth == shares.argmax()
        assert row["accuracy"] == right.mean()
        assert_close(row["balanced_accuracy"], 1 / 3, 1e-12)
        assert_close(row["log_loss"], -np.log(shares[truth]).mean(), 1e-12)
        assert (row["method"], row["labels"], row["fold"]) == ("shares", 9, 7 if repeat != 1 else 9)
        assert (row["n_train"], row["n_test"]) == (9, len(truth))


def test_a_class_without_a_label_is_never_predicted(x):
    folds = [Fold(1, np.array([0, 1, 3, 4, 6]), np.arange(20, 36))]
    design = design_of(x, folds, labels=(3,), repeats=2)
    keys = keys_of(design, ARMS)
    row = next(iter(results(design, x, ARMS, {}, keys, 1)))[1]
    tested = CODES[20:36]
    assert row["accuracy"] in [(tested == code).mean() for code in (0, 1)]
    assert row["log_loss"] > -np.log(np.finfo(float).eps) * (tested == 2).mean()


def weight_of(encoder, x, y, test, *, labels, seed):
    first = next(encoder.parameters()).sum().sigmoid().item()
    return np.tile([first, 1 - first, 0.0], (len(test), 1))


def test_each_arm_begins_with_the_encoder_of_its_start_and_fold(x):
    design = design_of(x, labels=(9,))
    encoders = {
        (name, place): foundation_encoder("simclr", 4, seed=10 * place + len(name))
        for name in ("a", "bb")
        for place in (0, 1)
    }
    arms = [Arm("of b", "bb", weight_of), Arm("of a", "a", weight_of)]
    keys = keys_of(design, arms)
    found = dict(results(design, x, arms, encoders, keys, 1))
    for (_, repeat, name), row in found.items():
        encoder = encoders["a" if name == "of a" else "bb", repeat % 2]
        place = design.place(repeat)
        values = weight_of(encoder, x, None, x[design.tested(place)], labels=9, seed=1)
        truth = CODES[design.tested(place)]
        given = np.clip(values[np.arange(len(truth)), truth], np.finfo(float).eps, None)
        assert_close(row["log_loss"], -np.log(given).mean(), 1e-12)

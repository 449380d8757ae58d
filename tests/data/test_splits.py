"""Which rows train and which validate: groups, blocks, folds and explicit rows."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold

from edaphos_bridge import FoundationClassifier, foundation_fit_classifier
from edaphos_bridge.data.folds import draw_folds, read_folds
from edaphos_bridge.data.splits import near, read_split
from edaphos_bridge.errors import InputError, NoteWarning
from edaphos_bridge.training.plan import draw_plan
from small_fits import same


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def parted(n, val_split=0.2, seed=1, **arguments):
    """Training and validation rows."""
    rows = read_split(n, **arguments).rows(val_split, generator(seed))
    return [side.tolist() for side in rows]


def fields(n=41):
    """Five fields whose rows are mixed."""
    return [f"field {row * 7 % 5}" for row in range(n)]


def plots(n=41):
    """Points in a square of 100 m."""
    return np.random.default_rng(2).uniform(0, 100, size=(n, 2))


# --- groups -------------------------------------------------------------------------------

GROUPS = st.lists(st.integers(0, 6), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1)
SHARES = st.floats(0, 0.9, exclude_min=True)


@given(GROUPS, SHARES, st.integers(0, 5))
def test_no_group_is_on_both_sides_and_every_row_is_on_one(groups, share, seed):
    train, held_out = parted(len(groups), share, seed, groups=groups)
    assert sorted(train + held_out) == list(range(len(groups)))
    assert train == sorted(train)
    assert train
    assert held_out
    assert not {groups[row] for row in train} & {groups[row] for row in held_out}


@given(GROUPS, SHARES, st.integers(0, 5))
def test_groups_are_held_out_until_the_share_is_reached_or_one_is_left(groups, share, seed):
    train, held_out = parted(len(groups), share, seed, groups=groups)
    reached = len(held_out) >= share * len(groups)
    assert reached or len({groups[row] for row in train}) == 1
    sizes = [groups.count(group) for group in {groups[row] for row in held_out}]
    if len(sizes) > 1:  # without the last one that was drawn, whichever it was, it was not
        assert len(held_out) - max(sizes) < share * len(groups)


def test_groups_are_drawn_from_the_seed():
    draws = [parted(41, groups=fields(), seed=seed) for seed in (1, 1, 2, 3, 4, 5)]
    assert draws[0] == draws[1]
    assert any(draw != draws[0] for draw in draws)


@pytest.mark.parametrize(
    "kind", [list, np.array, pd.Series, pd.Categorical, lambda g: pd.Series(g, index=range(41, 82))]
)
def test_groups_are_the_same_whatever_holds_them(kind):
    assert parted(41, groups=kind(fields())) == parted(41, groups=fields())


def test_names_of_groups_mean_nothing_but_their_order_of_appearance():
    numbers = [int(name[-1]) for name in fields()]
    expected = parted(41, groups=fields())
    assert parted(41, groups=numbers) == expected
    assert parted(41, groups=torch.tensor(numbers)) == expected


def test_without_a_share_nothing_is_held_out():
    assert parted(41, 0.0, groups=fields()) == [list(range(41)), []]


# --- blocks -------------------------------------------------------------------------------


def test_a_block_is_a_square_that_begins_at_a_multiple_of_its_side():
    points = [(0, 0), (9.99, 9.99), (10, 0), (-0.01, 0), (0, -10), (19, 9)]
    split = read_split(6, blocks=points, block_size=10)
    assert [split.codes[0] == code for code in split.codes] == [True, True, False, False, False,
                                                                False]  # fmt: skip
    assert split.codes[2] == split.codes[5]
    assert split.describe()["n_blocks"] == 4


@given(st.integers(0, 30), st.floats(0.05, 0.5), st.sampled_from([0.0, 3.0, 12.5]))
def test_blocks_stay_whole_and_what_trains_is_at_least_the_buffer_away(seed, share, buffer):
    points = plots()
    train, held_out = parted(41, share, seed, blocks=points, block_size=25, buffer=buffer)
    blocks = {row: tuple(points[row] // 25) for row in range(41)}
    assert not {blocks[row] for row in train} & {blocks[row] for row in held_out}
    distance = np.hypot(*(points[train][:, None] - points[held_out][None]).transpose(2, 0, 1))
    assert distance.min() >= buffer
    for row in set(range(41)) - {*train, *held_out}:  # nothing is left out without a reason
        assert np.hypot(*(points[held_out] - points[row]).T).min() < buffer


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 60), st.integers(0, 9))
def test_near_is_what_all_pairs_say(n, m, distance, seed):
    rng = np.random.default_rng(seed)
    one, other = rng.uniform(-50, 50, (n, 2)), rng.uniform(-50, 50, (m, 2))
    pairs = np.hypot(*(one[:, None] - other[None]).transpose(2, 0, 1))
    assert near(one, other, distance).tolist() == (pairs < distance).any(axis=1).tolist()


def test_near_looks_at_pairs_in_parts(monkeypatch):
    one, other = plots(41), plots(30) + 5
    expected = near(one, other, 7.0)
    monkeypatch.setattr("edaphos_bridge.data.splits._PAIRS", 50)
    assert near(one, other, 7.0).tolist() == expected.tolist()
    assert 0 < expected.sum() < 41


def test_a_distance_that_is_the_buffer_is_not_nearer():
    points = [(0, 0), (10, 0), (20, 0)]
    assert near(np.array(points[1:], float), np.array(points[:1], float), 10.0).tolist() == [
        False,
        False,
    ]


def test_blocks_come_as_arrays_tables_or_points():
    points = plots()
    expected = parted(41, blocks=points, block_size=30)
    table = pd.DataFrame({"name": "a", "Y": points[:, 1], "X": points[:, 0]})
    assert parted(41, blocks=table, block_size=30) == expected
    assert parted(41, blocks=points.tolist(), block_size=30) == expected


# --- folds and explicit rows --------------------------------------------------------------


def test_folds_of_a_vector_are_named_by_their_numbers_and_the_lowest_is_the_first():
    numbers = [3, 1, 2, 1, 3]
    assert [fold.name for fold in read_folds(numbers, 5)] == [1, 2, 3]
    assert parted(5, folds=numbers) == [[0, 2, 4], [1, 3]]
    assert parted(5, folds=np.array(numbers, dtype=float), fold=3) == [[1, 2, 3], [0, 4]]


def test_folds_of_a_list_are_what_each_holds_out_named_by_their_place():
    held_out = [[4, 0], np.array([1]), [2, 3]]
    assert parted(5, folds=held_out) == [[1, 2, 3], [0, 4]]
    assert parted(5, folds=held_out, fold=2) == [[0, 1, 4], [2, 3]]
    assert parted(5, folds=held_out, fold=3, first=1) == [[0, 1, 4], [2, 3]]


def test_folds_of_pairs_say_what_trains_too_and_the_rest_is_left_out():
    pairs = [([3, 0], [1]), (np.array([1, 2]), np.array([4, 3]))]
    assert parted(5, folds=pairs, fold=1) == [[1, 2], [3, 4]]
    assert parted(5, folds=iter(pairs)) == [[0, 3], [1]]


def test_two_folds_of_two_rows_each_are_no_pair():
    assert parted(5, folds=[[0, 1], [2, 3]], fold=1) == [[0, 1, 4], [2, 3]]


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor, pd.Series])
def test_the_number_of_each_rows_fold_comes_in_any_array(kind):
    assert parted(6, folds=kind([1, 0, 1, 0, 2, 2]), fold=2) == [[0, 1, 2, 3], [4, 5]]


def test_a_splitter_of_scikit_learn_gives_pairs():
    pairs = list(GroupKFold(3).split(np.zeros(41), groups=fields()))
    found = read_folds(pairs, 41)
    assert [fold.train.tolist() for fold in found] == [train.tolist() for train, _ in pairs]
    assert [fold.test.tolist() for fold in found] == [test.tolist() for _, test in pairs]
    with pytest.raises(InputError, match=r"`folds` must be .*list\(splitter\.split"):
        read_folds(GroupKFold(3), 41)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, pd.Series])
def test_validation_rows_come_as_rows_or_as_a_mask(kind):
    expected = [[0, 2, 4], [1, 3]]
    assert parted(5, validation=kind([3, 1])) == expected
    assert parted(5, validation=kind([False, True, False, True, False])) == expected


# --- drawn folds --------------------------------------------------------------------------


@given(st.integers(2, 6), st.integers(6, 60), st.integers(0, 5))
def test_drawn_folds_are_of_one_size_and_strata_are_shared_out(k, n, seed):
    strata = np.random.default_rng(seed).integers(0, 3, n)
    fold = draw_folds(k, generator(seed), np.arange(n), strata)
    sizes = np.bincount(fold, minlength=k)
    assert sizes.max() - sizes.min() <= 1
    for stratum in range(3):
        shares = np.bincount(fold[strata == stratum], minlength=k)
        assert shares.max() - shares.min() <= 1


@given(GROUPS, st.integers(2, 4), st.integers(0, 5))
def test_drawn_folds_keep_groups_whole_and_are_of_like_size(groups, k, seed):
    codes = pd.factorize(np.array(groups))[0]
    fold = draw_folds(k, generator(seed), codes)
    for code in set(codes):
        assert len(set(fold[codes == code])) == 1
    sizes = np.bincount(fold, minlength=k)
    assert sizes.max() - sizes.min() <= np.bincount(codes).max()


# --- the plan and the fit -----------------------------------------------------------------


def test_without_a_split_the_plan_is_that_of_before():
    one, other = draw_plan(41, 0.2, generator()), draw_plan(41, 0.2, generator(), None)
    draws = generator()
    expected = torch.randperm(41, generator=draws)[:8]
    assert one.val_rows.tolist() == other.val_rows.tolist() == expected.tolist()
    order = torch.randperm(33, generator=draws).tolist()
    assert one.permutation(0).tolist() == other.permutation(0).tolist() == order


def test_known_rows_draw_nothing_so_that_orders_begin_at_the_seed():
    plan = draw_plan(41, 0.2, generator(), read_split(41, validation=[1, 2]))
    assert plan.val_rows.tolist() == [1, 2]
    assert plan.permutation(0).tolist() == torch.randperm(39, generator=generator()).tolist()


def quick(encoder, x, y, **arguments):
    return foundation_fit_classifier(encoder, x, y, epochs=2, seed=1, **arguments)


@pytest.mark.parametrize("freeze_backbone", [True, False])
def test_every_way_is_the_fit_with_the_rows_written_out(encoder, x, y, freeze_backbone):
    folds = np.arange(41) // 14
    expected = quick(encoder, x, y, validation=folds == 1, freeze_backbone=freeze_backbone)
    for given_as in (
        {"folds": folds, "fold": 1},
        {"folds": [np.flatnonzero(folds == i) for i in range(3)], "fold": 1},
        {"folds": [(np.flatnonzero(folds != 1), np.flatnonzero(folds == 1))]},
    ):
        fit = quick(encoder, x, y, freeze_backbone=freeze_backbone, **given_as)
        fit.config["split"] = expected.config["split"]  # how it was said
        assert same(fit, expected)


def test_rows_that_are_left_out_are_as_if_they_were_not_there(encoder, x, y):
    kept = np.arange(30)
    pairs = [(kept[6:], kept[:6])]
    fit = quick(encoder, x, y, folds=pairs)
    alone = quick(encoder, x[:30], y[:30], validation=kept[:6])
    assert fit.loss_history == alone.loss_history
    assert fit.val_accuracy_history == alone.val_accuracy_history
    assert torch.equal(fit.head.state_dict()["weight"], alone.head.state_dict()["weight"])


@pytest.mark.parametrize(
    ("arguments", "described"),
    [
        ({"groups": fields()}, {"by": "groups", "n_groups": 5}),
        (
            {"blocks": plots(), "block_size": 25, "buffer": 5},
            {
                "by": "blocks",
                "block_size": 25.0,
                "buffer": 5.0,
                "n_blocks": len(np.unique(plots() // 25, axis=0)),
            },
        ),
        ({"folds": np.arange(41) % 4, "fold": 2}, {"by": "folds", "fold": 2, "n_folds": 4}),
        ({"validation": [0, 1]}, {"by": "validation"}),
    ],
)
def test_a_fit_says_how_its_rows_were_parted_and_its_file_too(encoder, x, y, arguments, described):
    fit = quick(encoder, x, y, **arguments)
    split = fit.config["split"]
    assert {name: split[name] for name in described} == described
    train, held_out = parted(41, **arguments)
    assert split["n_train"] == len(train)
    assert split["n_validation"] == len(held_out)
    assert split["n_left_out"] == 41 - len(train) - len(held_out)
    assert json.loads(json.dumps(split)) == split
    again = FoundationClassifier.from_bytes(fit.to_bytes())
    assert again.config == fit.config
    assert again.predict_proba(x).tolist() == fit.predict_proba(x).tolist()


def test_printing_says_how_rows_were_parted(encoder, x, y):
    pairs = [(range(20, 41), range(10)), (range(20, 41), range(18))]
    assert "\n  validation:    fold 1: 18 rows beside 21 that train, 2 left out\n" in repr(
        quick(encoder, x, y, folds=pairs, fold=1)
    )
    by_groups = quick(encoder, x, y, groups=fields())
    split = by_groups.config["split"]
    shown = f"whole groups: {split['n_validation']} rows beside {split['n_train']} that train\n"
    assert f"\n  validation:    {shown}" in repr(by_groups)
    assert "validation:" not in repr(quick(encoder, x, y))


def test_what_a_seed_makes_impossible_is_told_before_any_work(encoder, x, y, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.fits.run.inputs_of", None)  # nothing is encoded
    with pytest.raises(InputError, match="`buffer` leaves no training row"):
        quick(encoder, x, y, blocks=plots(), block_size=25, buffer=150)


def test_a_random_split_leaves_no_trace(encoder, x, y):
    assert "split" not in quick(encoder, x, y).config


def test_overlap_is_told_of_random_splits_only(encoder, x, y, monkeypatch, recwarn):
    monkeypatch.setattr("edaphos_bridge.data.patches.Patches.overlapping", 5)
    with pytest.warns(NoteWarning, match="share cells"):
        quick(encoder, x, y)
    recwarn.clear()
    fit = quick(encoder, x, y, groups=fields())
    assert not recwarn.list
    assert "share cells" not in repr(fit)


# --- bad input ----------------------------------------------------------------------------

PAIR = [(range(30), range(30, 41))]
BAD_INPUT = [
    ({"groups": fields(), "validation": [1]}, "validation", "together with `groups`"),
    ({"blocks": plots(), "folds": [[1]]}, "folds", "together with `blocks`"),
    ({"groups": fields(40)}, "groups", "one group for each of the 41 patches; found 40"),
    ({"groups": ["a"] * 41}, "groups", "is one group only"),
    ({"groups": ["a", None, "b", float("nan"), *"a" * 37]}, "groups", "NA in 2 of 41 groups (first: 1, 3;"),  # noqa: E501
    ({"groups": "field"}, "groups", "one group for each of the 41 patches; found 'str'"),
    ({"groups": 5}, "groups", "found 'int'"),
    ({"groups": np.zeros((41, 2))}, "groups", "found 'ndarray'"),
    ({"groups": [[1]] * 41}, "groups", "found 'list'"),
    ({"blocks": plots()}, "block_size", "is needed with `blocks`"),
    ({"blocks": plots(), "block_size": 0}, "block_size", "greater than 0; found 0"),
    ({"blocks": plots(), "block_size": 1000}, "block_size", "all points in one block"),
    ({"blocks": plots() * 1e300, "block_size": 1e-300}, "block_size", "too small"),
    ({"blocks": plots(), "block_size": 10, "buffer": -1}, "buffer", "at least 0; found -1"),
    ({"blocks": plots(), "block_size": 10, "buffer": 500}, "buffer", "leaves no training row"),
    ({"blocks": plots(40), "block_size": 10}, "blocks", "one point for each of the 41 patches"),
    ({"blocks": plots()[:, :1], "block_size": 10}, "blocks", "pairs of numbers"),
    ({"blocks": "field", "block_size": 10}, "blocks", "pairs of numbers"),
    ({"blocks": [(np.nan, 0), *[(1, 1)] * 40], "block_size": 10}, "blocks", "1 of 41 points (first: 0;"),  # noqa: E501
    ({"block_size": 10}, "block_size", "needs `blocks`"),
    ({"buffer": 10, "groups": fields()}, "buffer", "needs `blocks`"),
    ({"buffer": np.array([1, 2]), "groups": fields()}, "buffer", "single finite number"),
    ({"buffer": False}, "buffer", "single finite number"),
    ({"fold": 1}, "fold", "needs `folds`"),
    ({"folds": np.arange(41) % 3, "fold": 3}, "fold", "one of the folds 0, 1, 2; found 3"),
    ({"folds": np.arange(41) % 3, "fold": "a"}, "fold", "one of the folds 0, 1, 2; found 'a'"),
    ({"folds": np.arange(40)}, "folds", "for each of the 41 patches"),
    ({"folds": [1] * 41}, "folds", "at least two folds; found [1]"),
    ({"folds": [0.5] * 41}, "folds", "found 0.5"),
    ({"folds": [True, False] * 20 + [True]}, "folds", "found 'bool'"),
    ({"folds": "a"}, "folds", "found 'str'"),
    ({"folds": []}, "folds", "found []"),
    ({"folds": [[1, 41, -1]]}, "folds", "2 of 3 are none (first: 41, -1;"),
    ({"folds": [[1, 1, 2]]}, "folds", "each row once; some come again (first: 1;"),
    ({"folds": [[]]}, "folds", "holds out no row in fold 0"),
    ({"folds": [[1], []]}, "folds", "holds out no row in fold 1"),
    ({"folds": [([], [1, 2])]}, "folds", "leaves no training row in fold 0"),
    ({"folds": [([1, 2], [2, 3])]}, "folds", "train and are held out in fold 0 (first: 2;"),
    ({"folds": [range(30), range(20, 41)]}, "folds", "more than half of the rows"),
    ({"validation": []}, "validation", "holds out no row"),
    ({"validation": range(41)}, "validation", "leaves no training row"),
    ({"validation": [41]}, "validation", "rows of the 41 patches"),
    ({"validation": [-1]}, "validation", "(first: -1;"),
    ({"validation": [1, 1]}, "validation", "each row once"),
    ({"validation": [1.5]}, "validation", "found 1.5"),
    ({"validation": [True] * 40}, "validation", "true/false value for each of the 41 patches"),
    ({"validation": "a"}, "validation", "found 'str'"),
    ({"validation": 3}, "validation", "whole numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "argument", "problem"), BAD_INPUT)
def test_bad_input_is_named_before_any_training(
    encoder, x, y, no_training, arguments, argument, problem
):
    with pytest.raises(InputError) as caught:
        foundation_fit_classifier(encoder, x, y, **arguments)
    assert caught.value.argument == argument
    assert problem in str(caught.value)


def test_points_too_far_apart_for_a_double_are_far_without_a_warning(recwarn):
    points = np.array([[-1.5e308, 0.0], [1.5e308, 0.0]])
    assert not near(points[:1], points[1:], 1.0).any()
    assert not recwarn.list


def test_folds_beyond_64_bits_are_no_whole_numbers():
    with pytest.raises(InputError) as raised:
        read_folds([1e300, 2.0], 2)
    assert raised.value.argument == "folds"

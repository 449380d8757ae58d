"""Methods compared over repeats: the tables and what is said of the differences."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.comparison import Comparison, Paired

METHODS = {"ours": "our method", "plain": "a plain one"}
HEADINGS = {"5": "5 labels", "all": "all labels"}
ACCURACY = {
    ("ours", "5"): [0.7, 0.8, 0.75],
    ("plain", "5"): [0.5, 0.62, 0.55],
    ("ours", "all"): [0.9, 0.8, 0.88],
    ("plain", "all"): [0.85, 0.85, 0.85],
}


@pytest.fixture
def results():
    return pd.DataFrame(
        [
            {
                "method": method,
                "labels": labels,
                "repeat": repeat,
                "fold": repeat,
                "accuracy": accuracy,
                "balanced_accuracy": accuracy - 0.1,
                "log_loss": 1 - accuracy,
            }
            for (method, labels), values in ACCURACY.items()
            for repeat, accuracy in enumerate(values, start=1)
        ]
    )


@pytest.fixture
def comparison(results):
    return Comparison(results, METHODS, HEADINGS, [("ours", "plain")])


def test_values_are_in_the_order_of_the_repeats(results):
    shuffled = Comparison(results[::-1], METHODS, HEADINGS, [])
    assert shuffled.values("ours", "5").tolist() == [0.7, 0.8, 0.75]
    found = shuffled.values("ours", "5", "balanced_accuracy")
    assert_close(found, np.array([0.6, 0.7, 0.65]), 1e-12)


def test_the_table_has_mean_and_standard_deviation_of_both_measures(comparison):
    title, _, head, _, ours, plain = comparison.table()
    assert title.endswith("mean ± sd of 3 repeats.")
    assert head == "| method | 5 labels | all labels |"
    assert ours == (
        "| our method | 0.750 ± 0.050 (0.650 ± 0.050) | 0.860 ± 0.053 (0.760 ± 0.053) |"
    )
    assert plain.startswith("| a plain one | 0.557 ± 0.060 (0.457 ± 0.060) |")


def test_a_paired_difference_has_the_interval_of_the_paired_t_test(comparison):
    found = comparison.paired("ours", "plain", "5")
    test = stats.ttest_rel(ACCURACY["ours", "5"], ACCURACY["plain", "5"])
    low, high = test.confidence_interval(0.95)
    assert_close([found.mean, found.low, found.high], [0.58 / 3, low, high], 1e-9)
    assert (found.above, found.repeats) == (3, 3)


def test_repeats_that_share_a_fold_count_as_one_in_an_interval(results):
    rng = np.random.default_rng(1)
    rows = results[results["labels"] == "5"].drop(columns="accuracy")
    rows = pd.concat([rows.assign(repeat=rows["repeat"] + 3 * n) for n in range(4)])
    rows["accuracy"] = rng.uniform(size=len(rows))
    found = Comparison(rows, METHODS, {"5": "5 labels"}, []).paired("ours", "plain", "5")
    ours, plain = (
        rows[rows["method"] == name].groupby("fold")["accuracy"].mean() for name in METHODS
    )
    test = stats.ttest_rel(ours, plain)
    low, high = test.confidence_interval(0.95)
    assert_close([found.mean, found.low, found.high], [(ours - plain).mean(), low, high], 1e-9)
    assert found.repeats == 12


def test_repeats_on_one_fold_are_what_an_interval_is_made_of(results):
    alone = Comparison(results.assign(fold=1), METHODS, HEADINGS, [])
    apart = Comparison(results, METHODS, HEADINGS, [])
    assert alone.paired("ours", "plain", "5") == apart.paired("ours", "plain", "5")


def test_the_table_of_differences_and_the_sentences_say_the_same(comparison):
    *_, head, _, row = comparison.differences()
    assert head == "| difference | 5 labels | all labels |"
    assert row.startswith("| our method, minus a plain one | +0.193 (+0.165 to +0.222), 3 of 3 |")
    assert comparison.verdicts() == [
        "* Our method, against a plain one: better at 5 labels (+0.193); "
        "not settled at all labels (+0.010)."
    ]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.3, "better"), (-0.3, -0.1, "worse"), (-0.1, 0.3, "not settled")],
)
def test_a_difference_is_settled_where_its_interval_does_not_hold_zero(low, high, verdict):
    assert Paired((low + high) / 2, low, high, 3, 3).verdict() == verdict


@pytest.mark.parametrize("damage", ["missing", "twice", "unknown"])
def test_results_that_are_missing_or_there_twice_are_refused(results, damage):
    changed = {
        "missing": results[1:],
        "twice": pd.concat([results, results[:1]]),
        "unknown": results.assign(method=["another", *results["method"][1:]]),
    }[damage]
    with pytest.raises(InputError, match="`results` must have each method"):
        Comparison(changed, METHODS, HEADINGS, [])


def test_one_repeat_is_refused(results):
    one = results[results["repeat"] == 1]
    with pytest.raises(InputError, match="`results` must be of at least two repeats; found 1"):
        Comparison(one, METHODS, HEADINGS, [])

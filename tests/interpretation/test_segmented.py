"""Scores of masks: counted over tiles, each as often as its weight says."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_interpret
from edaphos_bridge.data.masks import as_masks
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.decoder import MapShapes
from edaphos_bridge.heads.decoders import make_decoder
from edaphos_bridge.interpretation.segmented import OF_A_MASK_CLASS, OF_MASKS, Segmented
from edaphos_bridge.segmenter import FoundationSegmenter
from edaphos_bridge.tasks.segmentation import Segmentation


class Itself(nn.Module):
    def maps(self, x):
        return [x]

    def forward(self, x):
        return x.mean(dim=(2, 3))


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(12, 3, 6, 5)).astype(np.float32)


@pytest.fixture
def truth(x):
    """The band that is brightest, with noise; a third of the cells has no label."""
    rng = np.random.default_rng(2)
    codes = np.where(rng.uniform(size=x[:, 0].shape) < 0.3, rng.integers(3, size=x[:, 0].shape),
                     x.argmax(axis=1))  # fmt: skip
    return np.where(rng.uniform(size=codes.shape) < 0.3, -1, codes)


@pytest.fixture
def fit(truth):
    """A segmenter that takes the brightest band."""
    masks = as_masks(truth, unlabelled=-1)
    decoder = make_decoder("linear", MapShapes.of([(3, 6, 5), (3, 6, 5)]), 3)
    with torch.no_grad():
        decoder.linear.weight.copy_(torch.eye(3)[:, :, None, None])
        decoder.linear.bias.zero_()
    return FoundationSegmenter(
        task=Segmentation.of(masks, unlabelled=-1), encoder=Itself().eval(), head=decoder.eval(),
        loss_history=[1.0], score_history=[0.5], config={}, feature_dim=3, head_type="linear",
        freeze_backbone=True, device="cpu", in_channels=3, patch_size=[6, 5],
    )  # fmt: skip


def cells(x, truth, rows):
    """Actual and predicted class of each labelled cell of these tiles."""
    known = truth[rows] >= 0
    return truth[rows][known], x[rows].argmax(axis=1)[known]


@pytest.mark.parametrize("rows", [np.arange(12), np.array([3, 3, 3, 7])])
def test_scores_are_scikit_learns_over_all_labelled_cells(fit, x, truth, rows):
    outcome = Segmented.of(fit, Patches(x), as_masks(truth, unlabelled=-1))
    found = outcome.scores(np.bincount(rows, minlength=12).astype(float))
    actual, predicted = cells(x, truth, rows)
    means = dict(zip(OF_MASKS, found[: len(OF_MASKS)], strict=True))
    assert_close(means["pixel_accuracy"], (actual == predicted).mean(), 1e-12)
    scores = {"iou": jaccard_score, "dice": f1_score, "f1": f1_score,
              "precision": precision_score, "recall": recall_score}  # fmt: skip
    of_classes = found[len(OF_MASKS) :].reshape(3, -1)
    for name, score in scores.items():
        assert_close(means[name], score(actual, predicted, average="macro"), 1e-12)
        column = of_classes[:, OF_A_MASK_CLASS.index(name)]
        assert_close(column, score(actual, predicted, average=None), 1e-12)
    assert of_classes[:, -1].tolist() == np.bincount(actual, minlength=3).tolist()


def test_losses_are_the_mean_cross_entropy_of_the_labelled_cells_of_a_tile(fit, x, truth):
    truth[4] = -1
    found = Segmented.of(fit, Patches(x), as_masks(truth, unlabelled=-1)).losses
    share = np.exp(x.astype(float))
    share /= share.sum(axis=1, keepdims=True)
    for row in range(12):
        known = truth[row] >= 0
        of_truth = np.take_along_axis(share[row], np.maximum(truth[row], 0)[None], axis=0)[0]
        expected = -np.log(of_truth[known]).mean() if known.any() else 0
        assert_close(found[row], expected, 1e-5)


def test_foundation_interpret_has_scores_intervals_and_the_worst_tiles(fit, x, truth):
    found = foundation_interpret(fit, x, truth, n_boot=200, seed=1, n_pictures=5)
    table = found.as_table()
    assert table["metric"][: len(OF_MASKS)].tolist() == list(OF_MASKS)
    overall = table[table["class"].isna()]
    assert (overall["conf_low"] <= overall["estimate"]).all()
    assert (overall["estimate"] <= overall["conf_high"]).all()
    assert table["class"].tolist()[len(OF_MASKS)] == 0
    assert type(table["class"].tolist()[-1]) is int  # not 2.0
    support = table[table["metric"] == "support"]
    assert support["estimate"].sum() == (truth >= 0).sum()
    assert support["conf_low"].isna().all()
    worst = found.top_losses(5)
    assert worst["loss"].is_monotonic_decreasing
    assert found.picture_rows.tolist() == worst["row"].tolist()
    assert np.array_equal(found.masks, truth[worst["row"]])
    assert np.array_equal(found.predicted, x[worst["row"]].argmax(axis=1))
    assert found.confusion.to_numpy().sum() == (truth >= 0).sum()
    assert isinstance(found.confusion, pd.DataFrame)
    shown = dict(line.split(":", 1) for line in repr(found).splitlines()[1:])
    estimate = overall.set_index("metric")["estimate"]
    assert shown["  iou"].split()[0] == f"{estimate['iou']:.3f}"


def test_most_confused_are_the_largest_counts_of_cells_off_the_diagonal(fit, x, truth):
    found = foundation_interpret(fit, x, truth, n_boot=0, seed=1)
    actual, predicted = cells(x, truth, np.arange(12))
    wrong = pd.Series([pair for pair in zip(actual, predicted, strict=True) if pair[0] != pair[1]])
    counts = wrong.value_counts()
    confused = found.most_confused()
    pairs = list(zip(confused["actual"], confused["predicted"], strict=True))
    assert confused["count"].tolist() == [counts[pair] for pair in pairs]
    assert len(pairs) == len(counts) == 6
    assert confused["count"].is_monotonic_decreasing
    assert found.confusion.loc[pairs[0]] == confused["count"][0]
    assert len(found.most_confused(int(counts.max()) + 1)) == 0
    first = f"{pairs[0][0]} taken for {pairs[0][1]} ({counts.max()})"
    assert first in repr(found)


def test_intervals_over_groups_draw_whole_groups(fit, x, truth):
    alone = foundation_interpret(fit, x, truth, n_boot=50, seed=1)
    fields = foundation_interpret(fit, x, truth, n_boot=50, seed=1, groups=np.arange(12) // 4)
    assert "50 draws of 3 groups" in repr(fields)
    assert alone.as_table()["estimate"].equals(fields.as_table()["estimate"])
    assert not alone.as_table()["conf_low"].equals(fields.as_table()["conf_low"])


def test_pictures_show_patch_mask_and_prediction(fit, x, truth):
    found = foundation_interpret(fit, x, truth, n_boot=0, seed=1, n_pictures=3)
    figure = found.plot_top_losses(3)
    assert len(figure.axes) == 9
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["0", "1", "2"]
    assert found.plot_confusion().get_xlabel() == "predicted"
    assert len(found.plot_top_losses().axes) == 9
    with pytest.raises(InputError, match="at most 3"):
        found.plot_top_losses(4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"y": np.zeros((12, 5, 5), int)}, "`y` must have 6 x 5 cells"),
        ({"y": np.full((12, 6, 5), 4)}, "classes among 0, 1, 2"),
        ({"baselines": True}, "baselines"),
        ({"train": (1, 2)}, "train"),
        ({"groups": np.arange(3)}, "groups"),
    ],
)
def test_bad_input_is_an_error(fit, x, truth, changes, says):
    given = {"x": x, "y": truth, "n_boot": 0, **changes}
    with pytest.raises(InputError, match=says):
        foundation_interpret(fit, **given)

"""What printing a fit shows."""

import math
import re

import pytest

from small_fits import quick


@pytest.mark.parametrize(
    ("changes", "regime"),
    [
        ({}, "linear probing"),
        ({"head": "mlp", "hidden": 5}, "frozen backbone"),
        ({"freeze_backbone": False}, "full fine-tuning"),
    ],
)
def test_printing_shows_what_the_original_shows(encoder, x, y, changes, regime):
    fit = quick(encoder, x, y, **changes)
    accuracies = fit.val_accuracy_history
    best = max(accuracies)
    lines = repr(fit).splitlines()
    assert lines[0] == "<edaphos_foundation_classifier>"
    shown = dict(re.split(r":\s+", line.strip(), maxsplit=1) for line in lines[1:])
    assert shown == {
        "classes": "Inceptisol, Oxisol, Ultisol",
        "feature_dim": "8",
        "head": changes.get("head", "linear"),
        "regime": regime,
        "device": "cpu",
        "final loss": f"{fit.loss_history[-1]:.4f}",
        "best val_acc": f"{best:.3f} (epoch {accuracies.index(best) + 1}), "
        f"at the end {accuracies[-1]:.3f}",
    }


@pytest.mark.parametrize(
    ("accuracies", "line"),
    [
        ([0.5, 0.875, 0.75], "0.875 (epoch 2), at the end 0.750"),
        ([0.5, 0.875, 0.875], "0.875 (epoch 2), at the end 0.875"),
        ([0.25], "0.250 (epoch 1), at the end 0.250"),
        ([math.nan, math.nan], "NA"),
    ],
)
def test_printing_shows_the_accuracy_of_the_weights_kept_beside_the_best(
    encoder, x, y, accuracies, line
):
    fit = quick(encoder, x, y)
    fit.score_history = accuracies
    assert repr(fit).splitlines()[-1] == f"  best val_acc:  {line}"

"""Which patches a multi-label fit gets wrong with the highest loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_LOG_AT_LEAST = -100.0  # as torch's binary cross-entropy bounds its logarithms


def top_losses(
    prob: NDArray[np.float64],
    actual: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    labels: Sequence[str],
    k: int,
) -> pd.DataFrame:
    """Return at most `k` rows for which a label is wrong, the highest loss first.

    Of each its row, its mean binary cross-entropy, both sets of labels, and all probabilities.
    """
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(np.where(actual, prob, 1 - prob)), _LOG_AT_LEAST)
    losses = -logs.mean(axis=1)
    wrong = np.flatnonzero((predicted != actual).any(axis=1))
    rows = wrong[np.argsort(-losses[wrong], kind="stable")][:k]
    return pd.DataFrame(
        {
            "row": rows,
            "loss": losses[rows],
            "actual": [names_of(actual[row], labels) for row in rows],
            "predicted": [names_of(predicted[row], labels) for row in rows],
            **{f".pred_{name}": prob[rows, column] for column, name in enumerate(labels)},
        }
    )


def names_of(held: NDArray[np.bool_], labels: Sequence[str]) -> list[str]:
    """Return the names of the labels that a patch has."""
    return [labels[column] for column in np.flatnonzero(held)]

"""Scores of the ways of fine-tuning with intervals that resample blocks of the scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.interpretation.bootstrap import intervals
from edaphos_bridge.interpretation.units import units_of

Way = tuple[str, str]  # the encoder ("" for none) and a key of ways.py
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def cell(self, sign: str = "") -> str:
        """Return the cell of a table."""
        form = f"{sign}.3f"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


@dataclass(frozen=True)
class WayScores:
    """Of one way: accuracy, balanced accuracy, and its accuracy minus that of the reference."""

    accuracy: Estimate
    balanced: Estimate
    difference: Estimate


def scores_of(
    predicted: Mapping[Way, Codes],
    truth: Codes,
    blocks: Codes,
    *,
    reference: Way,
    n_boot: int,
    seed: int,
) -> dict[Way, WayScores]:
    """Return the scores of each way on the same tested patches; one bootstrap serves them all."""
    ways = list(predicted)
    right = np.stack([predicted[way] == truth for way in ways]).astype(float)
    classes = np.unique(truth)

    def measure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = accuracies(right, truth, classes, weights)
        return np.concatenate([*found, found[0] - found[0][ways.index(reference)]])

    units = units_of(len(truth), groups=blocks)
    ends = np.stack(intervals(measure, units, n_boot, seed)).reshape(3, 3, len(ways))
    return {
        way: WayScores(*(Estimate(*ends[:, score, number]) for score in range(3)))
        for number, way in enumerate(ways)
    }


def accuracies(
    right: NDArray[np.float64], truth: Codes, classes: Codes, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return accuracy and mean recall over the classes that occur, of each row of `right`."""
    members = (truth == classes[:, None]) * weights  # (K, N)
    occurs = members.sum(axis=1) > 0
    recall = right @ members[occurs].T / members[occurs].sum(axis=1)
    return right @ weights / weights.sum(), recall.mean(axis=1)


def verdicts(
    scores: Mapping[str, Mapping[Way, WayScores]],
    names: Mapping[Way, str],
    headings: Mapping[str, str],
) -> Sequence[str]:
    """Return for each number of labels which ways differ from the reference for certain."""
    lines = []
    for labels, of_ways in scores.items():
        found: dict[str, list[str]] = {"better": [], "worse": []}
        for way, each in of_ways.items():
            difference = each.difference
            if difference.low > 0 or difference.high < 0:
                kind = "better" if difference.low > 0 else "worse"
                found[kind].append(f"{names[way]} ({difference.value:+.3f})")
        parts = [f"{kind}: {'; '.join(found[kind]) or 'none'}" for kind in found]
        lines.append(f"* {headings[labels][0].upper()}{headings[labels][1:]}. {'. '.join(parts)}.")
    return lines

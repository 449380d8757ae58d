"""From the results of all repeats to a table, and to sentences on where pretraining helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from methods import METHODS
from numpy.typing import NDArray
from scipy.stats import t as student

HEADINGS = {"5": "5 labels per class", "20": "20 labels per class", "all": "all labels"}
# First what pretraining changes, then what is left against the pixels themselves.
PAIRS = (
    ("probe_moco", "probe_untrained"),
    ("finetune_moco", "finetune_scratch"),
    ("probe_moco", "logistic"),
    ("probe_moco", "logistic_cv"),
    ("finetune_moco", "logistic"),
    ("finetune_moco", "logistic_cv"),
)


@dataclass(frozen=True)
class Result:
    """One repeat of one method with one number of labels."""

    HEADER: ClassVar[tuple[str, ...]] = (
        "repeat", "method", "labels_per_class", "n_train", "n_test", "accuracy",
        "balanced_accuracy",
    )  # fmt: skip

    method: str
    labels: str
    repeat: int
    n_train: int
    n_test: int
    accuracy: float
    balanced: float

    def cells(self) -> tuple[object, ...]:
        """Return the row of the CSV file."""
        return (self.repeat, self.method, self.labels, self.n_train, self.n_test,
                f"{self.accuracy:.6f}", f"{self.balanced:.6f}")  # fmt: skip


def values(
    results: Iterable[Result], method: str, labels: str, measure: str = "accuracy"
) -> NDArray[np.float64]:
    """Return one value a repeat, in the order of the repeats."""
    chosen = [row for row in results if (row.method, row.labels) == (method, labels)]
    return np.array([getattr(row, measure) for row in sorted(chosen, key=lambda row: row.repeat)])


def table(results: Sequence[Result]) -> list[str]:
    """Return mean ± standard deviation over the repeats as a Markdown table."""
    repeats = len({row.repeat for row in results})
    lines = [
        f"Test accuracy, and balanced accuracy in brackets; mean ± sd of {repeats} repeats.",
        "",
        "| method | " + " | ".join(HEADINGS.values()) + " |",
        "|---" * (len(HEADINGS) + 1) + "|",
    ]
    for method, name in METHODS.items():
        cells = []
        for labels in HEADINGS:
            accuracy, balanced = (
                values(results, method, labels, measure) for measure in ("accuracy", "balanced")
            )
            cells.append(f"{_mean_sd(accuracy)} ({_mean_sd(balanced)})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def differences(results: Sequence[Result]) -> list[str]:
    """Return the paired differences of accuracy as a Markdown table."""
    lines = [
        "Differences of accuracy within a repeat: mean, 95 % interval (Student's t), and in how "
        "many repeats it is above zero.",
        "",
        "| difference | " + " | ".join(HEADINGS.values()) + " |",
        "|---" * (len(HEADINGS) + 1) + "|",
    ]
    for one, other in PAIRS:
        cells = [_paired(results, one, other, labels).cell() for labels in HEADINGS]
        lines.append(f"| {METHODS[one]}, minus {METHODS[other]} | {' | '.join(cells)} |")
    return lines


def conclusion(results: Sequence[Result]) -> list[str]:
    """Return sentences on where pretraining helps, as the intervals say."""
    lines = []
    for one, other in PAIRS:
        found: dict[str, list[str]] = {"better": [], "worse": [], "not settled": []}
        for labels, heading in HEADINGS.items():
            difference = _paired(results, one, other, labels)
            found[difference.verdict()].append(f"{heading} ({difference.mean:+.3f})")
        parts = [f"{verdict} at {_listed(where)}" for verdict, where in found.items() if where]
        name = METHODS[one][0].upper() + METHODS[one][1:]
        lines.append(f"* {name}, against {METHODS[other]}: {'; '.join(parts)}.")
    return [
        '"Better" and "worse" stand where the 95 % interval of the paired difference does not hold '
        "zero; elsewhere five repeats do not settle it.",
        "",
        *lines,
    ]


@dataclass(frozen=True)
class Paired:
    """A mean difference over repeats with its interval."""

    mean: float
    low: float
    high: float
    above: int
    repeats: int

    def verdict(self) -> str:
        """Return "better", "worse" or "not settled"."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "not settled"

    def cell(self) -> str:
        """Return the cell of the table."""
        interval = f"({self.low:+.3f} to {self.high:+.3f})"
        return f"{self.mean:+.3f} {interval}, {self.above} of {self.repeats}"


def _paired(results: Sequence[Result], one: str, other: str, labels: str) -> Paired:
    difference = values(results, one, labels) - values(results, other, labels)
    n = len(difference)
    mean = float(difference.mean())
    half = float(student.ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n))
    return Paired(mean, mean - half, mean + half, int((difference > 0).sum()), n)


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _mean_sd(numbers: NDArray[np.float64]) -> str:
    return f"{numbers.mean():.3f} ± {numbers.std(ddof=1):.3f}"

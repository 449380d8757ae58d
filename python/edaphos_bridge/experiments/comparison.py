"""Methods compared over repeats and numbers of labels: tables, paired differences, sentences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.student import student_quantile

MEASURES = ("accuracy", "balanced_accuracy", "log_loss")
"""Columns of results that say how good predictions are."""


@dataclass(frozen=True)
class Comparison:
    """The results of all methods, numbers of labels and repeats.

    Attributes
    ----------
    results : pandas.DataFrame
        A row for each, of at least two repeats: ``method`` and ``labels``, keys of `methods` and
        `headings`; ``repeat``; ``fold``, what it was tested on; and `MEASURES`.
    methods : mapping
        Keys of the methods, in order, and their names.
    headings : mapping
        Keys of the numbers of labels, in order, and their headings.
    pairs : sequence of pairs
        Methods whose difference is asked for: the first minus the second.

    Raises
    ------
    InputError
        If a result is missing or there twice, or if there is one repeat only.
    """

    results: pd.DataFrame
    methods: Mapping[str, str]
    headings: Mapping[Any, str]
    pairs: Sequence[tuple[str, str]]

    def __post_init__(self) -> None:
        repeats = set(self.results["repeat"])
        if len(repeats) < 2:
            raise InputError("results", "must be of at least two repeats", found=len(repeats))
        wanted = set(itertools.product(self.methods, self.headings, repeats))
        found = list(zip(*(self.results[n] for n in ("method", "labels", "repeat")), strict=True))
        if len(found) != len(wanted) or set(found) != wanted:
            raise InputError(
                "results", "must have each method with each number of labels in each repeat, once"
            )

    @property
    def repeats(self) -> int:
        """How many repeats there are."""
        return int(self.results["repeat"].nunique())

    def values(self, method: str, labels: Any, measure: str = "accuracy") -> pd.Series:
        """Return one value a repeat, by the number of the repeat."""
        chosen = (self.results["method"] == method) & (self.results["labels"] == labels)
        return self.results[chosen].set_index("repeat")[measure].sort_index()

    def table(self) -> list[str]:
        """Return mean ± standard deviation over the repeats as a Markdown table."""
        lines = [
            f"Test accuracy, and balanced accuracy in brackets; mean ± sd of {self.repeats} "
            "repeats.",
            "",
            *self._head("method"),
        ]
        for method, name in self.methods.items():
            cells = []
            for labels in self.headings:
                accuracy, balanced = (
                    self.values(method, labels, measure) for measure in MEASURES[:2]
                )
                cells.append(f"{mean_sd(accuracy)} ({mean_sd(balanced)})")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return lines

    def differences(self) -> list[str]:
        """Return the paired differences of accuracy as a Markdown table."""
        lines = [
            "Differences of accuracy within a repeat: mean, 95 % interval (Student's t), and in "
            "how many repeats it is above zero.",
            "",
            *self._head("difference"),
        ]
        for one, other in self.pairs:
            cells = [self.paired(one, other, labels).cell() for labels in self.headings]
            names = f"{self.methods[one]}, minus {self.methods[other]}"
            lines.append(f"| {names} | {' | '.join(cells)} |")
        return lines

    def verdicts(self) -> list[str]:
        """Return a sentence for each pair: where the first method is better, where worse."""
        lines = []
        for one, other in self.pairs:
            found: dict[str, list[str]] = {"better": [], "worse": [], "not settled": []}
            for labels, heading in self.headings.items():
                difference = self.paired(one, other, labels)
                found[difference.verdict()].append(f"{heading} ({difference.mean:+.3f})")
            parts = [f"{verdict} at {_listed(where)}" for verdict, where in found.items() if where]
            name = self.methods[one][0].upper() + self.methods[one][1:]
            lines.append(f"* {name}, against {self.methods[other]}: {'; '.join(parts)}.")
        return lines

    def paired(self, one: str, other: str, labels: Any, measure: str = "accuracy") -> Paired:
        """Return the difference of two methods within a repeat, and an interval of its mean.

        Repeats that were tested on the same fold resemble each other: where there are several
        folds, their means are what the interval is made of.
        """
        difference = self.values(one, labels, measure) - self.values(other, labels, measure)
        folds = self.results.drop_duplicates("repeat").set_index("repeat")["fold"]
        by_fold = difference.groupby(folds).mean()
        units = by_fold if len(by_fold) > 1 else difference
        mean, n = float(units.mean()), len(units)
        half = student_quantile(0.95, n - 1) * float(units.std()) / np.sqrt(n)
        above = int((difference > 0).sum())
        return Paired(mean, mean - half, mean + half, above, len(difference))

    def _head(self, first: str) -> list[str]:
        return [
            f"| {first} | " + " | ".join(self.headings.values()) + " |",
            "|---" * (len(self.headings) + 1) + "|",
        ]


@dataclass(frozen=True)
class Paired:
    """A mean difference over repeats with its 95 % interval, and in how many it is above 0."""

    mean: float
    low: float
    high: float
    above: int
    repeats: int

    def verdict(self) -> str:
        """Return "better", "worse", or "not settled" where the interval holds 0."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "not settled"

    def cell(self) -> str:
        """Return the cell of the table."""
        interval = f"({self.low:+.3f} to {self.high:+.3f})"
        return f"{self.mean:+.3f} {interval}, {self.above} of {self.repeats}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def mean_sd(numbers: pd.Series) -> str:
    """Return mean ± standard deviation as text."""
    return f"{numbers.mean():.3f} ± {numbers.std():.3f}"

"""Methods compared over repeats and numbers of labels: tables, paired differences, sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.errors import EdaphosError, InputError


@dataclass(frozen=True)
class Result:
    """One repeat of one method with one number of labels.

    Attributes
    ----------
    method, labels : str
        Keys of `Comparison.methods` and `Comparison.headings`.
    repeat : int
        Counted from 1.
    n_train, n_test : int
        Patches that trained, and that were tested.
    accuracy, balanced : float
        Accuracy and balanced accuracy of those tested.
    """

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


@dataclass(frozen=True)
class Comparison:
    """The results of all methods, numbers of labels and repeats.

    Attributes
    ----------
    results : sequence of Result
        One for each, at least two repeats.
    methods : mapping of str to str
        Keys of the methods, in order, and their names.
    headings : mapping of str to str
        Keys of the numbers of labels, in order, and their headings.
    pairs : sequence of tuple of str
        Methods whose difference is asked for: the first minus the second.

    Raises
    ------
    InputError
        If a result is missing or there twice, or if there is one repeat only.
    """

    results: Sequence[Result]
    methods: Mapping[str, str]
    headings: Mapping[str, str]
    pairs: Sequence[tuple[str, str]]

    def __post_init__(self) -> None:
        if self.repeats < 2:
            raise InputError("results", "must be of at least two repeats", found=self.repeats)
        wanted = {
            (method, labels, repeat)
            for method in self.methods
            for labels in self.headings
            for repeat in {row.repeat for row in self.results}
        }
        found = [(row.method, row.labels, row.repeat) for row in self.results]
        if len(found) != len(wanted) or set(found) != wanted:
            raise InputError(
                "results", "must have each method with each number of labels in each repeat, once"
            )

    @property
    def repeats(self) -> int:
        """How many repeats there are."""
        return len({row.repeat for row in self.results})

    def values(self, method: str, labels: str, measure: str = "accuracy") -> NDArray[np.float64]:
        """Return one value a repeat, in the order of the repeats."""
        chosen = [row for row in self.results if (row.method, row.labels) == (method, labels)]
        ordered = sorted(chosen, key=lambda row: row.repeat)
        return np.array([getattr(row, measure) for row in ordered])

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
                    self.values(method, labels, measure) for measure in ("accuracy", "balanced")
                )
                cells.append(f"{_mean_sd(accuracy)} ({_mean_sd(balanced)})")
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

    def paired(self, one: str, other: str, labels: str) -> Paired:
        """Return the difference of two methods' accuracies within a repeat."""
        difference = self.values(one, labels) - self.values(other, labels)
        n = len(difference)
        mean = float(difference.mean())
        half = float(_student().ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n))
        return Paired(mean, mean - half, mean + half, int((difference > 0).sum()), n)

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


def _student() -> Any:
    try:
        return imported("scipy.stats").t
    except ImportError as error:
        raise EdaphosError(
            "Intervals of differences need the package scipy. Install it with `pip install scipy`."
        ) from error


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _mean_sd(numbers: NDArray[np.float64]) -> str:
    return f"{numbers.mean():.3f} ± {numbers.std(ddof=1):.3f}"

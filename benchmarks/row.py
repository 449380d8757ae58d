"""One row of the table: a job, what it is held against, and whether the target is reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.timing import Timed

SPEED_UP = "reference ÷ ours"
COST = "ours ÷ reference"
SURPLUS = "ours − reference"  # noqa: RUF001
VALUE = "ours"


@dataclass(frozen=True)
class Row:
    """A measured row.

    Attributes
    ----------
    key : str
        Short name, the same in the table, the CSV file and `bench.NOTES`.
    job, reference : str
        What was run, and what it is held against.
    measure : str
        How a figure comes from a pair: one of the constants of this file.
    figures : list of float
        One a pair of runs.
    ours, against : list of float
        What was measured in each run, in `unit`; empty where only the figure means something.
    at_least, at_most : float or None
        The target; neither for a row that is only reported.
    unit : str
        Of `ours`, `against` and a figure that is a difference or a value.
    """

    key: str
    job: str
    reference: str
    measure: str
    figures: list[float]
    ours: list[float]
    against: list[float]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "s"

    @property
    def figure(self) -> float:
        """Median of the figures."""
        return median(self.figures)

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the target; None without one."""
        if self.at_least is not None:
            return bool(self.figure >= self.at_least)  # a figure may be NumPy's
        return None if self.at_most is None else bool(self.figure <= self.at_most)

    def line(self) -> str:
        """Return the row for the console."""
        figure, target, verdict = self._said()
        return f"{self.key:28} {figure:40} {target:10} {verdict}"

    def cells(self) -> list[str]:
        """Return the row of the table."""
        took = [f"{median(run):.3g} s" if run else "" for run in (self.ours, self.against)]
        return [self.job, self.reference, *took, *self._said()]

    def csv_lines(self) -> Iterator[list[str | int]]:
        """Yield a line a run."""
        for run, figure in enumerate(self.figures):
            pair = (self.ours[run], self.against[run]) if self.ours else ()
            numbers = [f"{value:.6g}" for value in (*pair, figure)]
            empty = [""] * (3 - len(numbers))
            yield [self.key, run + 1, *empty, *numbers, self.measure, self.unit]

    def _said(self) -> tuple[str, str, str]:
        """Return the figure with its range, the target, and whether it is reached."""
        text = self._amount(self.figure)
        if len(self.figures) > 1:
            text += f" ({self._amount(min(self.figures))} to {self._amount(max(self.figures))})"
        if self.measure != VALUE:
            text = f"{self.measure} = {text}"
        verdict = {True: "yes", False: "no", None: ""}[self.reached]
        return text, self._target(), verdict

    def _amount(self, value: float) -> str:
        if self.measure == SURPLUS:
            return f"{1000 * value:.0f} ms"
        if self.measure == VALUE:
            return f"{value:.0f} {self.unit}" if self.unit else f"{value:.2g}"
        return f"{value:.1f}" if value >= 10 else f"{value:.2f}"

    def _target(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        if self.at_most is None:
            return ""
        if self.measure == SURPLUS:
            return f"≤ {1000 * self.at_most:g} ms"
        return f"≤ {self.at_most:g} {self.unit if self.measure == VALUE else ''}".rstrip()


@dataclass(frozen=True)
class NotMeasured:
    """A row that could not be measured, and why."""

    key: str
    job: str
    why: str
    reached = None

    def line(self) -> str:
        """Return the row for the console."""
        return f"{self.key:28} not measured: {self.why}"

    def cells(self) -> list[str]:
        """Return the row of the table."""
        return [self.job, f"not measured: {self.why}", "", "", "", "", "no"]

    def csv_lines(self) -> Iterator[list[str | int]]:
        """Yield nothing."""
        return iter(())


def speed_up(key: str, job: str, reference: str, times: Timed, at_least: float | None) -> Row:
    """Return a row of how many times as fast as the reference."""
    figures = [a / b for a, b in _pairs(times)]
    return Row(
        key, job, reference, SPEED_UP, figures, times.ours, times.reference, at_least=at_least
    )


def cost(key: str, job: str, reference: str, times: Timed, at_most: float | None) -> Row:
    """Return a row of how many times as long as the reference."""
    figures = [b / a for a, b in _pairs(times)]
    return Row(key, job, reference, COST, figures, times.ours, times.reference, at_most=at_most)


def surplus(key: str, job: str, reference: str, times: Timed, at_most: float) -> Row:
    """Return a row of how much longer than the reference."""
    figures = [b - a for a, b in _pairs(times)]
    return Row(key, job, reference, SURPLUS, figures, times.ours, times.reference, at_most=at_most)


def value(
    key: str, job: str, reference: str, values: list[float], at_most: float | None, unit: str = ""
) -> Row:
    """Return a row of a size: an amount of memory, for example."""
    return Row(key, job, reference, VALUE, values, [], [], at_most=at_most, unit=unit)


def difference(
    key: str,
    job: str,
    reference: str,
    ours: ArrayLike,
    against: ArrayLike,
    at_most: float | None = None,
) -> Row:
    """Return a row of the largest difference between two results."""
    return value(key, job, reference, [float(np.abs(np.subtract(ours, against)).max())], at_most)


def _pairs(times: Timed) -> Iterator[tuple[float, float]]:
    return zip(times.reference, times.ours, strict=True)

"""One row of the table: a job, what it is held against, and whether the target is reached."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

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
        Short name, the same in the table, the CSV file and `notes.NOTES`.
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


@dataclass(frozen=True)
class NotMeasured:
    """A row that could not be measured, and why."""

    key: str
    job: str
    why: str


def speed_up(key: str, job: str, reference: str, times: Timed, at_least: float | None) -> Row:
    """Return a row of how many times as fast as the reference."""
    figures = [a / b for a, b in zip(times.reference, times.ours, strict=True)]
    return Row(
        key, job, reference, SPEED_UP, figures, times.ours, times.reference, at_least=at_least
    )


def cost(key: str, job: str, reference: str, times: Timed, at_most: float | None) -> Row:
    """Return a row of how many times as long as the reference."""
    figures = [b / a for a, b in zip(times.reference, times.ours, strict=True)]
    return Row(key, job, reference, COST, figures, times.ours, times.reference, at_most=at_most)


def surplus(
    key: str, job: str, reference: str, ours: list[float], against: list[float], at_most: float
) -> Row:
    """Return a row of how much longer than the reference."""
    figures = [b - a for a, b in zip(against, ours, strict=True)]
    return Row(key, job, reference, SURPLUS, figures, ours, against, at_most=at_most)


def value(
    key: str, job: str, reference: str, values: list[float], at_most: float | None, unit: str = ""
) -> Row:
    """Return a row of a size: a difference of results, an amount of memory."""
    return Row(key, job, reference, VALUE, values, [], [], at_most=at_most, unit=unit)

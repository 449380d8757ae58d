"""Showing long work: the original's lines when verbose, a bar in a terminal otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from edaphos_bridge.training.events import EpochReport, Events

tqdm.get_lock()  # imports now what the first bar would import in the middle of a call


ACCURACY = ("val_acc", ".3f")
"""What a classifier's score is called, and how it is shown."""


def progress_line(name: str, report: EpochReport, score: tuple[str, str] = ACCURACY) -> str:
    """Return the original's line for epoch 1, every 10th and the last; "" for the others.

    `score` is the name of the task's score and how it is shown.

    >>> progress_line("classifier", EpochReport(10, 40, 0.12341, 0.9118))
    '[classifier] ep  10/40  loss=0.1234  val_acc=0.912'
    """
    if report.epoch not in (1, report.epochs) and report.epoch % 10 != 0:
        return ""
    values = "  ".join(f"{key}={value}" for key, value in _values(report, score).items())
    return f"[{name}] ep {report.epoch:3d}/{report.epochs}  {values}"


@contextmanager
def console(name: str, verbose: bool, score: tuple[str, str] = ACCURACY) -> Iterator[Events]:
    """Yield a listener that prints lines (`verbose`) or draws a bar (only in a terminal)."""
    if verbose:
        yield _Lines(name, score)
        return
    # disable=None: no bar where stderr is not a terminal; delay: none for short runs.
    with tqdm(desc=name, unit="epoch", disable=None, delay=0.5, leave=False) as bar:
        yield _Bar(bar, score)


class _Lines(Events):
    def __init__(self, name: str, score: tuple[str, str]) -> None:
        self._name = name
        self._score = score

    def on_epoch(self, report: EpochReport) -> None:
        if line := progress_line(self._name, report, self._score):
            print(line, flush=True)


class _Bar(Events):
    def __init__(self, bar: Any, score: tuple[str, str]) -> None:
        self._bar = bar
        self._score = score

    def on_epoch(self, report: EpochReport) -> None:
        self._bar.total = report.epochs
        self._bar.set_postfix(**_values(report, self._score), refresh=False)
        # a run that goes on from a checkpoint jumps ahead
        self._bar.update(report.epoch - self._bar.n)


def _values(report: EpochReport, score: tuple[str, str]) -> dict[str, str]:
    values = {"loss": f"{report.loss:.4f}"}
    if report.score is not None:
        name, form = score
        values[name] = "NA" if math.isnan(report.score) else f"{report.score:{form}}"
    if report.probe is not None:
        values["probe"] = f"{report.probe:.3f}"
    return values

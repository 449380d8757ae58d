"""News of a run, told to R."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.cross_validate import FoldReport
from edaphos_bridge.experiments.few_label_run import PartReport
from edaphos_bridge.interop.answers import Interrupted
from edaphos_bridge.maps.progress import BlockReport
from edaphos_bridge.training.events import EpochReport, Events
from edaphos_bridge.training.progress import ACCURACY, progress_line


class ToldToR(Events):
    """Tells R of each epoch, and raises `Interrupted` where it wants to stop."""

    def __init__(
        self, name: str, tell: Callable[..., Any], score: tuple[str, str] = ACCURACY
    ) -> None:
        self._name = name
        self._tell = tell
        self._score = score

    def on_epoch(self, report: EpochReport) -> None:
        """Tell R."""
        line = progress_line(self._name, report, self._score)
        known = report.loss, report.score, line, report.probe
        _told(self._tell, report.epoch, report.epochs, *known)


class FoldsToldToR:
    """Tells R of each fold, and raises `Interrupted` where it wants to stop."""

    def __init__(self, tell: Callable[..., Any]) -> None:
        self._tell = tell

    def __call__(self, report: FoldReport) -> None:
        """Tell R."""
        name, value = next(iter(report.result.measures.items()))
        _told(self._tell, report.done, report.total, None, f"{name}={value:.3f}", report.line())


class PartsToldToR:
    """Tells R of each part of an experiment, and raises `Interrupted` where it wants to stop."""

    def __init__(self, tell: Callable[..., Any]) -> None:
        self._tell = tell

    def __call__(self, report: PartReport) -> None:
        """Tell R."""
        _told(self._tell, report.done, report.total, None, report.status, report.line)


class BlocksToldToR:
    """Tells R of each block of a map, and raises `Interrupted` where it wants to stop.

    Of blocks that are not among the few that are printed the line is empty.
    """

    def __init__(self, tell: Callable[..., Any]) -> None:
        self._tell = tell

    def __call__(self, report: BlockReport) -> None:
        """Tell R."""
        line = report.line() if report.is_told else ""
        status = f"{report.rate:.2f} blocks/s"
        _told(self._tell, report.done, report.total, None, status, line)


def _told(tell: Callable[..., Any], *values: Any) -> None:
    try:
        go_on = tell(*values)
    except Exception as left:  # R was about to jump out of its function
        raise Interrupted from left
    if not go_on:
        raise Interrupted

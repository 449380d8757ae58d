"""News of a run, told to R."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.interop.answers import Interrupted
from edaphos_bridge.training.events import EpochReport, Events
from edaphos_bridge.training.progress import progress_line, shown_values


class ToldToR(Events):
    """Tells R of each epoch, and raises `Interrupted` where it wants to stop."""

    def __init__(self, name: str, tell: Callable[..., Any], score_name: str = "score") -> None:
        self._name = name
        self._tell = tell
        self._score_name = score_name

    def on_epoch(self, report: EpochReport) -> None:
        """Tell R."""
        values = shown_values(report, self._score_name)
        status = " ".join(f"{name}={value}" for name, value in values.items())
        line = progress_line(self._name, report, self._score_name)
        try:
            go_on = self._tell(report.epoch, report.epochs, status, line)
        except Exception as left:  # R was about to jump out of its function
            raise Interrupted from left
        if not go_on:
            raise Interrupted

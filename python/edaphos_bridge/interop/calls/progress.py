"""News of a run, told to R."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.interop.answers import Interrupted
from edaphos_bridge.training.loop import EpochReport, Report
from edaphos_bridge.training.progress import progress_line


def fit_report(on_epoch: Callable[..., Any]) -> Report:
    """Return what tells R of each epoch of a fit."""

    def report(epoch: EpochReport) -> None:
        line = progress_line(epoch) or ""
        tell(on_epoch, epoch.epoch, epoch.epochs, epoch.loss, epoch.val_accuracy, line)

    return report


def tell(on_epoch: Callable[..., Any], *news: Any) -> None:
    """Tell R, and raise `Interrupted` where it wants to stop."""
    try:
        go_on = on_epoch(*news)
    except Exception as left:  # R was about to jump out of its function
        raise Interrupted from left
    if not go_on:
        raise Interrupted

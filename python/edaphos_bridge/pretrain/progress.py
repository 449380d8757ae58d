"""Showing a pretraining run: lines when verbose, a bar in a terminal otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from edaphos_bridge.pretrain.loop import PretrainReport, Report

tqdm.get_lock()  # imports now what the first bar would import in the middle of a call


def progress_line(report: PretrainReport) -> str | None:
    """Return a line for epoch 1, every 10th and the last; None for the others.

    >>> progress_line(PretrainReport("moco", 10, 30, 4.12341))
    '[moco] ep  10/30  loss=4.1234'
    """
    if report.epoch not in (1, report.epochs) and report.epoch % 10 != 0:
        return None
    return f"[{report.method}] ep {report.epoch:3d}/{report.epochs}  loss={report.loss:.4f}"


@contextmanager
def console(method: str, verbose: bool) -> Iterator[Report]:
    """Yield a report that prints lines (`verbose`) or draws a bar (only in a terminal)."""
    if verbose:

        def print_line(report: PretrainReport) -> None:
            line = progress_line(report)
            if line is not None:
                print(line, flush=True)

        yield print_line
        return

    # disable=None: no bar where stderr is not a terminal; delay: none for short runs.
    with tqdm(desc=method, unit="epoch", disable=None, delay=0.5, leave=False) as bar:

        def advance(report: PretrainReport) -> None:
            bar.total = report.epochs
            bar.set_postfix(loss=f"{report.loss:.4f}", refresh=False)
            bar.update(report.epoch - bar.n)  # a run that goes on from a checkpoint jumps ahead

        yield advance

"""Showing long work: the original's lines when verbose, a bar in a terminal otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from edaphos_bridge.training.loop import EpochReport, Report

tqdm.get_lock()  # imports now what the first bar would import in the middle of a call


def progress_line(report: EpochReport) -> str | None:
    """Return the original's line for epoch 1, every 10th and the last; None for the others.

    >>> progress_line(EpochReport(10, 40, 0.12341, 0.9118))
    '[classifier] ep  10/40  loss=0.1234  val_acc=0.912'
    """
    if report.epoch not in (1, report.epochs) and report.epoch % 10 != 0:
        return None
    accuracy = "NA" if report.val_accuracy != report.val_accuracy else f"{report.val_accuracy:.3f}"
    return (
        f"[classifier] ep {report.epoch:3d}/{report.epochs}  "
        f"loss={report.loss:.4f}  val_acc={accuracy}"
    )


@contextmanager
def console(verbose: bool) -> Iterator[Report]:
    """Yield a report that prints lines (`verbose`) or draws a bar (only in a terminal)."""
    if verbose:

        def print_line(report: EpochReport) -> None:
            line = progress_line(report)
            if line is not None:
                print(line, flush=True)

        yield print_line
        return

    # disable=None: no bar where stderr is not a terminal; delay: none for short fits.
    with tqdm(desc="classifier", unit="epoch", disable=None, delay=0.5, leave=False) as bar:

        def advance(report: EpochReport) -> None:
            bar.total = report.epochs
            bar.set_postfix(
                loss=f"{report.loss:.4f}", val_acc=f"{report.val_accuracy:.3f}", refresh=False
            )
            bar.update()

        yield advance

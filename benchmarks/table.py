"""The table as Markdown, and every run as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.notes import NOTES
from benchmarks.row import SURPLUS, VALUE, NotMeasured, Row

_HEADER = ("job", "reference", "ours", "reference took", "figure", "target", "reached")


def markdown(rows: Sequence[Row | NotMeasured]) -> list[str]:
    """Return the table and what has to be said about rows below their targets."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|---" * len(_HEADER) + "|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    missed = [row for row in rows if isinstance(row, Row) and row.reached is False]
    targets = [row for row in rows if isinstance(row, NotMeasured) or row.reached is not None]
    lines += ["", f"{_reached(rows)} of {len(targets)} targets reached.", ""]
    for row in missed:
        note = NOTES.get(row.key, "below its target, and not yet explained.")
        lines.append(f"* **{row.job}** (against {row.reference}): {note}")
    return lines


def write_csv(path: Path, rows: Sequence[Row | NotMeasured]) -> None:
    """Write one line a run: seconds (or the row's unit) and the figure of each pair."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "run", "ours", "reference", "figure", "measure", "unit"])
        for row in rows:
            if isinstance(row, NotMeasured):
                continue
            for run, figure in enumerate(row.figures):
                pair = (row.ours[run], row.against[run]) if row.ours else ("", "")
                cells = [_number(value) if value != "" else "" for value in (*pair, figure)]
                writer.writerow([row.key, run + 1, *cells, row.measure, row.unit])


def line(row: Row | NotMeasured) -> str:
    """Return the row for the console."""
    if isinstance(row, NotMeasured):
        return f"{row.key:24} not measured: {row.why}"
    return f"{row.key:24} {_figure(row):40} {_target(row):10} {_verdict(row)}"


def _reached(rows: Sequence[Row | NotMeasured]) -> int:
    return sum(isinstance(row, Row) and row.reached is True for row in rows)


def _cells(row: Row | NotMeasured) -> list[str]:
    if isinstance(row, NotMeasured):
        return [row.job, f"not measured: {row.why}", "", "", "", "", "no"]
    medians = [_seconds(values) for values in (row.ours, row.against)]
    return [
        row.job,
        row.reference,
        *medians,
        _figure(row),
        _target(row),
        _verdict(row),
    ]


def _seconds(values: list[float]) -> str:
    return f"{median(values):.3g} s" if values else ""


def _figure(row: Row) -> str:
    text = [_amount(row, value) for value in (row.figure, min(row.figures), max(row.figures))]
    spread = f" ({text[1]} to {text[2]})" if len(row.figures) > 1 else ""
    return f"{text[0]}{spread}" if row.measure == VALUE else f"{row.measure} = {text[0]}{spread}"


def _amount(row: Row, value: float) -> str:
    if row.measure == SURPLUS:
        return f"{1000 * value:.0f} ms"
    if row.measure == VALUE:
        return f"{value:.0f} {row.unit}" if row.unit else f"{value:.2g}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _target(row: Row) -> str:
    if row.at_least is not None:
        return f"≥ {row.at_least:g}"
    if row.at_most is None:
        return ""
    if row.measure == SURPLUS:
        return f"≤ {1000 * row.at_most:g} ms"
    return f"≤ {row.at_most:g} {row.unit if row.measure == VALUE else ''}".rstrip()


def _verdict(row: Row) -> str:
    return {True: "yes", False: "no", None: ""}[row.reached]


def _number(value: float) -> str:
    return f"{value:.6g}"

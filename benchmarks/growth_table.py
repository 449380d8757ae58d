"""The growth table as Markdown, and every number as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth_cell import JOBS
from benchmarks.growth_sizes import AXES, SIDE, C, Cell, N, exponent
from benchmarks.memory import MB

InFile = tuple[str, int, dict[str, Any]]  # job, N, and what `memmap_cell` found


def table(cells: Sequence[Cell]) -> list[str]:
    """Return time, memory and exponents as Markdown."""
    lines = []
    for axis in AXES:
        sizes = sorted({cell.size for cell in cells if cell.axis == axis})
        if not sizes:
            continue
        others = ", ".join(
            f"{name} = {value}" for name, value in (("N", N), ("C", C), ("H", SIDE)) if name != axis
        )
        heads = [f"{axis} = {size:,}" for size in sizes]
        between = f"exponent, {axis} = {sizes[0]:,} to {sizes[-1]:,}"
        last = f"{sizes[-2]:,} to {sizes[-1]:,}"
        lines += [
            f"## {axis}, with {others} (W = H)",
            "",
            "| job | " + " | ".join([*heads, between, last]) + " |",
            "|---" * (len(sizes) + 3) + "|",
        ]
        for what, name in (("seconds", "time"), ("peak", "memory")):
            for job in JOBS:
                row = [cell for cell in cells if (cell.job, cell.axis) == (job, axis)]
                row = sorted(row, key=lambda cell: cell.size)
                values = [getattr(cell, what) for cell in row]
                shown = [f"{v:.3g} s" if what == "seconds" else f"{v / MB:.0f} MB" for v in values]
                slopes = [exponent(sizes, values), exponent(sizes[-2:], values[-2:])]
                cells_ = [*shown, *(f"{slope:.2f}" for slope in slopes)]
                lines.append(f"| {JOBS[job]}: {name} | " + " | ".join(cells_) + " |")
        lines.append("")
    return lines


def memmap_table(found: Sequence[InFile], allowed: float) -> list[str]:
    """Return the rows of patches in a file as Markdown."""
    lines = [
        "## `x` larger than the memory allowed",
        "",
        "`x` is a `numpy.memmap` of float32. RLIMIT_DATA lets the process take "
        f"{allowed / MB:.0f} MB more than it holds when the work starts, so that a job that reads "
        "`x` whole fails. Memory: the most that the process took beyond that moment, pages of the "
        "file not counted.",
        "",
        "| job | N | file | time | memory |",
        "|---|---|---|---|---|",
    ]
    for job, n, result in found:
        size = n * C * SIDE * SIDE * 4 / MB
        seconds = result["seconds"]
        took = f"failed: {result['failed']}" if seconds is None else f"{seconds:.3g} s"
        memory = f"{result['peak'] / MB:.0f} MB"
        lines.append(f"| {JOBS[job]} | {n:,} | {size:,.0f} MB | {took} | {memory} |")
    return [*lines, ""]


def write_csv(path: Path, cells: Sequence[Cell], files: Sequence[InFile]) -> None:
    """Write one line a cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["job", "x", "n", "channels", "side", "seconds", "peak_bytes"])
        for cell in cells:
            row = [cell.job, "array", *cell.shape, f"{cell.seconds:.6g}", f"{cell.peak:.0f}"]
            writer.writerow(row)
        for job, n, found in files:
            seconds = "failed" if found["seconds"] is None else f"{found['seconds']:.6g}"
            writer.writerow([job, "memmap", n, C, SIDE, seconds, f"{found['peak']:.0f}"])

"""How time and memory grow with N, C and H: ``make growth``, or ``python -m benchmarks.growth``.

Writes ``docs/growth.md``, ``.csv`` and ``.png``. Each cell runs in a process of its own. Takes
up to half an hour on two cores.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import data
from benchmarks.growth_cell import JOBS, array_cell, memmap_cell
from benchmarks.machine import MB, provenance
from benchmarks.timing import in_new_process

N, C, SIDE = 500, 31, 16
AXES: dict[str, tuple[int, ...]] = {
    "N": (500, 5_000, 50_000),
    "C": (4, 31, 128),
    "H": (9, 16, 64),
}
QUICK_AXES: dict[str, tuple[int, ...]] = {"N": (100, 300), "C": (4, 31), "H": (9, 16)}
MEMMAP_N = (5_000, 50_000)
ALLOWED = 600_000_000  # bytes that a job on a file may take

# Okabe and Ito's colours, and a mark of its own for each job.
STYLES = {
    "probe": {"color": "#0072b2", "marker": "o", "ls": "-"},
    "fine-tuning": {"color": "#d55e00", "marker": "s", "ls": "--"},
    "predict": {"color": "#009e73", "marker": "^", "ls": ":"},
}
LABELS = {
    "N": f"patches N (C = {C}, H = W = {SIDE})",
    "C": f"channels C (N = {N}, H = W = {SIDE})",
    "H": f"side H = W, cells (N = {N}, C = {C})",
}


@dataclass(frozen=True)
class Cell:
    """Time and peak memory above `x` of one job at one size."""

    job: str
    axis: str
    size: int
    seconds: float
    peak: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, C and H."""
        return shape_at(self.axis, self.size)


InFile = tuple[str, int, dict[str, Any]]  # job, N, and what `memmap_cell` found


def shape_at(axis: str, size: int) -> tuple[int, int, int]:
    """Return N, C and H where one of them is `size` and the others are as usual."""
    values = {"N": N, "C": C, "H": SIDE, axis: size}
    return values["N"], values["C"], values["H"]


def measure(axes: dict[str, tuple[int, ...]]) -> Iterator[Cell]:
    """Run every cell; the size that all axes share is run once."""
    known: dict[tuple[str, tuple[int, int, int]], dict[str, Any]] = {}
    for job in JOBS:
        for axis, sizes in axes.items():
            for size in sizes:
                shape = shape_at(axis, size)
                if (job, shape) not in known:
                    runs = 5 if math.prod(shape[:2]) * shape[2] ** 2 < 1e7 else 2
                    known[job, shape] = in_new_process(partial(array_cell, job, *shape, runs))
                yield Cell(job, axis, size, **known[job, shape])


def measure_memmap(sizes: Sequence[int], allowed: int) -> Iterator[InFile]:
    """Run every job on a file of patches with bounded memory."""
    with tempfile.TemporaryDirectory(dir="build") as folder:
        path = Path(folder) / "patches.f32"
        block = data.patches(500, C, SIDE)
        with path.open("wb") as file:
            for _ in range(max(sizes) // len(block)):
                file.write(block.data)
        for job in JOBS:
            for n in sizes:
                found = in_new_process(partial(memmap_cell, job, n, C, SIDE, path, allowed))
                yield job, n, found


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of a straight line through the logarithms, by least squares.

    NaN where a value is not positive: memory too small to be seen.
    """
    if min(values) <= 0:
        return math.nan
    slope, _ = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(slope)


def table(cells: Sequence[Cell]) -> list[str]:
    """Return time, memory and exponents as Markdown."""
    lines = []
    for axis in AXES:
        sizes = sorted({cell.size for cell in cells if cell.axis == axis})
        if not sizes:
            continue
        usual = {"N": N, "C": C, "H": SIDE}
        others = ", ".join(f"{name} = {usual[name]}" for name in usual if name != axis)
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
                values = _values(cells, job, axis, what)
                shown = [f"{v:.3g} s" if what == "seconds" else f"{v / MB:.0f} MB" for v in values]
                slopes = [exponent(sizes, values), exponent(sizes[-2:], values[-2:])]
                row = [*shown, *(f"{slope:.2f}" for slope in slopes)]
                lines.append(f"| {JOBS[job]}: {name} | " + " | ".join(row) + " |")
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


def draw_chart(path: Path, cells: Sequence[Cell]) -> None:
    """Write the figure as PNG: time above, memory below, against N, C and H."""
    style = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(11, 6.6))
        panels = figure.subplots(2, 3, sharey="row")
        for column, axis in enumerate(AXES):
            _panel(panels[0][column], cells, axis, "seconds", 1)
            _panel(panels[1][column], cells, axis, "peak", MB)
            panels[1][column].set_xlabel(LABELS[axis])
        for row in panels:  # room for the exponents; the panels of a row share their axis
            low, high = row[0].get_ylim()
            row[0].set_ylim(low, high * (high / low) ** 0.4)
        panels[0][0].set_ylabel("time, s")
        panels[1][0].set_ylabel("peak memory beside x, MB")
        handles = panels[0][0].get_lines()
        figure.legend(handles, JOBS.values(), ncols=3, loc="upper center", frameon=False)
        figure.subplots_adjust(left=0.07, right=0.98, top=0.92, bottom=0.09, wspace=0.1, hspace=0.2)
        figure.savefig(path, dpi=130)


def _panel(panel: Axes, cells: Sequence[Cell], axis: str, what: str, unit: float) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    sizes = sorted({cell.size for cell in cells if cell.axis == axis})
    for number, job in enumerate(JOBS):
        values = [value / unit for value in _values(cells, job, axis, what)]
        panel.plot(sizes, values, lw=1.6, ms=6, **STYLES[job])
        panel.text(
            0.03, 0.97 - 0.075 * number, f"{job}: exponent {exponent(sizes, values):.2f}",
            transform=panel.transAxes, va="top", color=STYLES[job]["color"],
        )  # fmt: skip
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
    panel.minorticks_off()
    panel.grid(color="#e4e4e4", lw=0.7)
    panel.set_axisbelow(True)


def _values(cells: Sequence[Cell], job: str, axis: str, what: str) -> list[float]:
    row = [cell for cell in cells if (cell.job, cell.axis) == (job, axis)]
    return [getattr(cell, what) for cell in sorted(row, key=lambda cell: cell.size)]


def main(arguments: list[str] | None = None) -> None:
    """Run all cells and write the three files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--out", type=Path, help="the .md file; .csv and .png go beside it")
    parser.add_argument("--quick", action="store_true", help="small sizes: a look only")
    options = parser.parse_args(arguments)
    out = options.out or Path("build" if options.quick else "docs") / "growth.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    Path("build").mkdir(exist_ok=True)
    started = time.monotonic()
    cells = []
    for cell in measure(QUICK_AXES if options.quick else AXES):
        cells.append(cell)
        text = f"{cell.job:12} {cell.axis} = {cell.size:<6} {cell.seconds:8.3f} s"
        seconds = time.monotonic() - started
        print(f"[{seconds:4.0f} s] {text} {cell.peak / MB:7.0f} MB", flush=True)
    files = list(measure_memmap((500, 1_000) if options.quick else MEMMAP_N, ALLOWED))
    write_csv(out.with_suffix(".csv"), cells, files)
    draw_chart(out.with_suffix(".png"), cells)
    command = " ".join(["python -m benchmarks.growth", *(arguments or sys.argv[1:])])
    text = [
        "# Growth of time and memory",
        "",
        "MoCo encoder with 64 features, float32 patches in NumPy. Each cell is a process of its "
        "own, warmed up on thirty patches. Time: median of 5 runs (2 for large `x`). Memory: "
        "the highest resident memory during the first of them above what the process held "
        "before (`x` included, freed memory given back): what the job takes beside its input. "
        "Exponents are slopes in logarithms, by least squares over all sizes and between the two "
        "largest: 1 is proportional, 2 quadratic, 0 constant. (H = W: the cells of a patch grow "
        "with H².)",
        "",
        "![Time and memory against N, C and H](growth.png)",
        "",
        *table(cells),
        *memmap_table(files, ALLOWED),
        *provenance(command, "cpu", time.monotonic() - started),
        "* Every number: [growth.csv](growth.csv)",
        "",
    ]
    out.write_text("\n".join(text), encoding="utf-8")
    print(f"written: {out}")


if __name__ == "__main__":
    main()

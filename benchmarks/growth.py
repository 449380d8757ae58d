"""How time and memory grow with N, C and H: ``make growth``, or ``python -m benchmarks.growth``.

Writes ``docs/growth.md``, ``.csv`` and ``.png``. Each cell runs in a process of its own. Takes
up to half an hour on two cores.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.growth_cell import JOBS
from benchmarks.growth_chart import draw_chart
from benchmarks.growth_sizes import (
    ALLOWED,
    AXES,
    MEMMAP_N,
    QUICK_AXES,
    SIDE,
    C,
    Cell,
    shape_at,
)
from benchmarks.growth_table import InFile, memmap_table, table, write_csv
from benchmarks.machine import provenance
from benchmarks.memory import MB, in_new_process


def measure(axes: dict[str, tuple[int, ...]]) -> Iterator[Cell]:
    """Run every cell; the size that all axes share is run once."""
    known: dict[tuple[str, tuple[int, int, int]], dict[str, Any]] = {}
    for job in JOBS:
        for axis, sizes in axes.items():
            for size in sizes:
                shape = shape_at(axis, size)
                if (job, shape) not in known:
                    runs = 5 if math.prod(shape[:2]) * shape[2] ** 2 < 1e7 else 2
                    known[job, shape] = in_new_process("benchmarks.growth_cell", job, *shape, runs)
                found = known[job, shape]
                yield Cell(job, axis, size, found["seconds"], found["peak"])


def measure_memmap(sizes: Sequence[int], allowed: float) -> Iterator[InFile]:
    """Run every job on a file of patches with bounded memory."""
    with tempfile.TemporaryDirectory(dir="build") as folder:
        path = Path(folder) / "patches.f32"
        block = data.patches(500, C, SIDE)
        with path.open("wb") as file:
            for _ in range(max(sizes) // len(block)):
                file.write(block.data)
        for job in JOBS:
            for n in sizes:
                arguments = (job, n, C, SIDE, 1, "memmap", path, int(allowed))
                yield job, n, in_new_process("benchmarks.growth_cell", *arguments)


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

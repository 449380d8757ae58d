"""Measure everything that the project promises about speed and memory, in one table.

Run from the repository root by ``make bench``, which is ``python -m benchmarks.bench``. Writes
``docs/benchmarks.md`` and every run to ``docs/benchmarks.csv``. Takes about 25 minutes on
two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.machine import provenance, require_device
from benchmarks.row import NotMeasured, Row
from benchmarks.rows_conversion import conversion_rows
from benchmarks.rows_predict import memory_rows, predict_rows
from benchmarks.rows_pretrain import moco_rows
from benchmarks.rows_startup import import_rows, r_call_rows
from benchmarks.rows_sweep import sweep_rows
from benchmarks.rows_training import fine_tuning_rows, head_rows, probe_rows
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.table import line, markdown, write_csv

Measure = Callable[[], Iterator[Row | NotMeasured]]


def topics(sizes: Sizes, device: str) -> dict[str, Measure]:
    """Return what can be measured on `device`, by name, in the order of the table."""
    on_device: dict[str, Measure] = {
        "probe": lambda: probe_rows(sizes, device),
        "heads": lambda: head_rows(sizes, device),
        "sweep": lambda: sweep_rows(sizes, device),
        "fine-tuning": lambda: fine_tuning_rows(sizes, device),
        "predict": lambda: predict_rows(sizes, device),
        "moco": lambda: moco_rows(sizes, device),
    }
    if device != "cpu":
        return on_device
    return {
        **on_device,
        "memory": lambda: memory_rows(sizes),
        "conversion": lambda: conversion_rows(sizes),
        "r-call": lambda: r_call_rows(sizes),
        "imports": lambda: import_rows(sizes),
    }


def main(arguments: list[str] | None = None) -> None:
    """Run the chosen topics and write the two files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--out", type=Path, help="the .md file; a .csv file is put beside it")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes, two runs: a look only")
    parser.add_argument("--only", nargs="+", metavar="TOPIC", choices=topics(FULL, "cpu"))
    options = parser.parse_args(arguments)
    require_device(options.device)
    sizes = QUICK if options.quick else FULL
    partial = options.quick or options.only
    name = "benchmarks" if options.device == "cpu" else f"benchmarks-{options.device}"
    out = options.out or Path("build" if partial else "docs") / f"{name}.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    rows: list[Row | NotMeasured] = []
    for topic, measure in topics(sizes, options.device).items():
        if options.only and topic not in options.only:
            continue
        for row in measure():
            rows.append(row)
            print(f"[{time.monotonic() - started:4.0f} s] {line(row)}", flush=True)
    command = " ".join(["python -m benchmarks.bench", *(arguments or sys.argv[1:])])
    about = provenance(command, options.device, time.monotonic() - started)
    out.write_text("\n".join([*_head(options.quick), *markdown(rows), "", *about, ""]))
    write_csv(out.with_suffix(".csv"), rows)
    print(f"written: {out}, {out.with_suffix('.csv')}")


def _head(quick: bool) -> list[str]:
    lines = [
        "# Benchmarks",
        "",
        "Each row is measured in one run against the reference that it names, the two in "
        "processes of their own that take turns: reference, ours, reference, ours, ... after a "
        "warm-up. Three pairs of processes follow each other (fifteen for fine-tuning against the "
        "plain loop and for prediction with encoders of a user's), because each gets other pages "
        "of memory, and with them up to a tenth of speed. Times are medians; a figure is the "
        "median of the pairs' own figures, with the smallest and the largest pair in brackets, so "
        "that noise of the machine mostly cancels. "
        "Patches are 31×16×16, float32 in NumPy unless said, the encoder is MoCo with 64 "  # noqa: RUF001
        "features, the classes are three, batches have 32 patches. Ours is always the whole "
        "public call. The references are written out in "
        "[plain_loop.py](../benchmarks/plain_loop.py); they draw the same split, first head and "
        "permutations, so that results are compared too. Their processes load our encoders and "
        "nothing else of ours.",
        "",
    ]
    if quick:
        lines += ["**A quick look at small sizes with two runs: not a measurement.**", ""]
    return lines


if __name__ == "__main__":
    main()

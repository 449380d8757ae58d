"""Measure everything that the project promises about speed and memory, in one table.

Run from the repository root by ``make bench``, which is ``python -m benchmarks.bench``. Writes
``docs/benchmarks.md`` and every run to ``docs/benchmarks.csv``. Takes about 45 minutes on
two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import rows_maps, rows_predict, rows_r, rows_segmenters, rows_swav, rows_training
from benchmarks.data import FULL, QUICK, Sizes
from benchmarks.machine import provenance, require_device
from benchmarks.row import NotMeasured, Row

Measure = Callable[[], Iterator[Row | NotMeasured]]

HEADER = ("job", "reference", "ours", "reference took", "figure", "target", "reached")

# What stops a row that does not reach its target; printed below the table, by the row's key.
NOTES: dict[str, str] = {
    **dict.fromkeys(
        (
            "fine-tuning-result",
            "fine-tuning-xresnet-18-result",
            "segmenter-frozen-clay-losses",
            "segmenter-clay-losses",
        ),
        "rounding alone does that: single precision takes the plain loop itself far from its "
        "result in double precision (rows of the table; by how far depends on the number of "
        "threads), because Adam turns gradients that are rounding into steps of nearly `lr`.",
    ),
    **dict.fromkeys(
        ("map-loop-moco-9", "map-loop-moco-16"),
        "the map is as fast as one prediction over its patches in memory (the row on that), so no "
        "exact map is faster by much: so large a part of the loop is the encoder. What a map saves "
        "is reading a window for each patch.",
    ),
    **dict.fromkeys(
        ("map-dense-moco", "map-dense-simclr", "map-dense-moco-large", "map-dense-simclr-large"),
        "on so small a map the windows that borders are learnt from, and writing the file, take as "
        "long as the convolutions.",
    ),
    "segmenter-frozen-clay": (
        "Clay's decoder convolves at the size of the patch and costs more than the MoCo encoder "
        "below it, in both loops alike: to encode once saves less than half of a step. With the "
        "linear decoder the encoder is nearly all."
    ),
    **dict.fromkeys(
        ("conversion", "conversion-reticulate", "conversion-rpy2"),
        "runs are of two kinds (docs/benchmarks.csv): most take half as long again as the straight "
        "copy, others two to five times as long, on the same machine in the same minute. Not yet "
        "explained; compaction of memory it is not (`compact_stall` of /proc/vmstat stays 0).",
    ),
    "predict-class": (
        "the reference neither copies nor checks. Code of a user's may write to its input, so it "
        "gets a copy of each batch, and every cell is checked for NaN and infinity: passes over "
        "memory (`read alone` in the table), which an encoder this light does not hide."
    ),
}


def topics(sizes: Sizes, device: str) -> dict[str, Measure]:
    """Return what can be measured on `device`, by name, in the order of the table."""
    on_device = {
        "probe": rows_training.probe_rows,
        "heads": rows_training.head_rows,
        "sweep": rows_training.sweep_rows,
        "fine-tuning": rows_training.fine_tuning_rows,
        "segmenters": rows_segmenters.segmenter_rows,
        "predict": rows_predict.predict_rows,
        "maps": rows_maps.map_rows,
        "moco": rows_training.moco_rows,
        "rotation": rows_training.rotation_rows,
        "swav": rows_swav.swav_rows,
    }
    on_cpu = {
        "memory": rows_predict.memory_rows,
        "conversion": rows_r.conversion_rows,
        "r-call": rows_r.r_call_rows,
        "imports": rows_r.import_rows,
    }
    found: dict[str, Measure] = {
        topic: partial(rows, sizes, device) for topic, rows in on_device.items()
    }
    if device == "cpu":
        found.update((topic, partial(rows, sizes)) for topic, rows in on_cpu.items())
    return found


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
    partly = options.quick or options.only
    name = "benchmarks" if options.device == "cpu" else f"benchmarks-{options.device}"
    out = options.out or Path("build" if partly else "docs") / f"{name}.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    rows: list[Row | NotMeasured] = []
    for topic, measure in topics(sizes, options.device).items():
        if options.only and topic not in options.only:
            continue
        for row in measure():
            rows.append(row)
            print(f"[{time.monotonic() - started:4.0f} s] {row.line()}", flush=True)
    command = " ".join(["python -m benchmarks.bench", *(arguments or sys.argv[1:])])
    about = provenance(command, options.device, time.monotonic() - started)
    out.write_text("\n".join([*_head(options.quick), *markdown(rows), "", *about, ""]))
    write_csv(out.with_suffix(".csv"), rows)
    print(f"written: {out}, {out.with_suffix('.csv')}")


def markdown(rows: Sequence[Row | NotMeasured]) -> list[str]:
    """Return the table and what has to be said about rows below their targets."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---" * len(HEADER) + "|"]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    reached = sum(row.reached is True for row in rows)
    targets = sum(isinstance(row, NotMeasured) or row.reached is not None for row in rows)
    lines += ["", f"{reached} of {targets} targets reached.", ""]
    for row in rows:
        if isinstance(row, Row) and row.reached is False:
            note = NOTES.get(row.key, "below its target, and not yet explained.")
            lines.append(f"* **{row.job}** (against {row.reference}): {note}")
    return lines


def write_csv(path: Path, rows: Sequence[Row | NotMeasured]) -> None:
    """Write one line a run: seconds (or the row's unit) and the figure of each pair."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "run", "ours", "reference", "figure", "measure", "unit"])
        for row in rows:
            writer.writerows(row.csv_lines())


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

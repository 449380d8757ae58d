"""What a map of a country costs, from rates that are measured here.

Run from the repository root by ``make scale``, which is ``python -m benchmarks.scale``. Writes
``docs/scale.md``. Takes some ten minutes. With ``--device cuda`` it measures a GPU and writes
``docs/scale-cuda.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.machine import MB, provenance, require_device
from benchmarks.rows_maps import BANDS, ENCODERS, PATCH
from benchmarks.scale_rates import cluster_share, file_rates, peak_of, rate_of
from benchmarks.timing import in_new_process

# km2 of Brazil: IBGE, Areas Territoriais.
BRAZIL = 8_510_000
CELLS = {"250 m": 250.0, "30 m": 30.0}
WORKERS = 64
METHODS = ("exact", "dense")


@dataclass(frozen=True)
class Rates:
    """What was measured, for one encoder."""

    one_core: dict[str, float]  # patches a second by method, one thread
    machine: dict[str, float]  # the same with all threads of torch
    cluster: float  # rate of two local workers over that of two threads of one process, exact


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--side", type=int, default=512, help="of the map that is measured")
    options = parser.parse_args(arguments)
    require_device(options.device)
    started = time.monotonic()
    name = "scale" if options.device == "cpu" else f"scale-{options.device}"
    out = options.out or Path("docs") / f"{name}.md"
    threads = torch.get_num_threads()
    side, device = options.side, options.device

    def measured(encoder: str, method: str, n_threads: int) -> float:
        return in_new_process(partial(rate_of, encoder, side, device, method, n_threads))

    rates = {
        encoder: Rates(
            {m: measured(encoder, m, 1) for m in METHODS},
            {m: measured(encoder, m, threads) for m in METHODS},
            cluster_share(encoder, options.side) if options.device == "cpu" else 1.0,
        )
        for encoder in ENCODERS.values()
    }
    peaks = {m: in_new_process(partial(peak_of, side, device, m)) / MB for m in METHODS}
    page = report(rates, peaks, file_rates(), threads, options.device)
    command = " ".join(["python -m benchmarks.scale", *sys.argv[1:]])
    page += provenance(command, options.device, time.monotonic() - started)
    out.write_text("\n".join(page) + "\n", encoding="utf-8")
    print(f"written: {out}")


# --- the page ----------------------------------------------------------------------------------


def report(
    rates: dict[str, Rates],
    peaks: dict[str, float],
    files: tuple[float, float, float],
    threads: int,
    device: str,
) -> list[str]:
    """Return the lines of the page."""
    reading, writing, size = files
    about = (
        "Rates were measured on the machine below, and what a country takes is worked out from "
        f"them: patches of {PATCH} x {PATCH} cells of {BANDS} bands in float32, encoders of this "
        "package with 64 (MoCo) and 32 features (SimCLR), a map of classes at stride 1. Brazil "
        f"has {BRAZIL / 1e6:.2f} million km2; cells of the rectangle around it, without data, "
        "cost reading only. This machine stands for a laptop, one thread of it for a core."
    )
    lines = [
        "# What a map of a country costs",
        "",
        about,
        "",
        "## Measured",
        "",
        "| encoder | method | patches a second, one core | "
        f"all {threads} threads | two local workers of dask, against two threads |",
        "|---|---|---|---|---|",
    ]
    for encoder, found in rates.items():
        for method in METHODS:
            share = f"{found.cluster:.2f} x" if method == "exact" else ""
            lines.append(
                f"| {_name(encoder)} | {method} | {found.one_core[method]:,.0f} | "
                f"{found.machine[method]:,.0f} | {share} |"
            )
    taken = ", ".join(f"{peak:.0f} MB ({method})" for method, peak in peaks.items())
    files_say = (
        f"Reading {BANDS} bands: {reading / 1e6:.1f} million cells a second. Writing a map of "
        f"classes, blocks, final file and its check: {writing / 1e6:.1f} million cells a second, "
        f"{size:.2f} bytes a cell. Memory of a process with one thread, above what it had: "
        f"{taken}; each further thread takes about as much again."
    )
    lines += [
        "",
        files_say,
        "",
        "## Brazil",
        "",
        "| cells of | method | encoder | patches | core-hours | this machine "
        f"({threads} threads) | {WORKERS} workers of one core | file of classes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell, metres in CELLS.items():
        patches = BRAZIL * 1e6 / metres**2
        for method in METHODS:
            for encoder, found in rates.items():
                cores = patches / found.one_core[method] / 3600
                here = patches / found.machine[method]
                # blocks are written by workers; the final file is put together by one process
                many = patches / found.one_core[method] / WORKERS + patches / writing
                lines.append(
                    f"| {cell} | {method} | {_name(encoder)} | {patches / 1e6:,.0f} million | "
                    f"{cores:,.1f} | {_time(here)} | {_time(many)} | {_bytes(patches * size)} |"
                )
    lines += ["", "## Where the time goes", ""]
    for encoder, found in rates.items():
        for method in METHODS:
            compute, read, write = 1 / found.one_core[method], 1 / reading, 1 / writing
            limit = compute / write
            lines.append(
                f"* {_name(encoder)}, {method}: a patch takes {1e6 * compute:.1f} microseconds "
                f"of a core, reading its cell {1e6 * read:.2f} of them. The final file, which one "
                f"process writes, takes {1e6 * write:.2f} a cell: from {limit:,.0f} cores on that "
                "is what one waits for."
            )
    gpu = (
        "A GPU was not at hand: `python -m benchmarks.scale --device cuda` measures one."
        if device == "cpu"
        else "Measured on the GPU below: a core is its process."
    )
    return [*lines, "", gpu, ""]


def _name(encoder: str) -> str:
    return next(name for name, known in ENCODERS.items() if known == encoder)


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _bytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number > 1e9 else f"{number / 1e6:.0f} MB"


if __name__ == "__main__":
    main()

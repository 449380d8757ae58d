"""Rows of conversion: R's double array to a float32 tensor, from all entrances."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.conversion import measured, r_like
from benchmarks.memory import in_new_process
from benchmarks.row import NotMeasured, Row, speed_up, value
from benchmarks.rscript import NoRError, measured_in_r
from benchmarks.sizes import Sizes
from benchmarks.timing import Timed


def conversion_rows(sizes: Sizes) -> Iterator[Row | NotMeasured]:
    """Speed as a share of the limit's, and peak memory in float32 arrays."""
    n, runs = sizes.converted, sizes.short_runs
    entrances: dict[str, Callable[[], Any]] = {
        "NumPy, R's order": lambda: json.loads(measured(r_like(n), runs)),
        "R, reticulate": lambda: measured_in_r(sizes)["conversion"],
        "R, rpy2": lambda: in_new_process("benchmarks.conversion", n, runs),
    }
    for entrance, measure in entrances.items():
        key = f"conversion-{entrance.split()[-1].lower()}" if "R," in entrance else "conversion"
        job = f"double array {n}×31×16×16 to float32 tensor ({entrance})"  # noqa: RUF001
        try:
            found = measure()
        except (NoRError, RuntimeError, OSError) as error:
            yield NotMeasured(key, job, str(error))
            continue
        times = Timed(found["limit"], found["ours"], None, None)
        reference = "straight copy in memory order, `tensor.to(torch.float32)`"
        yield speed_up(key, job, reference, times, 0.55)
        yield value(
            f"{key}-memory",
            f"{job}: peak memory",
            "in float32 arrays of `x`",
            [found["arrays"]],
            1.1,
        )

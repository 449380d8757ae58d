"""The figure of growth: time above, memory below, against N, C and H."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.growth_cell import JOBS
from benchmarks.growth_sizes import AXES, SIDE, C, Cell, N, exponent
from benchmarks.memory import MB

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


def draw_chart(path: Path, cells: Sequence[Cell]) -> None:
    """Write the figure as PNG."""
    style = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context(style):
        figure, panels = plt.subplots(2, 3, figsize=(11, 6.6), sharey="row")
        for column, axis in enumerate(AXES):
            on_axis = [cell for cell in cells if cell.axis == axis]
            _panel(panels[0][column], on_axis, "seconds", 1)
            _panel(panels[1][column], on_axis, "peak", MB)
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
        plt.close(figure)


def _panel(axes: Axes, cells: Sequence[Cell], what: str, unit: float) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for number, job in enumerate(JOBS):
        row = sorted((cell for cell in cells if cell.job == job), key=lambda cell: cell.size)
        sizes, values = [cell.size for cell in row], [getattr(cell, what) / unit for cell in row]
        axes.plot(sizes, values, lw=1.6, ms=6, **STYLES[job])
        axes.text(
            0.03, 0.97 - 0.075 * number, f"{job}: exponent {exponent(sizes, values):.2f}",
            transform=axes.transAxes, va="top", color=STYLES[job]["color"],
        )  # fmt: skip
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(color="#e4e4e4", lw=0.7)
    axes.set_axisbelow(True)

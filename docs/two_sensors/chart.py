"""The figure: the scene, its elevation and folds; the ranks of twins; accuracy by labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from methods import PER_CLASS
from scene import CLASSES, HALF, STEP, Pairs
from twins import SHOWN

from edaphos_bridge.experiments.comparison import Comparison
from edaphos_bridge.interpretation.pictures import pictures

DIRECTION = "visible to infrared"
RANKS = 100
STYLES = {
    "SwAV of two groups, concat": ("#0072b2", "o-"),
    "visible: SwAV of two groups": ("#56b4e9", "v-"),
    "visible: SwAV of these bands": ("#56b4e9", "v--"),
    "SwAV of six bands": ("#009e73", "s-"),
    "MoCo of six bands": ("#cc79a7", "D-"),
    "untrained MoCo encoder": ("#999999", "o--"),
    "random convolutions": ("#e69f00", "^--"),
    "image statistics": ("#000000", "^--"),
    "raw pixels": ("#d55e00", "^:"),
    "from scratch, XResNet-18": ("#999999", "x:"),
}
CLASS_COLOURS = ("#fee8a8", "#a6c36f", "#3b7a57")


def draw_chart(
    path: Path, pairs: Pairs, comparison: Comparison, ranks: Mapping[tuple[str, str], Any]
) -> None:
    """Write the figure as PNG."""
    style = {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
    }
    with plt.rc_context(style):
        figure = plt.figure(figsize=(12, 9.6), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.08)
        above, below = figure.subfigures(2, 1, height_ratios=(1, 1.25))
        panels = above.subplots(1, 3)
        for ax, bands, name in (
            (panels[0], (2, 1, 0), "a  Bands 3, 2, 1: visible"),
            (panels[1], (3, 4, 5), "b  Bands 4, 5, 7: infrared"),
        ):
            ax.imshow(pictures(pairs.image[None].astype(np.float32), bands, "percent")[0])
            ax.set_title(name)
        _classes(panels[2], pairs)
        for ax in panels:
            ax.set_axis_off()
        left, right = below.subplots(1, 2)
        _ranks(left, ranks)
        _accuracy(right, comparison)
        figure.savefig(path, dpi=85)
        plt.close(figure)


def _classes(ax: Axes, pairs: Pairs) -> None:
    """Draw the thirds of elevation, the tested patches with the numbers of their folds."""
    height, width = (-(-(extent - 2 * HALF) // STEP) for extent in pairs.image.shape[1:])
    places = (pairs.rows - HALF) // STEP, (pairs.columns - HALF) // STEP
    thirds, group = np.full((height, width), np.nan), np.full((height, width), -1)
    thirds[places], group[places] = pairs.y, pairs.group
    ax.imshow(thirds, cmap=ListedColormap(CLASS_COLOURS), interpolation="nearest")
    for number in np.unique(pairs.group):
        ax.contour(group == number, [0.5], colors="#333333", linewidths=0.7)
    blocks = np.linspace(0, height, 7), np.linspace(0, width, 7)
    for top, bottom in zip(blocks[0][:-1], blocks[0][1:], strict=True):
        for first, last in zip(blocks[1][:-1], blocks[1][1:], strict=True):
            row, column = int((top + bottom) / 2), int((first + last) / 2)
            if group[row, column] >= 0:
                ax.text(column, row, f"{group[row, column] + 1}", ha="center", va="center")
    names = [Patch(color=c, label=n) for c, n in zip(CLASS_COLOURS, CLASSES, strict=True)]
    ax.legend(handles=names, loc="lower right", frameon=False, title="elevation")
    ax.set_title("c  Thirds of elevation, and folds")


def _ranks(ax: Axes, ranks: Mapping[tuple[str, str], Any]) -> None:
    first = np.arange(1, RANKS + 1)
    for way, colour in SHOWN.items():
        found = ranks[way, DIRECTION]
        shares = (found[:, None] <= first).mean(axis=0)
        ax.plot(first, shares, color=colour, ls="--" if way.startswith("CCA") else "-", label=way)
    ax.set_xscale("log")
    ax.set_xticks([1, 10, RANKS], ["1", "10", f"{RANKS}"])
    ax.set_xlabel("first patches of the other group that are looked at")
    ax.set_ylabel("share of twins among them")
    ax.set_ylim(0, 1.02)
    ax.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.46, -0.13))
    ax.set_title("d  Held-out visible patches that find their infrared twin")


def _accuracy(ax: Axes, comparison: Comparison) -> None:
    for place, (name, (colour, line)) in enumerate(STYLES.items()):
        at = np.arange(len(PER_CLASS)) + 0.05 * (place - len(STYLES) / 2)
        values = [comparison.values(name, labels) for labels in PER_CLASS]
        means, sds = ([f(each) for each in values] for f in (np.mean, np.std))
        ax.errorbar(at, means, yerr=sds, fmt=line, color=colour, ms=4, lw=1, label=name)
    ax.set_xticks(range(len(PER_CLASS)), [f"{n}" for n in PER_CLASS])
    ax.set_xlabel("labels per class")
    ax.set_ylabel(f"test accuracy, mean ± sd of {comparison.repeats} repeats")
    ax.axhline(1 / len(CLASSES), color="#bbbbbb", lw=0.8)
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.46, -0.13))
    ax.set_title("e  Thirds of elevation, from few labels")

"""The figure of the comparison: accuracy against labels per class."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from methods import METHODS, PER_CLASS

from edaphos_bridge.experiments.comparison import Comparison

# Okabe and Ito's colours; pretrained methods have filled marks and solid lines.
STYLES = {
    "probe_moco": {"color": "#0072b2", "marker": "o", "ls": "-"},
    "probe_untrained": {"color": "#56b4e9", "marker": "o", "ls": "--", "mfc": "white"},
    "finetune_moco": {"color": "#d55e00", "marker": "s", "ls": "-"},
    "finetune_scratch": {"color": "#e69f00", "marker": "s", "ls": "--", "mfc": "white"},
    "logistic": {"color": "#888888", "marker": "^", "ls": ":", "mfc": "white"},
    "logistic_cv": {"color": "#222222", "marker": "^", "ls": ":"},
}
STEP = 0.08  # between the methods, so that their bars stand side by side


def draw_chart(path: Path, comparison: Comparison) -> None:
    """Write the figure as PNG."""
    style = {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
    }
    with plt.rc_context(style):
        figure, panels = plt.subplots(1, 2, figsize=(11, 5.4), sharey=True)
        for axes, (measure, name) in zip(
            panels,
            {"accuracy": "a  Accuracy", "balanced_accuracy": "b  Balanced accuracy"}.items(),
            strict=True,
        ):
            _panel(axes, comparison, measure)
            axes.set_title(name)
        panels[0].set_ylabel("on test blocks")
        figure.legend(
            *panels[0].get_legend_handles_labels(), ncols=3, loc="lower center", frameon=False
        )
        figure.suptitle(
            "Statlog scene, 9x9 patches, spatial blocks: with and without MoCo pretraining",
            x=0.01, ha="left", fontweight="bold",
        )  # fmt: skip
        figure.text(
            0.01, 0.9,
            "Lines and bars: mean and standard deviation of five repeats. "
            "Small marks: the repeats, each on other blocks.",
        )  # fmt: skip
        figure.subplots_adjust(left=0.06, right=0.99, top=0.82, bottom=0.22, wspace=0.06)
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _panel(axes: Axes, comparison: Comparison, measure: str) -> None:
    places = np.arange(len(PER_CLASS))
    for number, (method, name) in enumerate(METHODS.items()):
        x = places + (number - (len(METHODS) - 1) / 2) * STEP
        y = [comparison.values(method, labels, measure) for labels in PER_CLASS]
        axes.errorbar(
            x, [each.mean() for each in y], yerr=[each.std() for each in y],
            label=name, capsize=3, lw=1.4, ms=6, **STYLES[method],
        )  # fmt: skip
        for place, each in zip(x, y, strict=True):
            axes.scatter(
                np.full(len(each), place + STEP / 3), each, s=6, lw=0,
                color=STYLES[method]["color"], alpha=0.7,
            )  # fmt: skip
    axes.set_xticks(places, list(PER_CLASS))
    axes.set_xlabel("labels per class")
    axes.grid(axis="y", color="#e4e4e4", lw=0.7)
    axes.set_axisbelow(True)

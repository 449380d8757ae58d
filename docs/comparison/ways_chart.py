"""The figure of the ways of fine-tuning: accuracy with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from ways_scores import Way, WayScores

COLOURS = {"": "#777777", "moco": "#0072b2", "untrained": "#d55e00"}


def draw_chart(
    path: Path,
    scores: Mapping[str, Mapping[Way, WayScores]],
    names: Mapping[Way, str],
    headings: Mapping[str, str],
) -> None:
    """Write the figure as PNG: a panel for each number of labels, a line for each way."""
    places = {way: -number for number, way in enumerate(names)}
    with plt.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, panels = plt.subplots(1, len(headings), figsize=(12, 5.2), sharex=True, sharey=True)
        for axes, (labels, heading) in zip(panels, headings.items(), strict=True):
            for way, each in scores[labels].items():
                score, colour = each.accuracy, COLOURS[way[0]]
                axes.plot([score.low, score.high], [places[way]] * 2, color=colour, lw=1.4)
                axes.plot(score.value, places[way], "o", color=colour, ms=5)
            axes.set_title(heading, loc="left")
            axes.set_xlabel("accuracy on test blocks")
            axes.grid(axis="x", color="#e4e4e4", lw=0.7)
            axes.set_axisbelow(True)
        panels[0].set_yticks(list(places.values()), list(names.values()))
        figure.suptitle(
            "Statlog scene, 9x9 patches, spatial blocks: ways of fine-tuning. "
            "Bars: 95 % interval, whole blocks resampled",
            x=0.01, ha="left", fontweight="bold",
        )  # fmt: skip
        figure.tight_layout()
        figure.savefig(path, dpi=110)
        plt.close(figure)

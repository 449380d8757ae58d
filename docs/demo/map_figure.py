"""The picture of the map: the scene, its labels, the map, and how unsure it is."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from figure import COLOURS, INK, bare, draw_codes, false_colour
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scene_map import EAST, WEST, SceneMap

from edaphos_bridge.datasets.statlog import StatlogScene

GAP = "#ffffff"  # the scene is unknown, or has no label


def draw_map(path: Path, scene: StatlogScene, found: SceneMap) -> None:
    """Write the picture as PNG."""
    style = {"font.size": 9.5, "axes.titlesize": 10.5, "axes.titlelocation": "left"}
    style |= dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with plt.rc_context(style):
        figure = plt.figure(figsize=(9.1, 9.75))
        grid = figure.add_gridspec(
            2, 2, left=0.015, right=0.985, top=0.89, bottom=0.105, wspace=0.03, hspace=0.09
        )
        scene_axes, label_axes, map_axes, doubt_axes = (figure.add_subplot(cell) for cell in grid)
        false_colour(scene_axes, scene.image, "a  Scene (infrared, red, green)")
        draw_codes(label_axes, scene.labels, scene.classes, "b  Labels")
        _say_sides(label_axes)
        _classes(map_axes, found)
        _doubt(figure, doubt_axes, found)
        for axes in (scene_axes, label_axes, map_axes, doubt_axes):
            _sides(axes)
        _legend(figure, scene.classes)
        figure.suptitle(
            "A soil map of ground that was not seen: accuracy in the east "
            f"{found.accuracy:.3f}",
            x=0.015, y=0.985, ha="left", va="top", fontsize=13, fontweight="bold",
        )  # fmt: skip
        right, wrong = found.mean_entropy(True), found.mean_entropy(False)
        figure.text(
            0.015, 0.953,
            "Linear probe on MoCo features of 9 by 9 pixels. Encoder and probe know the west "
            f"alone;\n{found.tested.sum()} labelled pixels of the east test them, in one split of "
            f"one scene. Mean entropy {right:.2f} where right, {wrong:.2f} where wrong.",
            va="top", linespacing=1.35,
        )  # fmt: skip
        figure.savefig(path, dpi=150)
        plt.close(figure)


def _classes(axes: Axes, found: SceneMap) -> None:
    """Draw the map in the colours that its file carries."""
    table = np.array([found.colours[code][:3] for code in range(256)]) / 255
    table[0] = 1
    colours = ListedColormap(table)
    axes.imshow(found.codes, cmap=colours, vmin=-0.5, vmax=255.5, interpolation="nearest")
    axes.set_title("c  Map: foundation_predict_raster(fit, scene)")
    bare(axes)


def _doubt(figure: plt.Figure, axes: Axes, found: SceneMap) -> None:
    shown = axes.imshow(found.entropy, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    rows, columns = np.nonzero(found.tested & ~found.right)
    axes.scatter(columns, rows, marker="x", s=7, lw=0.8, color="#d62728")
    axes.set_title('d  Doubt: type="entropy"')
    bare(axes)
    bar = figure.colorbar(
        shown, cax=figure.add_axes((0.745, 0.066, 0.235, 0.013)), orientation="horizontal"
    )
    bar.outline.set_visible(False)
    bar.set_label("share of the highest entropy", fontsize=9)


def _sides(axes: Axes) -> None:
    """Say where the west ends and the east begins."""
    for place in (WEST, EAST):
        axes.axvline(place - 0.5, color="white", lw=2.2)
        axes.axvline(place - 0.5, color="black", lw=1.2, ls=(0, (4, 2)))


def _say_sides(axes: Axes) -> None:
    for place, text in (
        (WEST / 2, "trains"),
        ((WEST + EAST) / 2, "neither"),
        ((EAST + 100) / 2, "tests"),
    ):
        axes.text(place, -1.8, text, ha="center", va="bottom", fontsize=9, style="italic")


def _legend(figure: plt.Figure, classes: list[str]) -> None:
    swatches = [Patch(fc=COLOURS[name], ec="#777777", lw=0.5, label=name) for name in classes]
    swatches.append(Patch(fc=GAP, ec="#777777", lw=0.5, label="no label (b), unknown"))
    swatches.append(Line2D([], [], color="#d62728", marker="x", ms=4, ls="", label="wrong (d)"))
    figure.legend(
        handles=swatches, ncols=4, frameon=False, loc="upper left", bbox_to_anchor=(0.01, 0.098),
        handletextpad=0.5, columnspacing=1.4,
    )  # fmt: skip

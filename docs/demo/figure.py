"""The figure of the demo: curves, confusion matrix, the scene and its soil maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from edaphos_bridge import FoundationClassifier
from edaphos_bridge.datasets.statlog import StatlogScene

# At least 20 CIELAB units apart in pairs, also to protanopes, deuteranopes and tritanopes.
COLOURS = {
    "red soil": "#a63a1e",
    "cotton crop": "#3f9b6b",
    "grey soil": "#d9d2c0",
    "damp grey soil": "#9aa1a8",
    "vegetation stubble": "#e0a92e",
    "very damp grey soil": "#45536a",
}
ON_DARK = {"red soil", "very damp grey soil"}  # marks on these are white
LINES = [("#b08d57", "--"), ("#a63a1e", "-."), ("#12355b", "-")]
INK = "#222222"


def draw_figure(
    path: Path,
    *,
    fits: Mapping[str, FoundationClassifier],
    truth: pd.Categorical,
    predicted: pd.Categorical,
    scene: StatlogScene,
    soil_map: NDArray[np.int_],
    is_test: NDArray[np.bool_],
    accuracy: float,
) -> None:
    """Write the figure as PNG.

    Parameters
    ----------
    path : Path
        File to write.
    fits : mapping of str to FoundationClassifier
        Three fits, whose histories are drawn under these names.
    truth, predicted : pandas.Categorical
        Classes of the test patches.
    scene : StatlogScene
        Image and labels.
    soil_map : numpy.ndarray, shape (82, 100)
        Predicted class codes, -1 where the scene is unknown.
    is_test : numpy.ndarray, shape (82, 100), bool
        Where the test patches are centred.
    accuracy : float
        Test accuracy of the fit that drew the map.
    """
    style = {
        "font.size": 9.5,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#777777",
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with plt.rc_context(style):
        figure = plt.figure(figsize=(12.5, 10.2))
        top = figure.add_gridspec(
            1, 3, left=0.055, right=0.985, top=0.9, bottom=0.62, wspace=0.32,
            width_ratios=[0.84, 1.34, 1.08],
        )  # fmt: skip
        curves = top[0].subgridspec(2, 1, hspace=0.14)
        loss = figure.add_subplot(curves[0])
        _curves(loss, figure.add_subplot(curves[1], sharex=loss), fits)
        _confusion(figure.add_subplot(top[1]), truth, predicted)
        scene_axes = figure.add_subplot(top[2])
        scene_axes.set_anchor("NE")
        false_colour(scene_axes, scene.image, "c  Scene (infrared, red, green)")

        maps = figure.add_gridspec(
            1, 2, left=0.015, right=0.985, top=0.535, bottom=0.085, wspace=0.03
        )
        axes = [figure.add_subplot(cell) for cell in maps]
        for place, map_axes in zip("WE", axes, strict=True):
            map_axes.set_anchor(place)
        draw_codes(axes[0], scene.labels, scene.classes, "d  Labelled map")
        draw_codes(axes[1], soil_map, scene.classes, "e  Map predicted by full fine-tuning")
        _mark_tests(axes[1], scene, soil_map, is_test)
        _legend(figure, scene.classes)
        figure.suptitle(
            "Statlog Landsat: full fine-tuning of a MoCo backbone from random weights, "
            f"test accuracy {accuracy:.3f}",
            x=0.015, y=0.985, ha="left", va="top", fontsize=13, fontweight="bold",
        )  # fmt: skip
        figure.text(
            0.015, 0.948,
            f"{len(truth)} test patches of 3 by 3 pixels, official split; neighbouring patches "
            "share pixels, so this is not the accuracy on another scene",
            va="top",
        )  # fmt: skip
        figure.savefig(path, dpi=160)
        plt.close(figure)


def _curves(loss: Axes, accuracy: Axes, fits: Mapping[str, FoundationClassifier]) -> None:
    for (name, fit), (colour, dash) in zip(fits.items(), LINES, strict=True):
        epochs = np.arange(1, len(fit.loss_history) + 1)
        loss.plot(epochs, fit.loss_history, color=colour, ls=dash)
        accuracy.plot(epochs, fit.val_accuracy_history, color=colour, ls=dash, label=name)
    loss.set(title="a  Loss and validation accuracy", ylabel="training loss", ylim=(0, None))
    loss.tick_params(labelbottom=False)
    accuracy.legend(frameon=False, fontsize=8.5, loc="lower right", bbox_to_anchor=(1.03, 0.0))
    accuracy.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
    accuracy.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (loss, accuracy):
        axes.grid(axis="y", color="#e4e4e4", lw=0.7)
        axes.yaxis.set_label_coords(-0.15, 0.5)


def _confusion(axes: Axes, truth: pd.Categorical, predicted: pd.Categorical) -> None:
    classes = list(truth.categories)
    counts = confusion_matrix(truth.codes, predicted.codes, labels=range(len(classes)))
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.55 else INK if count else "#aaaaaa"
        axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=9)
    places = np.arange(len(classes))
    names = ["\n".join(wrap(name, width=10)) for name in classes]
    axes.set_xticks(places, names, fontsize=7.5)
    axes.set_yticks(places, names, fontsize=7.5)
    axes.set(title="b  Test patches, full fine-tuning", xlabel="predicted", ylabel="truth")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def false_colour(axes: Axes, image: NDArray[np.int16], title: str) -> None:
    """Show the second near-infrared and the two visible bands, stretched over 2 to 98 %."""
    known = (image >= 0).all(axis=0)
    shown = np.ones((*known.shape, 3))
    for channel, band in enumerate((3, 1, 0)):
        low, high = np.percentile(image[band][known], (2, 98))
        shown[..., channel][known] = np.clip((image[band][known] - low) / (high - low), 0, 1)
    axes.imshow(shown)
    axes.set_title(title)
    bare(axes)


def draw_codes(axes: Axes, codes: NDArray[np.integer], classes: list[str], title: str) -> None:
    """Show classes from 0 on; cells below are white."""
    colours = ListedColormap([COLOURS[name] for name in classes])
    shown = np.ma.masked_less(codes, 0)
    axes.imshow(shown, cmap=colours, vmin=-0.5, vmax=len(classes) - 0.5, interpolation="nearest")
    axes.set_title(title)
    bare(axes)


def _mark_tests(
    axes: Axes, scene: StatlogScene, soil_map: NDArray[np.int_], is_test: NDArray[np.bool_]
) -> None:
    """Put a dot on each test pixel, or a cross where the prediction is wrong."""
    dark = np.isin(soil_map, [scene.classes.index(name) for name in ON_DARK])
    right = soil_map == scene.labels
    for on_dark, colour in ((True, "white"), (False, "black")):
        for where, style in (
            (right, {"marker": "o", "s": 1.5, "lw": 0}),
            (~right, {"marker": "x", "s": 9, "lw": 1.1}),
        ):
            rows, columns = np.nonzero(is_test & where & (dark == on_dark))
            axes.scatter(columns, rows, color=colour, **style)


def bare(axes: Axes) -> None:
    """Leave a thin frame around a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#999999", lw=0.6)


def _legend(figure: plt.Figure, classes: list[str]) -> None:
    swatches = [Patch(fc=COLOURS[name], ec="#777777", lw=0.5, label=name) for name in classes]
    swatches.append(Patch(fc="white", ec="#777777", lw=0.5, label="unlabelled (d), unknown (e)"))
    marks = [
        Line2D([], [], color="black", marker="o", ms=2.5, ls="", label="test patch, right"),
        Line2D([], [], color="black", marker="x", ms=5, ls="", label="test patch, wrong"),
        Line2D([], [], ls="", label="no mark: training patch, or unlabelled"),
    ]
    common = {"frameon": False, "handletextpad": 0.5, "columnspacing": 1.6, "loc": "upper center"}
    figure.legend(handles=swatches, ncols=7, bbox_to_anchor=(0.5, 0.077), **common)
    figure.legend(handles=marks, ncols=3, bbox_to_anchor=(0.5, 0.045), **common)

"""The figures of interpretation, with matplotlib."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.colours import own_colours
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.errors import EdaphosError

Floats = NDArray[np.float64]


def pyplot() -> Any:
    """Return matplotlib.pyplot; or raise `EdaphosError` with how to install it."""
    try:
        return imported("matplotlib.pyplot")
    except ImportError as error:
        raise EdaphosError(
            "Figures need the package matplotlib. Install it with `pip install matplotlib`."
        ) from error


def axes(ax: Any, width: float = 5.0, height: float = 4.2) -> Any:
    """Return `ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    return pyplot().subplots(figsize=(width, height), layout="constrained")[1]


def grid(shown: Floats, titles: list[str], caption: str, overlays: Any = None) -> Any:
    """Draw pictures ``(k, H, W, 3)`` under their titles; return the figure.

    `overlays` has for each picture what ``imshow`` takes beside ``alpha``, drawn over it.
    """
    columns = min(len(shown), math.ceil(math.sqrt(len(shown))))
    rows = math.ceil(len(shown) / columns)
    longest = max(len(line) for title in titles for line in title.split("\n"))
    width = max(2.2, 0.085 * longest)
    figure, all_axes = pyplot().subplots(
        rows,
        columns,
        figsize=(max(width * columns, 4.0), 2.4 * rows + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for ax in all_axes.flat:
        ax.axis("off")
    for number, (picture, title) in enumerate(zip(shown, titles, strict=True)):
        ax = all_axes.flat[number]
        ax.imshow(picture, interpolation="nearest")
        if overlays is not None:
            image = ax.imshow(interpolation="nearest", **overlays[number])
            if image.cmap.name == "RdBu_r":
                figure.colorbar(image, ax=ax, shrink=0.8)
        ax.set_title(title, fontsize=9)
    figure.suptitle(caption, fontsize=10)
    return figure


def confusion(table: pd.DataFrame, ax: Any = None) -> Any:
    """Draw counts on the shares of each actual class."""
    counts = table.to_numpy()
    names = [str(name) for name in table.index]
    size = 1.8 + 0.55 * len(names)
    ax = axes(ax, max(size, 4.0), max(size - 0.4, 3.4))
    total = counts.sum(axis=1, keepdims=True)
    share = counts / np.where(total > 0, total, 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        ax.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.5 else "black",
        )
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="predicted", ylabel="actual")
    return ax


def reliability(table: pd.DataFrame, ax: Any = None) -> Any:
    """Draw accuracy against confidence; the areas of the discs are the numbers of patches."""
    ax = axes(ax, 4.4, 4.2)
    filled = table[table["n"] > 0]
    ax.plot([0, 1], [0, 1], linestyle="dotted", color="grey")
    ax.plot(filled["confidence"], filled["accuracy"], color="C0", linewidth=1)
    area = 300 * filled["n"] / filled["n"].sum()
    ax.scatter(filled["confidence"], filled["accuracy"], s=area + 8, color="C0", alpha=0.7)
    ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    ax.set_aspect("equal")
    return ax


def predictions(actual: Floats, predicted: Floats, name: str, ax: Any = None) -> Any:
    """Draw predicted against actual values, with the line where they are equal."""
    ax = axes(ax, 4.4, 4.2)
    ends = min(actual.min(), predicted.min()), max(actual.max(), predicted.max())
    ax.plot(ends, ends, linestyle="dotted", color="grey")
    ax.scatter(actual, predicted, s=14, alpha=0.7)
    ax.set(xlabel=f"actual {name}".strip(), ylabel=f"predicted {name}".strip())
    return ax


def bars(names: list[str], values: Floats, spread: Floats, label: str, ax: Any = None) -> Any:
    """Draw a bar for each name, the first on top, with its standard deviation."""
    ax = axes(ax, 5.0, 1.2 + 0.32 * len(names))
    places = np.arange(len(names))
    ax.barh(places, values, xerr=spread, color="C0", alpha=0.8, error_kw={"linewidth": 1})
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.set_xlabel(label)
    return ax


def scatter(
    points: Floats,
    names: list[Any] | None,
    labels: tuple[str, str],
    ax: Any = None,
    levels: list[Any] | None = None,
) -> Any:
    """Draw points in a plane, a colour for each of their names."""
    ax = axes(ax, 5.4, 4.2)
    if names is None:
        ax.scatter(points[:, 0], points[:, 1], s=14, alpha=0.7)
    else:
        of = np.asarray([str(name) for name in names], dtype=object)
        for name in levels or dict.fromkeys(names):
            rows = of == str(name)
            ax.scatter(points[rows, 0], points[rows, 1], s=14, alpha=0.7, label=str(name))
        ax.legend(fontsize=8, frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    ax.set(xlabel=labels[0], ylabel=labels[1])
    return ax


def masks(
    shown: Floats,
    columns: dict[str, NDArray[np.int64]],
    classes: list[Any],
    titles: list[str] | None = None,
) -> Any:
    """Draw pictures ``(k, H, W, 3)``, one a row, beside masks ``(k, H, W)``; return the figure.

    Each column of masks has its name on top; cells below 0 are white. A legend has the classes.
    """
    plt = pyplot()
    colours = [np.array(colour) / 255 for colour in own_colours(len(classes))]
    table = np.array([*colours, (1.0, 1.0, 1.0)])  # the last is that of -1
    k, width = len(shown), 1 + len(columns)
    figure, all_axes = plt.subplots(
        k, width, figsize=(2.1 * width, 2.1 * k + 0.8), squeeze=False, layout="constrained"
    )
    for row in range(k):
        pictures = [shown[row], *(table[mask[row]] for mask in columns.values())]
        for ax, picture in zip(all_axes[row], pictures, strict=True):
            ax.imshow(picture, interpolation="nearest")
            ax.set_xticks([])
            ax.set_yticks([])
        if titles is not None:
            all_axes[row, 0].set_ylabel(titles[row].replace(", ", "\n"), fontsize=8)
    for ax, name in zip(all_axes[0], ["patch", *columns], strict=True):
        ax.set_title(name, fontsize=9)
    handles = [
        plt.matplotlib.patches.Patch(facecolor=colour, edgecolor="grey", label=str(name))
        for colour, name in zip(colours, classes, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
    return figure


def intervals(names: list[str], values: dict[str, pd.DataFrame], label: str, ax: Any = None) -> Any:
    """Draw estimates with their intervals, a colour for each key and a place for each name."""
    ax = axes(ax, max(4.5, 1.0 + 0.7 * len(names)), 3.8)
    places = np.arange(len(names))
    for number, (key, table) in enumerate(values.items()):
        at = places + 0.15 * (number - (len(values) - 1) / 2)
        estimate = table["estimate"].to_numpy()
        ends = table[["conf_low", "conf_high"]].to_numpy().T
        spread = np.abs(ends - estimate)
        drawn = None if np.isnan(spread).all() else np.nan_to_num(spread)
        ax.errorbar(at, estimate, yerr=drawn, fmt="o", markersize=4, linewidth=1, label=key)
    ax.set_xticks(places, names, rotation=30, ha="right")
    ax.set(ylabel=label, ylim=(0, 1.02))
    ax.legend(frameon=False, fontsize=8)
    return ax

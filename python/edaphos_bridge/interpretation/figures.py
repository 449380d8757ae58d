"""The figures of interpretation, with matplotlib."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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

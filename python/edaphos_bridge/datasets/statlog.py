"""Statlog Landsat: labelled soil patches, and the scene they were cut from.

Source: Srinivasan, A. (1993). Statlog (Landsat Satellite). UCI Machine Learning Repository,
https://doi.org/10.24432/C55887. Licence: CC BY 4.0. The scene was put together from the exact
overlaps of the patches; 6434 of the 6435 have a place in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class StatlogLandsat:
    """The patches in their original order.

    Attributes
    ----------
    x : numpy.ndarray, shape (6435, 4, 3, 3), uint8
        Patches of 3x3 pixels in four bands (two visible, two near infrared).
    y : pandas.Categorical of length 6435
        Soil or cover class of the central pixel.
    train : numpy.ndarray, shape (6435,), bool
        True for the 4435 official training patches, False for the 2000 test patches.
    """

    x: NDArray[np.uint8]
    y: pd.Categorical
    train: NDArray[np.bool_]


@dataclass(frozen=True)
class StatlogScene:
    """The scene, 82x100 pixels, without georeference.

    Attributes
    ----------
    image : numpy.ndarray, shape (4, 82, 100), int16
        The four bands; -1 where unknown.
    labels : numpy.ndarray, shape (82, 100), int8
        Position in `classes`; -1 where unlabelled.
    row : numpy.ndarray, shape (82, 100), int16
        Row of `StatlogLandsat` whose patch is centred there; -1 where none is.
    classes : list of str
        The six classes.
    """

    image: NDArray[np.int16]
    labels: NDArray[np.int8]
    row: NDArray[np.int16]
    classes: list[str]


def statlog_landsat() -> StatlogLandsat:
    """Return the Statlog Landsat patches (Srinivasan 1993, CC BY 4.0).

    Neighbouring patches share pixels, so random cross-validation leaks: report the official
    split, or blocks of the scene.

    Examples
    --------
    >>> data = statlog_landsat()
    >>> data.x[data.train].shape
    (4435, 4, 3, 3)
    """
    stored = _stored("statlog_landsat.npz")
    classes = stored["classes"].tolist()
    rows = np.arange(len(stored["x"]))
    return StatlogLandsat(
        x=stored["x"],
        y=pd.Categorical.from_codes(stored["y"], categories=classes),
        train=rows < int(stored["n_train"]),
    )


def statlog_scene() -> StatlogScene:
    """Return the scene that the Statlog Landsat patches were cut from."""
    stored = _stored("statlog_scene.npz")
    return StatlogScene(
        image=stored["image"],
        labels=stored["labels"].astype(np.int8) - 1,
        row=stored["row"],
        classes=stored["classes"].tolist(),
    )


def _stored(name: str) -> dict[str, NDArray[Any]]:
    with (files("edaphos_bridge.datasets") / name).open("rb") as file:
        return dict(np.load(file, allow_pickle=False))

"""Calls that give R the data of the package."""

from __future__ import annotations

from typing import Any

import numpy as np

from edaphos_bridge.datasets import statlog_landsat, statlog_scene
from edaphos_bridge.interop.calls.values import with_na


def landsat() -> dict[str, Any]:
    """``statlog_landsat()``: patches as int32, codes counted from 1."""
    data = statlog_landsat()
    return {
        "x": data.x.astype(np.int32),
        "codes": data.y.codes.astype(np.int32) + 1,
        "levels": list(data.y.categories),
        "train": data.train,
    }


def scene() -> dict[str, Any]:
    """``statlog_scene()``: unknown is R's NA; labels and rows count from 1."""
    data = statlog_scene()
    return {
        "image": with_na(data.image),
        "labels": with_na(data.labels, shift=1),
        "row": with_na(data.row, shift=1),
        "classes": data.classes,
    }

"""Whole numbers and classes on their way to R, whose integers and truth values are its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.interop.answers import NA_INTEGER as NA_INTEGER


def with_na(values: NDArray[Any], shift: int = 0) -> NDArray[np.int32]:
    """Return whole numbers for R: negative ones are NA, the others are shifted."""
    values = values.astype(np.int32)
    return np.where(values < 0, np.int32(NA_INTEGER), values + np.int32(shift))


def as_levels(classes: Iterable[ClassLabel]) -> list[str]:
    """Return classes as R's levels: of truth values those of ``factor(c(FALSE, TRUE))``."""
    truths = (bool, np.bool_)
    return [str(label).upper() if isinstance(label, truths) else str(label) for label in classes]

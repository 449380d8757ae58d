"""Weights of classes in a loss, from what a user calls them and what trains."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edaphos_bridge.data.labels import ClassLabel, of_label
from edaphos_bridge.errors import InputError

ClassWeight = str | dict[str, float]

_MOST_CAPPED = 10.0


def check_names(class_weight: dict[str, float], classes: Sequence[ClassLabel]) -> None:
    """Raise `InputError` if weights by name are not one for each class."""
    names = [str(label) for label in classes]
    missing = [name for name in names if of_label(class_weight, name) is None]
    unknown = [name for name in class_weight if of_label(dict.fromkeys(names, 1), name) is None]
    if missing or unknown:
        raise InputError(
            "class_weight",
            "must name each class once",
            found=", ".join(
                [f"no {name!r}" for name in missing] + [f"unknown {name!r}" for name in unknown]
            ),
            hint=f"The classes are {', '.join(names)}.",
        )


def weights_of(
    class_weight: ClassWeight, classes: Sequence[ClassLabel], counts: Sequence[int]
) -> list[float]:
    """Return the weight of each class, of which so many train.

    "balanced" is ``n / (K * n_k)`` for a class with n_k of n, "capped" the same, at most 10. A
    class of which none trains weighs nothing: smoothed labels hold a share of every class.
    """
    if isinstance(class_weight, dict):
        found = [of_label(class_weight, label) for label in classes]
        return [weight for weight in found if weight is not None]  # checked before
    share = sum(counts) / len(counts)
    most = _MOST_CAPPED if class_weight == "capped" else math.inf
    return [min(share / count, most) if count else 0.0 for count in counts]

"""The settings of a few-label experiment, checked once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edaphos_bridge.basics.arguments import flag, number, whole
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.errors import InputError
from edaphos_bridge.training.phase import foundation_phase


@dataclass(frozen=True)
class FewLabelSettings:
    """Arguments of `foundation_few_label_experiment` other than the data, methods and folds."""

    labels: tuple[float, ...]
    per_class: bool
    repeats: int
    standardise: bool
    epochs: int
    scratch_epochs: tuple[int, ...]
    freeze_to: int
    lr: float
    batch_size: int
    val_split: float
    device: str

    @classmethod
    def checked(
        cls,
        *,
        labels: Any,
        per_class: Any,
        repeats: Any,
        standardise: Any,
        epochs: Any,
        scratch_epochs: Any,
        freeze_to: Any,
        lr: Any,
        batch_size: Any,
        val_split: Any,
        device: Any,
    ) -> FewLabelSettings:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        of_a_phase = whole("epochs", epochs)
        scratch = (of_a_phase, 2 * of_a_phase) if scratch_epochs is None else scratch_epochs
        return cls(
            labels=_distinct(
                "labels", [_number_of_labels(n) for n in _listed(labels)], empty=False
            ),
            per_class=flag("per_class", per_class),
            repeats=whole("repeats", repeats, minimum=2),
            standardise=flag("standardise", standardise),
            epochs=of_a_phase,
            scratch_epochs=_distinct(
                "scratch_epochs", [whole("scratch_epochs", n) for n in _listed(scratch)]
            ),
            freeze_to=foundation_phase(of_a_phase, freeze_to=freeze_to).freeze_to,
            lr=number("lr", lr, above=0),
            batch_size=whole("batch_size", batch_size),
            val_split=number("val_split", val_split, minimum=0, below=1),
            device=resolve_device(device).type,
        )

    def of_arms(self) -> dict[str, Any]:
        """Return those that say how methods learn."""
        names = (
            "epochs", "scratch_epochs", "freeze_to", "lr", "batch_size", "val_split", "device",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def config(self) -> dict[str, Any]:
        """Return them as plain values."""
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}


def _listed(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        value = np.atleast_1d(value).tolist()
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return list(value) if several else [value]


def _number_of_labels(value: Any) -> float:
    is_all = isinstance(value, float | np.floating) and value == math.inf
    return math.inf if is_all else whole("labels", value, kind="positive whole number or infinity")


def _distinct(argument: str, values: Sequence[Any], *, empty: bool = True) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise InputError(argument, "must name each number once", found=list(values))
    if not (values or empty):
        raise InputError(argument, "must name at least one number", found=[])
    return tuple(values)

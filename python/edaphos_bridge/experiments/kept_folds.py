"""Folds of a cross-validation in a folder: what is finished is never computed again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from edaphos_bridge.data.folds import Fold
from edaphos_bridge.experiments.cross_validation import FoldResult
from edaphos_bridge.experiments.kept_parts import KeptParts
from edaphos_bridge.experiments.told import (
    digest_of_encoder,
    digest_of_folds,
    digest_of_patches,
    digest_of_targets,
    told_settings,
)
from edaphos_bridge.files.schema import (
    check,
    is_number,
    is_table,
    is_text,
    is_whole,
    list_of,
    require,
)


class KeptFolds:
    """The files of one cross-validation in a folder; without a folder nothing is kept."""

    def __init__(self, parts: KeptParts) -> None:
        self._parts = parts

    @classmethod
    @contextmanager
    def opened(cls, argument: str, folder: Any) -> Iterator[KeptFolds]:
        """Yield the files in a folder that is locked meanwhile, or raise `InputError`."""
        with KeptParts.opened(argument, folder, "fold", "cross-validation") as parts:
            yield cls(parts)

    def seed(self) -> int | None:
        """Return the seed of what is there, None where nothing is."""
        return self._parts.seed()

    def load(self, folds: Sequence[Fold], identity: dict[str, Any]) -> dict[int, FoldResult]:
        """Return the finished folds by their place; `identity` as `KeptParts.load` has it."""
        return dict(
            self._parts.load(identity, lambda tensors, values: _result(tensors, values, folds))
        )

    def save(self, place: int, result: FoldResult) -> None:
        """Keep a fold that is finished."""
        metadata = {
            "place": place + 1,
            "n_train": result.n_train,
            "n_test": result.n_test,
            "measures": {
                name: value if math.isfinite(value) else None
                for name, value in result.measures.items()
            },
            "columns": result.columns,
            "task": result.task,
        }
        self._parts.save(place, {"values": torch.from_numpy(result.values)}, metadata)


def _result(
    tensors: Mapping[str, torch.Tensor], metadata: Any, folds: Sequence[Fold]
) -> tuple[int, FoldResult]:
    values = check(
        metadata,
        {
            "place": is_whole,
            "n_train": is_whole,
            "n_test": is_whole,
            "measures": is_table,
            "columns": list_of(lambda value: isinstance(value, str | int)),
            "task": is_text,
        },
    )
    place = values.pop("place") - 1
    require(place < len(folds), "there is no such fold")
    sizes = len(folds[place].train), len(folds[place].test)
    require((values["n_train"], values["n_test"]) == sizes, "its rows are others")
    predicted = tensors.get("values")
    shape = (values["n_test"], len(values["columns"]))
    is_kind = predicted is not None and predicted.dtype == torch.float64
    require(is_kind, "its predictions are of another type")
    assert predicted is not None
    of_cells = 2 if values["task"] == "segmentation" else 0
    is_shaped = predicted.ndim == 2 + of_cells and predicted.shape[:2] == shape
    require(is_shaped, "its predictions are of another shape")
    measures = values.pop("measures")
    require(
        all(value is None or is_number(value) for value in measures.values()), "it has no measures"
    )
    measures = {name: math.nan if v is None else float(v) for name, v in measures.items()}
    return place, FoldResult(measures=measures, values=predicted.numpy(), **values)


def identity_of(
    name: str, settings: Mapping[str, Any], seed: int, encoder: Any, x: Any, y: Any,
    folds: Sequence[Fold],
) -> dict[str, Any]:  # fmt: skip
    """Return JSON values that tell a cross-validation from any other one.

    Raises
    ------
    InputError
        If a setting is something that cannot be told from another one.
    """
    return {
        "fit": name,
        "seed": seed,
        "encoder": digest_of_encoder(encoder),
        "x": digest_of_patches(x),
        "y": digest_of_targets(y),
        "folds": digest_of_folds(folds),
        "settings": told_settings(settings),
    }

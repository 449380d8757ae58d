"""Encoders and fits of a few-label experiment in a folder: none is computed again."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.encoders.foundation import describe_encoder, encoder_state, rebuild_encoder
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.few_labels import WHAT, Design, Key, Place, Pretrained
from edaphos_bridge.experiments.kept_parts import KeptParts, Tensors
from edaphos_bridge.experiments.told import (
    digest_of_encoder,
    digest_of_folds,
    digest_of_patches,
    digest_of_targets,
    told_settings,
)
from edaphos_bridge.files.container import require_finite
from edaphos_bridge.files.schema import (
    check,
    check_encoder,
    damaged_description,
    is_count,
    is_number,
    is_text,
    is_whole,
)

_ROW = {
    "method": is_text,
    "labels": lambda value: value is None or is_whole(value),
    "repeat": is_whole,
    "fold": is_number,
    "n_train": is_whole,
    "n_test": is_whole,
    "accuracy": is_number,
    "balanced_accuracy": is_number,
    "log_loss": is_number,
    "seconds": is_number,
}


class KeptExperiment:
    """The files of one experiment in a folder; without a folder nothing is kept.

    Attributes
    ----------
    encoders, rows : dict
        What is there, by its place or key.
    """

    def __init__(self, parts: KeptParts) -> None:
        self._parts = parts
        self.encoders: dict[Place, Pretrained] = {}
        self.rows: dict[Key, dict[str, Any]] = {}

    @classmethod
    @contextmanager
    def opened(cls, argument: str, folder: Any) -> Iterator[KeptExperiment]:
        """Yield the files in a folder that is locked meanwhile, or raise `InputError`."""
        with KeptParts.opened(argument, folder, "part", WHAT) as parts:
            yield cls(parts)

    def seed(self) -> int | None:
        """Return the seed of what is there, None where nothing is."""
        return self._parts.seed()

    def load(self, identity: dict[str, Any]) -> None:
        """Read what is finished; `identity` as `KeptParts.load` has it."""
        self._parts.load(identity, self._take)

    def _take(self, tensors: Tensors, metadata: dict[str, Any]) -> None:
        if "encoder" in metadata:
            found = check(metadata, {"of": is_text, "place": is_count, "seconds": is_number})
            require_finite("encoder", tensors)
            with damaged_description():
                described = check_encoder(metadata["encoder"])
                encoder = rebuild_encoder(described, tensors, given=None)
            self.encoders[found["of"], found["place"]] = Pretrained(encoder, found["seconds"])
        else:
            row = check(metadata, _ROW)
            row["labels"] = math.inf if row["labels"] is None else row["labels"]
            self.rows[row["labels"], row["repeat"] - 1, row["method"]] = row

    def save_encoder(self, number: int, place: Place, found: Pretrained) -> None:
        """Keep an encoder of ours, the `number`-th file; one of the user's no file holds."""
        described = describe_encoder(found.encoder)
        if self._parts.is_kept and described["architecture"] != "custom":
            metadata = {
                "encoder": described,
                "of": place[0],
                "place": place[1],
                "seconds": found.seconds,
            }
            self._parts.save(number, encoder_state(found.encoder), metadata)

    def save_row(self, number: int, row: Mapping[str, Any]) -> None:
        """Keep a row of the table, the `number`-th file."""
        labels = None if math.isinf(row["labels"]) else row["labels"]
        self._parts.save(number, {}, {**row, "labels": labels})


def identity_of(
    methods: Mapping[str, Any], settings: Mapping[str, Any], design: Design, x: Any, classes: Any
) -> dict[str, Any]:
    """Return JSON values that tell an experiment from any other one.

    Raises
    ------
    InputError
        If a method is something that cannot be told from another one.
    """
    labels = [None if math.isinf(n) else n for n in settings["labels"]]
    return {
        "seed": design.seed,
        "methods": [[name, told_method(method)] for name, method in methods.items()],
        "x": digest_of_patches(x),
        "y": digest_of_targets([design.codes.tolist(), list(classes)]),
        "folds": digest_of_folds(design.folds),
        "settings": {**told_settings({**settings, "labels": labels})},
    }


def told_method(method: Any) -> Any:
    """Return what a method is as JSON values: a digest, or a function with its settings."""
    if isinstance(method, nn.Module) or not callable(method):
        return digest_of_encoder(method)
    if isinstance(method, functools.partial):
        settings = {"given": method.args, **method.keywords}
        return [told_method(method.func), told_settings(settings)]
    name = getattr(method, "__name__", "")
    package = imported("edaphos_bridge")
    if name not in package.__all__ or getattr(package, name) is not method:
        raise InputError(
            "methods",
            "has a function of your own, of which nothing says what it does, as parts that are "
            "kept need it",
            hint="Leave out `checkpoint_dir`, or give a function of this package and its settings.",
        )
    return name

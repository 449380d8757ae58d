"""Folds of a cross-validation in a folder: what is finished is never computed again."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edaphos_bridge.basics.paths import as_path
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.digest import digest_of_module
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.experiments.cross_validation import FoldResult
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.files.disk import MOST_OF_A_FIT, read_file, write_atomically
from edaphos_bridge.files.folder_lock import InUseError, locked
from edaphos_bridge.files.schema import (
    check,
    is_number,
    is_table,
    is_text,
    is_whole,
    list_of,
    require,
)
from edaphos_bridge.pretrain.source import PatchSource, TileSource
from edaphos_bridge.raster.tiles import FoundationTileDataset

_KIND = "fold of a cross-validation"
_HINT = "Give another folder, or delete these files to start anew."


class KeptFolds:
    """The files of one cross-validation in a folder; without a folder nothing is kept.

    Parameters
    ----------
    folder : pathlib.Path or None
        Made if it does not exist.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.identity: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def opened(cls, argument: str, folder: Any) -> Iterator[KeptFolds]:
        """Yield the files in a folder that is locked meanwhile, or raise `InputError`."""
        if folder is None:
            yield cls(None)
            return
        path = as_path(argument, folder, "folder")
        with contextlib.ExitStack() as stack:
            try:
                path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(path))
            except InUseError as error:
                raise InputError(
                    argument,
                    "is in use by another run",
                    found=str(path),
                    hint="Wait for its end, or give another folder.",
                ) from error
            except OSError as error:
                raise InputError(
                    argument,
                    f"cannot be made or written to ({error.strerror})",
                    found=str(path),
                ) from error
            yield cls(path)

    def seed(self) -> int | None:
        """Return the seed of what is there, None where nothing is."""
        for path in self._files():
            found = _read(path)[1]["identity"].get("seed")
            return found if type(found) is int else None
        return None

    def load(self, folds: Sequence[Fold], identity: dict[str, Any]) -> dict[int, FoldResult]:
        """Return the finished folds by their place.

        Parameters
        ----------
        identity : dict
            JSON values that they must share; what is kept from now on has them too.

        Raises
        ------
        InputError
            If a file is of another cross-validation.
        WeightsError
            If a file is damaged.
        """
        self.identity = identity
        found = {}
        for path in self._files():
            tensors, metadata = _read(path)
            self._require_same(metadata["identity"])
            try:
                place, result = _result(tensors, metadata, folds)
            except WeightsError as error:
                raise _unreadable(path, error) from error
            found[place] = result
        return found

    def save(self, place: int, result: FoldResult) -> None:
        """Keep a fold that is finished."""
        if self._folder is None:
            return
        metadata = {
            "identity": self.identity,
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
        data = pack(_KIND, {"values": torch.from_numpy(result.values)}, metadata)
        path = self._folder / f"fold-{place + 1:04d}.safetensors"
        try:
            write_atomically(path, data)
        except OSError as error:
            raise InputError(
                "checkpoint_dir",
                f"cannot be written to ({error.strerror or error})",
                found=str(self._folder),
                hint="Make room; the folds that are there stay as they are.",
            ) from error

    def _files(self) -> list[Path]:
        return [] if self._folder is None else sorted(self._folder.glob("fold-*.safetensors"))

    def _require_same(self, found: Mapping[str, Any]) -> None:
        theirs, ours = _flat(found), _flat(self.identity)
        other = [
            f"{name} = {_short(theirs.get(name))} there, {_short(ours.get(name))} here"
            for name in {**ours, **theirs}
            if theirs.get(name) != ours.get(name)
        ]
        if other:
            raise InputError(
                "checkpoint_dir",
                f"holds folds of another cross-validation ({'; '.join(other)})",
                found=str(self._folder),
                hint=_HINT,
            )


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in identity.items() if k != "settings"}, **identity["settings"]}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        tensors, metadata = unpack(_KIND, read_file("checkpoint_dir", path, MOST_OF_A_FIT))
        identity = check(metadata, {"identity": is_table})["identity"]
        check(identity, {"settings": is_table})
    except WeightsError as error:
        raise _unreadable(path, error) from error
    return tensors, metadata


def _unreadable(path: Path, error: WeightsError) -> WeightsError:
    return WeightsError(f"The fold in {path} cannot be read: {error} Delete it to compute it anew.")


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


# --- what a cross-validation is -----------------------------------------------------------


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
    is_tiles = isinstance(x, FoundationTileDataset)
    source = TileSource(x) if is_tiles else PatchSource(Patches(x))
    rows = [(fold.name, fold.train.tolist(), fold.test.tolist()) for fold in folds]
    return {
        "fit": name,
        "seed": seed,
        "encoder": _digest_of_encoder(encoder),
        "x": source.fingerprint(),
        "y": _digest_of_targets(y),
        "folds": _digest(repr(rows)),
        "settings": {name: _told(name, value) for name, value in settings.items()},
    }


def _told(argument: str, value: Any) -> Any:
    """Return a setting as JSON values."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value  # R's whole numbers are doubles
    if isinstance(value, list | tuple):
        return [_told(argument, part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _told(argument, part) for name, part in value.items()}
    if isinstance(value, np.ndarray | torch.Tensor):
        return _told(argument, value.tolist())
    if isinstance(value, nn.Module):
        return digest_of_module(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return [type(value).__name__, _told(argument, parts)]
    raise InputError(
        argument,
        "cannot be told from another one, as folds that are kept need it",
        found=type(value).__name__,
        hint="Leave out `checkpoint_dir`.",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest_of_encoder(encoder: Any) -> str:
    """Return a digest of an encoder, and of the head of a fit."""
    head = None if isinstance(encoder, nn.Module) else getattr(encoder, "head", None)
    digest = digest_of_module(as_module(encoder))
    return digest if not isinstance(head, nn.Module) else digest + digest_of_module(head)


def _digest_of_targets(y: Any) -> str:
    categories = getattr(getattr(y, "cat", y), "categories", None)
    order = None if categories is None else list(categories)
    return _digest(repr((np.asarray(y, dtype=object).tolist(), order)))

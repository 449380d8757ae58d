"""Finished parts of a long call in a folder: what is finished is never computed again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from edaphos_bridge.basics.paths import as_path
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.files.disk import MOST_OF_A_FIT, read_file, write_atomically
from edaphos_bridge.files.folder_lock import InUseError, locked
from edaphos_bridge.files.schema import check, is_table

_HINT = "Give another folder, or delete these files to start anew."


Tensors = dict[str, torch.Tensor]


class KeptParts:
    """The files of one call in a folder; without a folder nothing is kept.

    Parameters
    ----------
    folder : pathlib.Path or None
        Made if it does not exist.
    part, whole : str
        What a file is called, and what it is a part of.
    """

    def __init__(self, folder: Path | None, part: str, whole: str) -> None:
        self._folder = folder
        self._part = part
        self._whole = whole
        self.identity: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def opened(cls, argument: str, folder: Any, part: str, whole: str) -> Iterator[KeptParts]:
        """Yield the files in a folder that is locked meanwhile, or raise `InputError`."""
        if folder is None:
            yield cls(None, part, whole)
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
            yield cls(path, part, whole)

    @property
    def is_kept(self) -> bool:
        """Whether there is a folder."""
        return self._folder is not None

    def seed(self) -> int | None:
        """Return the seed of what is there, None where nothing is."""
        for path in self._files():
            found = self._read(path)[1]["identity"].get("seed")
            return found if type(found) is int else None
        return None

    def load(
        self, identity: dict[str, Any], read: Callable[[Tensors, dict[str, Any]], Any]
    ) -> list[Any]:
        """Return what `read` makes of the tensors and metadata of each finished part.

        Parameters
        ----------
        identity : dict
            JSON values that they must share; what is kept from now on has them too.
        read : callable
            Raises `WeightsError` for what it cannot be.

        Raises
        ------
        InputError
            If a file is of another call.
        WeightsError
            If a file is damaged.
        """
        self.identity = identity
        found = []
        for path in self._files():
            tensors, metadata = self._read(path)
            self._require_same(metadata.pop("identity"))
            try:
                found.append(read(tensors, metadata))
            except WeightsError as error:
                raise self._unreadable(path, error) from error
        return found

    def save(
        self, place: int, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]
    ) -> None:
        """Keep a part that is finished, the `place`-th from 0 on; metadata are JSON values."""
        if self._folder is None:
            return
        data = pack(self._kind, tensors, {"identity": self.identity, **metadata})
        path = self._folder / f"{self._part}-{place + 1:04d}.safetensors"
        try:
            write_atomically(path, data)
        except OSError as error:
            raise InputError(
                "checkpoint_dir",
                f"cannot be written to ({error.strerror or error})",
                found=str(self._folder),
                hint=f"Make room; the {self._part}s that are there stay as they are.",
            ) from error

    @property
    def _kind(self) -> str:
        return f"{self._part} of a {self._whole}"

    def _files(self) -> list[Path]:
        return (
            [] if self._folder is None else sorted(self._folder.glob(f"{self._part}-*.safetensors"))
        )

    def _read(self, path: Path) -> tuple[Tensors, dict[str, Any]]:
        try:
            tensors, metadata = unpack(self._kind, read_file("checkpoint_dir", path, MOST_OF_A_FIT))
            identity = check(metadata, {"identity": is_table})["identity"]
            check(identity, {"settings": is_table})
        except WeightsError as error:
            raise self._unreadable(path, error) from error
        return tensors, metadata

    def _unreadable(self, path: Path, error: WeightsError) -> WeightsError:
        return WeightsError(
            f"The {self._part} in {path} cannot be read: {error} Delete it to compute it anew."
        )

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
                f"holds {self._part}s of another {self._whole} ({'; '.join(other)})",
                found=str(self._folder),
                hint=_HINT,
            )


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in identity.items() if k != "settings"}, **identity["settings"]}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

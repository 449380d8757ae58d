"""The blocks of a map that are finished: files in a folder beside it, until the map is whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError
from edaphos_bridge.files.disk import write_atomically
from edaphos_bridge.files.folder_lock import InUseError, locked
from edaphos_bridge.raster.raster import Window

_IDENTITY = "map.json"
# Blocks and what they are of, the map itself, and what was being written of these.
_OURS = re.compile(r"\.?(\d+-\d+\.npy|map(\.json|-\w+\.tif))")


class Parts:
    """Finished blocks, one ``.npy`` file each, written whole or not at all.

    Several threads and processes may keep blocks at once. Use `opened`.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self._identity = identity
        self._is_over = False

    @classmethod
    @contextmanager
    def opened(cls, out: Path, identity: dict[str, Any], *, resume: bool) -> Iterator[Parts]:
        """Yield the parts of the map `out`; nobody else has them meanwhile.

        Parameters
        ----------
        identity : dict
            JSON values that tell this map from any other.
        resume : bool
            Whether blocks of an earlier run are taken; otherwise they are deleted.

        Raises
        ------
        InputError
            If another run computes the same map, the folder cannot be written to, or it has parts
            of another map.
        """
        folder = _folder_of(out)
        parts = cls(folder, identity)
        with ExitStack() as stack:
            stack.callback(parts._leave)
            try:
                folder.mkdir(exist_ok=True)
                stack.enter_context(locked(folder))
            except InUseError as error:
                raise InputError(
                    "out", "is being computed by another run", found=str(out)
                ) from error
            except OSError as error:
                raise InputError(
                    "out",
                    f"cannot have its finished blocks beside it ({error.strerror or error})",
                    found=str(folder),
                ) from error
            stack.callback(parts._clear_if_over)
            parts._begin(resume=resume)
            yield parts

    def _begin(self, *, resume: bool) -> None:
        kept = self.folder / _IDENTITY
        text = json.dumps(self._identity, indent=1, sort_keys=True)
        if not resume:
            self._clear()
        elif self._has_blocks() and (found := _text_of(kept)) != text:
            raise InputError(
                "out",
                f"has finished blocks of another map beside it ({_difference(found, text)})",
                found=str(self.folder),
                hint="Give another `out`, or resume=False to compute this map anew.",
            )
        with writing(self.folder):
            write_atomically(kept, text.encode())

    def _has_blocks(self) -> bool:
        return any(path.suffix == ".npy" for path in self.folder.glob("[0-9]*"))

    def has(self, block: Window) -> bool:
        """Return whether a block is finished."""
        return self._file(block).exists()

    def keep(self, block: Window, layers: NDArray[Any]) -> None:
        """Keep a finished block, or raise `InputError` if there is no room for it."""
        with writing(self.folder):
            write_atomically(self._file(block), _bytes(layers))

    def read(self, block: Window) -> NDArray[Any]:
        """Return a finished block, mapped from its file.

        Raises `InputError` if it is damaged.
        """
        path = self._file(block)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                "out",
                f"has a finished block beside it that cannot be read ({error})",
                found=str(path),
                hint="Delete that file: the same call computes it again.",
            ) from error

    def remove(self) -> None:
        """Delete what is there, when the map is whole."""
        self._clear()

    def _clear_if_over(self) -> None:
        """Leave nothing where no block is finished: of a map that is whole, or was refused."""
        self._is_over = not self._has_blocks()
        if self._is_over:
            self._clear()

    def _leave(self) -> None:
        if self._is_over:
            with suppress(OSError):  # files of others are in it
                self.folder.rmdir()

    def token(self) -> str:
        """Return what tells this folder from one of the same name on another machine."""
        return hashlib.sha256((self.folder / _IDENTITY).read_bytes()).hexdigest()

    @staticmethod
    def is_there(folder: str, token: str) -> bool:
        """Return whether this process sees the folder of that token."""
        try:
            return hashlib.sha256((Path(folder) / _IDENTITY).read_bytes()).hexdigest() == token
        except OSError:
            return False

    def _file(self, block: Window) -> Path:
        return self.folder / f"{block.row}-{block.col}.npy"

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if _OURS.match(path.name):
                path.unlink(missing_ok=True)


def kept_seed(out: Path) -> int | None:
    """Return the seed that finished blocks of a map were drawn with, if there are any."""
    try:
        found = json.loads(_text_of(_folder_of(out) / _IDENTITY)).get("seed")
    except (ValueError, AttributeError):
        return None
    return found if type(found) is int else None


def _folder_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.parts")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what a full disk raises into `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            "out",
            f"cannot be written ({error.strerror or error})",
            found=str(folder),
            hint="Blocks that are finished stay: the same call goes on from there.",
        ) from error


def _bytes(layers: NDArray[Any]) -> bytes:
    file = BytesIO()
    np.save(file, layers, allow_pickle=False)
    return file.getvalue()


def _difference(found: str, expected: str) -> str:
    """Return which settings differ."""
    try:
        there = json.loads(found)
    except ValueError:
        return "not readable"
    here = json.loads(expected)
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return "another " + ", ".join(names)

"""Files on disk: read if they are regular and not too large, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edaphos_bridge.basics.paths import readable_file, writable_file
from edaphos_bridge.errors import InputError, WeightsError

# More than any encoder of edaphos; a module of a user's own may be larger.
MOST_OF_AN_ENCODER = 2**30
MOST_OF_A_FIT = 2**34


def read_file(argument: str, path: Any, most_bytes: int) -> bytes:
    """Return the content of a regular file of at most `most_bytes`.

    Raises `InputError` if it is something else, or larger. Raises `FileNotFoundError` if there is
    none. Raises `WeightsError` if it cannot be read.
    """
    source = readable_file(argument, path, most_bytes)
    try:
        return source.read_bytes()
    except OSError as error:
        raise WeightsError(f"{str(source)!r} cannot be read: {error}") from error


def save_file(argument: str, path: Any, data: bytes) -> Path:
    """Write what a user saves, and return the path.

    Raises `InputError` if there can be no such file, or it cannot be written.
    """
    target = writable_file(argument, path)
    try:
        write_atomically(target, data)
    except OSError as error:
        raise InputError(argument, f"cannot be written ({error})", found=str(target)) from error
    return target


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` under a temporary name beside `path`, then rename it into place.

    A link stays one: the file behind it is written. A file that is replaced keeps its mode and,
    where the system allows it, its owner; a new one gets what the user's umask gives.
    """
    with written_beside(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def written_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path of an empty file beside `path`, which takes its place if nothing fails.

    Links, modes and owners are as `write_atomically` says.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}")
    before = _stat_or_none(target)
    # os.open, not tempfile: it asks the umask. What replaces a file is nobody's until it is whole
    # and has the mode of that file.
    mode = 0o666 if before is None else 0o600
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield temporary
        put_in_place(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put_in_place(temporary: Path, target: Path) -> None:
    """Give a whole file its name, and the mode and owner of a file that it replaces there."""
    before = _stat_or_none(target)
    _to_disk(temporary)
    if before is not None:
        _keep_owner_and_mode(temporary, before)
    os.replace(temporary, target)


def _to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _stat_or_none(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _keep_owner_and_mode(path: Path, before: os.stat_result) -> None:
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(path, before.st_uid, before.st_gid)
    os.chmod(path, stat.S_IMODE(before.st_mode))

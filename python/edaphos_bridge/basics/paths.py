"""Paths as users give them: "~" expanded, and nothing that the system could not be asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from edaphos_bridge.errors import InputError


def as_path(argument: str, value: Any, kind: str = "file or folder") -> Path:
    """Return a path with "~" expanded; `kind` says, for errors, what is there or will be.

    Raises `InputError` if it is no text, is empty, holds a NUL, names a user who does not exist, or
    is longer than the system allows, or lies where this process may not look.
    """
    try:
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
    except Exception:  # a path that does not know itself
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(argument, f"must be the path of a {kind}", found=value)
    try:
        path = Path(text).expanduser()
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass  # whoever opens it says so
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            argument, f"cannot be the path of a {kind} ({error})", found=value
        ) from error
    return path


def readable_file(argument: str, value: Any, most_bytes: int) -> Path:
    """Return the path of an existing regular file of at most `most_bytes`.

    A pipe or a device has no size, and reading one may never end.

    Raises `InputError` if it is a folder, a pipe, a device or a larger file, or `as_path` refuses
    it. Raises `FileNotFoundError` if there is nothing.
    """
    path = as_path(argument, value, "file")
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(argument, f"cannot be read ({error.strerror})", found=str(path)) from error
    if not stat.S_ISREG(found.st_mode):
        raise InputError(argument, "must be the path of a regular file", found=str(path))
    if found.st_size > most_bytes:
        raise InputError(
            argument,
            f"is larger than any file of this kind ({found.st_size} bytes)",
            found=str(path),
        )
    return path


def writable_file(argument: str, value: Any) -> Path:
    """Return the path of a file that can be written, or replaced.

    The mode decides whether a file is read-only, for the superuser too: whoever took the right
    to write away meant it.

    Raises `InputError` if its folder is missing, something else than a file is there, or it is
    read-only.
    """
    path = as_path(argument, value, "file")
    target = Path(os.path.realpath(path))  # behind a link
    if not target.parent.is_dir():
        raise InputError(argument, "names a folder that does not exist", found=str(target.parent))
    try:
        mode = os.stat(target).st_mode
    except OSError:
        return path
    if not stat.S_ISREG(mode):
        raise InputError(
            argument, "must be the path of a file, and something else is there", found=str(path)
        )
    if not mode & 0o222 or not os.access(target, os.W_OK):
        raise InputError(
            argument,
            "is a file that is read-only",
            found=str(path),
            hint="Give another path, or make it writable.",
        )
    return path


def folder_or_none(argument: str, value: Any) -> Path | None:
    """Return the path of a folder, or None where none is given."""
    return None if value is None else as_path(argument, value, "folder")

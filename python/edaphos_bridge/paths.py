"""Paths as users give them: "~" expanded, and nothing that the system could not be asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edaphos_bridge.errors import InputError


def as_path(argument: str, value: Any, kind: str = "file or folder") -> Path:
    """Return a path with "~" expanded.

    Parameters
    ----------
    argument : str
        What the caller's function calls it, for errors.
    value : str or path
        What the user gave.
    kind : str
        What is there or will be, for errors.

    Raises
    ------
    InputError
        If it is no text, is empty, holds a NUL, names a user who does not exist, or is longer
        than the system allows.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(argument, f"must be the path of a {kind}", found=value)
    try:
        path = Path(text).expanduser()
        os.stat(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, PermissionError | NotADirectoryError):
            return path  # whoever opens it says so
        raise InputError(
            argument, f"cannot be the path of a {kind} ({error})", found=value
        ) from error
    return path

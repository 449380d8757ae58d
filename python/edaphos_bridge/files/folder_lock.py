"""A lock on a folder: one run at a time, and none is left by a process that was killed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edaphos_bridge.errors import warn

LOCK = ".checkpoint.lock"


class InUseError(Exception):
    """Another run holds the lock."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system takes it back when the process ends in any way.

    Raises `InUseError` if somebody else holds it, in this process or another. Raises `OSError` if
    the folder cannot be written to.
    """
    path = folder / LOCK
    handle = _acquire(path)
    try:
        yield
    finally:
        # While it is held: whoever opened this file meanwhile sees below that it is gone.
        with contextlib.suppress(OSError):
            path.unlink()
        _release(handle)


def _acquire(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            _lock(handle)
            if _is_still_there(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        _release(handle)


def _is_still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise InUseError from error

    def _release(handle: int) -> None:
        os.close(handle)

else:
    import fcntl

    def _lock(handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseError from error
        except OSError as error:  # some network file systems have no locks
            warn(
                f"The folder of the checkpoints cannot be locked ({error.strerror}): see to it "
                "that no other run uses it."
            )

    def _release(handle: int) -> None:
        # A fork may have a copy of the handle, and closing ours alone would not unlock.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)

"""Ctrl-C waits while modules are imported.

A module of another package that was interrupted half-way stays so: torch then crashes, or says of
sympy that it "has no attribute 'printing'", until the process ends. So whatever imports such
modules does it inside `held`, and the interrupt arrives when they are whole.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any


@contextmanager
def held(*, deliver: bool = True) -> Iterator[list[int]]:
    """Hold SIGINT inside; one that came is raised at the end, for whoever handled it before.

    Yields the list of what came. With ``deliver=False`` it is only noted there.
    """
    arrived: list[int] = []
    if not _can_be_handled():
        yield arrived
        return

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    try:
        with handled_by(note):
            yield arrived
    finally:
        if arrived and deliver:
            signal.raise_signal(signal.SIGINT)


def imported(name: str) -> ModuleType:
    """Return the module of that name, whole, whatever the user presses."""
    with held():
        return importlib.import_module(name)


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Let `handler` have SIGINT inside, where Python may decide that."""
    if not _can_be_handled():
        yield
        return
    with _kept_signal_action():
        before = signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _can_be_handled() -> bool:
    """Return whether this is the thread that signals reach, with a handler that can be put back."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) is not None


@contextmanager
def _kept_signal_action() -> Iterator[None]:
    """Put back what the process does on SIGINT: R has a handler that Python does not know."""
    if os.name != "posix":
        yield
        return
    libc = ctypes.CDLL(None)
    action = ctypes.create_string_buffer(1024)  # a struct sigaction, larger than any
    libc.sigaction(signal.SIGINT, None, action)
    try:
        yield
    finally:
        libc.sigaction(signal.SIGINT, action, None)

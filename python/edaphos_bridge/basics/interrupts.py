"""Ctrl-C arrives where nothing is half done.

A module of another package whose import was interrupted stays half-made: torch then crashes, or
says of sympy that it "has no attribute 'printing'", until the process ends. So whatever imports
such modules does it inside `held`, and the interrupt arrives when they are whole. In the same way
a context of torch's that is interrupted while it begins or ends stays on for good. So a call waits
with it until the next step, in `at_pauses`.
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

_Handler = Callable[[int, FrameType | None], Any] | int | None

# Of the call that waits with SIGINT: what came, and who handles it otherwise.
_presses: list[int] | None = None
_outside: _Handler = None


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


@contextmanager
def at_pauses() -> Iterator[None]:
    """Let SIGINT arrive only at `pause`, and at the end; if pressed again meanwhile, at once."""
    global _presses, _outside
    if _presses is not None or not _can_be_handled():  # an outer call waits already
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        if len(arrived) > 1:
            _deliver(arrived, before)

    try:
        with handled_by(note):
            _presses, _outside = arrived, before
            try:
                yield
            finally:
                _presses = None
    finally:
        if arrived:
            signal.raise_signal(signal.SIGINT)


def pause() -> None:
    """Let a SIGINT that came arrive: called between steps, where all is whole."""
    if _presses and threading.current_thread() is threading.main_thread():
        _deliver(_presses, _outside)


@contextmanager
def at_once() -> Iterator[None]:
    """Let SIGINT arrive at once, for what waits long and has nothing to leave half done."""
    if _presses is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    pause()
    with handled_by(_outside):
        yield


def _deliver(arrived: list[int], handler: _Handler) -> None:
    arrived.clear()
    with handled_by(handler):
        signal.raise_signal(signal.SIGINT)


def imported(name: str) -> ModuleType:
    """Return the module of that name, whole, whatever the user presses."""
    with held():
        return importlib.import_module(name)


@contextmanager
def handled_by(handler: _Handler) -> Iterator[None]:
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

"""torch's ambient state, put to plain while a public function runs, and back afterwards.

A float64 default, autocast, `inference_mode` or another default device of the caller's would
change what our code computes, or stop it. They are of no use here: what goes in and comes out has
types of its own.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, ParamSpec, TypeVar

import torch
import torch.utils._device  # torch would import it in the middle of a call

from edaphos_bridge.basics.interrupts import at_pauses
from edaphos_bridge.errors import ForkedProcessError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def plain(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Wrap what computes with torch, so that it does so in `plain_torch` and never in a fork."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        use_threads()
        with plain_torch():
            return function(*args, **kwargs)

    return call


@contextmanager
def plain_torch() -> Iterator[None]:
    """Compute on the cpu by default, in float32, with gradients, and without autocast.

    Ctrl-C waits for the next step: torch's contexts begin and end whole.

    The default type belongs to the process: other threads have it too meanwhile. All else is of
    this thread alone.
    """
    with at_pauses(), ExitStack() as stack:
        for context in _needed():
            stack.enter_context(context)
        yield


def _needed() -> list[AbstractContextManager[Any]]:
    """Return what makes this thread plain; next to nothing where it is."""
    needed: list[AbstractContextManager[Any]] = [_float32]
    if torch.is_inference_mode_enabled():
        needed.append(torch.inference_mode(False))
    if not torch.is_grad_enabled() or torch.is_inference_mode_enabled():
        needed.append(torch.enable_grad())
    for device in ("cpu", "cuda", "mps"):
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            needed.append(torch.autocast(device, enabled=False))
    if torch.empty(0).device.type != "cpu":
        needed.append(torch.device("cpu"))
    return needed


class _Float32:
    """float32 as torch's default type, as long as any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = torch.float32

    def __enter__(self) -> None:
        with self._lock:
            found = torch.get_default_dtype()
            if found != torch.float32:
                torch.set_default_dtype(torch.float32)
            if self._inside == 0:
                self._before = found
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._before != torch.float32:
                torch.set_default_dtype(self._before)


class _Threads:
    """Where torch may have started threads: a fork of that process would wait for them for ever.

    With one thread, torch starts none and waits for none.
    """

    def __init__(self) -> None:
        self._started_in: int | None = None

    def use(self) -> None:
        """Note that torch may start threads in this process, or raise in a fork of one where."""
        if torch.get_num_threads() == 1:
            return
        here = os.getpid()
        if self._started_in not in (None, here):
            raise ForkedProcessError()
        self._started_in = here


def use_threads() -> None:
    """Raise `ForkedProcessError` where torch would wait for threads that a fork does not have.

    For what computes with torch outside of `plain`.
    """
    _threads.use()


_float32 = _Float32()
_threads = _Threads()

"""The few exceptions and warnings of edaphos_bridge, and how their text is rendered.

Every message names the argument, what was found and what to do. What was found is kept
as a value, not as text, so that a caller with another notation (R: `TRUE`, `NA`, rows
counted from 1) can render the same error in its own words.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

_NOTHING: Any = object()


def _show(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # a number of thousands of digits, an object of the caller's that refuses
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:60]}... ({type(value).__name__})"


@dataclass(frozen=True)
class Notation:
    """How a caller counts rows, writes values, and gets more processes."""

    first_index: int
    show: Callable[[object], str]
    forked: str = (
        "this process was forked from one in which torch has started threads, and torch would "
        "wait for them here for ever. Start processes by multiprocessing.get_context('spawn') "
        "or 'forkserver', or let torch do without threads: torch.set_num_threads(1)."
    )
    """What to say in a fork of a process in which torch has threads."""


PYTHON = Notation(first_index=0, show=_show)


class EdaphosError(Exception):
    """Base class of every error that edaphos_bridge raises on purpose."""

    def render(self, notation: Notation = PYTHON) -> str:
        """Return the message in the caller's notation."""
        return self.args[0] if self.args else ""


class InputError(EdaphosError, ValueError):
    """An argument cannot be used; raised before any work starts.

    Parameters
    ----------
    argument : str
        Name of the argument, the same in R and Python.
    problem : str
        What is wrong or was expected, e.g. ``"must be a positive whole number"``.
    found : object, optional
        The offending value.
    rows : sequence of int, optional
        Offending rows of the data, counted from 0; the first five are shown.
    hint : str
        What to do about it.
    """

    def __init__(
        self,
        argument: str,
        problem: str,
        *,
        found: object = _NOTHING,
        rows: Sequence[int] = (),
        hint: str = "",
    ) -> None:
        self.argument = argument
        self.problem = problem
        self.found = found
        self.rows = tuple(int(row) for row in rows)
        self.hint = hint
        super().__init__(self.render())

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments: the default would rebuild from the rendered text alone.
        return (_rebuild, (type(self), self.__dict__.copy()))

    def render(self, notation: Notation = PYTHON) -> str:
        """Return the message with values and rows in the caller's notation."""
        text = f"`{self.argument}` {self.problem}"
        if self.rows:
            shown = ", ".join(str(row + notation.first_index) for row in self.rows[:5])
            more = ", ..." if len(self.rows) > 5 else ""
            text += f" (first: {shown}{more}; counted from {notation.first_index})"
        if self.found is not _NOTHING:
            text += f"; found {notation.show(self.found)}"
        return f"{text}. {self.hint}".rstrip()


@contextlib.contextmanager
def renamed(argument: str, called: str) -> Iterator[None]:
    """Raise errors about an argument as the caller's function calls it."""
    try:
        yield
    except InputError as error:
        if error.argument == argument:
            error.argument = called
            error.args = (error.render(),)
        raise


def _rebuild(cls: type[InputError], state: dict[str, Any]) -> InputError:
    error = cls.__new__(cls)
    error.__dict__.update(state)
    error.args = (error.render(),)
    return error


class WeightsError(EdaphosError):
    """A file of weights is damaged, of another kind, or does not fit."""


class DownloadError(EdaphosError):
    """A file cannot be downloaded; nothing of it is kept."""


class TrainingError(EdaphosError, RuntimeError):
    """Training cannot go on, for example because the loss is no longer finite."""

    @classmethod
    def diverged(cls, what: str, data: str = "x") -> TrainingError:
        """Return the error for training that diverged, with what to do; `data` is an argument."""
        hint = f"Lower `lr`, or bring `{data}` to zero mean and unit variance per channel."
        return cls(f"{what} {hint}")


class ForkedProcessError(EdaphosError, RuntimeError):
    """Forked from a process in which torch has started threads, which a fork does not have."""

    def render(self, notation: Notation = PYTHON) -> str:
        """Return the message, with what to use instead in the caller's language."""
        return notation.forked

    def __str__(self) -> str:
        return self.render()


class EdaphosWarning(UserWarning):
    """Base class of the warnings of edaphos_bridge."""


class NoteWarning(EdaphosWarning):
    """Worth knowing, where nothing went wrong. A message in R."""


class AdjustedWarning(NoteWarning):
    """A setting does not fit the data; the nearest one that does is used."""


class DeviceFallbackWarning(AdjustedWarning):
    """The device asked for is not available; the cpu is used."""


# Code that stands between a caller's line and ours: the package itself, and wrappers around it.
_OURS = (f"{Path(__file__).parent}{os.sep}", contextlib.__file__, functools.__file__)


def warn(message: str, category: type[EdaphosWarning] = EdaphosWarning) -> None:
    """Warn at the line of the caller outside this package, however deep the call is."""
    frame: FrameType | None = sys._getframe()
    level = 0
    while frame is not None and _is_ours(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)


def _is_ours(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_OURS) or frame.f_globals.get("__name__", "").startswith("torch.")

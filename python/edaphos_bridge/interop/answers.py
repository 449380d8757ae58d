"""Answers to calls from R: a value, or an error in R's notation, and what was warned about.

An exception that crosses into R loses its type on the way (reticulate) or vanishes (rpy2), so
none does: an answer is a dict with ``value``, ``error``, ``warnings`` and ``messages``, and R
makes conditions of them.
"""

from __future__ import annotations

import functools
import math
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from edaphos_bridge.errors import (
    DownloadError,
    EdaphosError,
    EdaphosWarning,
    ForkedProcessError,
    InputError,
    Notation,
    NoteWarning,
    TrainingError,
    WeightsError,
)


def _show(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if math.isnan(value):
            return "NA"
        if math.isinf(value):
            return "Inf" if value > 0 else "-Inf"
        return f"{value:.15g}"
    if isinstance(value, list | tuple):
        return f"c({', '.join(_show(item) for item in value)})"
    return repr(value)


R = Notation(
    first_index=1,
    show=_show,
    forked="this process was forked from an R in which Python runs, and Python's torch cannot "
    "compute in it.\nUse parallel::makePSOCKcluster(), callr or future::multisession instead of "
    "mclapply() and the like.",
)
"""How R counts, writes and gets more processes; as the R package says it in process.R."""

NA_INTEGER = -(2**31)
"""R's ``NA_integer_`` as an int32 array shows it."""


class Interrupted(Exception):  # noqa: N818
    """The user stopped the call."""


def _conditions(error: Exception) -> list[str]:
    kinds = {
        InputError: "input_error",
        WeightsError: "weights_error",
        DownloadError: "download_error",
        TrainingError: "training_error",
        ForkedProcessError: "forked_process",
        Interrupted: "interrupt",
    }
    names = (name for kind, name in kinds.items() if isinstance(error, kind))
    return [f"edaphosbridge_{next(names, 'python_error')}", "edaphosbridge_error"]


def _described(error: Exception) -> dict[str, Any]:
    if isinstance(error, Interrupted):
        message = "interrupted by the user."
    elif isinstance(error, EdaphosError):
        message = error.render(R)
    else:
        message = f"{type(error).__name__}: {error}"
    return {
        "message": message,
        "classes": _conditions(error),
        "argument": error.argument if isinstance(error, InputError) else None,
        "traceback": "".join(traceback.format_exception(error)),
    }


def answered(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Wrap a call so that it returns an answer, and neither raises nor is interrupted."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> dict[str, Any]:
        value, error = None, None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EdaphosWarning)
            try:
                value = function(*args, **kwargs)
            except KeyboardInterrupt:
                error = _described(Interrupted())
            except Exception as raised:
                error = _described(raised)
        notes = [str(w.message) for w in caught if issubclass(w.category, NoteWarning)]
        texts = [str(w.message) for w in caught if not issubclass(w.category, NoteWarning)]
        return {
            "value": value,
            "error": error,
            "warnings": list(dict.fromkeys(texts)),  # of several fits in one call the same one
            "messages": list(dict.fromkeys(notes)),
        }

    return call

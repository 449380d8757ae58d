"""Trace the public call to its first step: the files of the package that it passes.

Run from the repository root: ``.venv/bin/python tools/trace.py``. Three calls are traced: a linear
probe and full fine-tuning up to their first step of training, ``predict()`` up to its first batch
in the model. For each it prints

* how many files are entered, without ``__init__.py``, and the moves between them: how often the
  file entered next is another one;
* the rooms among them, in the order in which they are entered: what must be read to follow the
  call. A room hands the call on, to another file outside of basics/, data/ and errors.py, or is
  where the first step is taken. None lies in those folders;
* the way itself: the files on the stack when the first step is taken, from the public call down;
* the leaves, all others than rooms: they check or make one thing, and the call comes back.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import edaphos_bridge

PACKAGE = Path(edaphos_bridge.__file__).parent
LEAVES = ("basics/", "data/", "errors.py")
# Where each call takes its first step: file and function.
PROBE_STEP = ("training/linear.py", "_step")
FINE_TUNING_STEP = ("training/backprop.py", "_step")
FIRST_BATCH = ("fits/model.py", "forward")


class _Arrived(BaseException):
    """Ends a traced call at its first step."""


@dataclass
class Trace:
    """What a call has passed, in order."""

    files: list[str] = field(default_factory=list)
    moves: int = 0
    handing_on: set[str] = field(default_factory=set)
    way: list[str] = field(default_factory=list)

    @property
    def rooms(self) -> list[str]:
        """The files that hand the call on, and the last one, which takes the step."""
        return [f for f in self.files if f in self.handing_on and not f.startswith(LEAVES)]


def traced(call: Callable[[], Any], step: tuple[str, str]) -> Trace:
    """Return what `call` passes until it enters the function `step` of the package."""
    trace = Trace()
    last = ""

    def enter(frame: FrameType, event: str, _: Any) -> None:
        nonlocal last
        name = _file_of(frame)
        if event != "call" or name is None:
            return
        if name not in trace.files:
            trace.files.append(name)
        trace.moves += name != last
        last = name
        caller = _caller_of(frame)
        if caller not in (None, name) and not name.startswith(LEAVES):
            trace.handing_on.add(caller)
        if (name, frame.f_code.co_name) == step:
            trace.handing_on.add(name)
            trace.way = _stack_of(frame)
            raise _Arrived

    sys.setprofile(enter)
    try:
        call()
    except _Arrived:
        return trace
    finally:
        sys.setprofile(None)
    raise AssertionError(f"the call never came to {step}")


def _file_of(frame: FrameType) -> str | None:
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(PACKAGE) or path.name == "__init__.py":
        return None
    return path.relative_to(PACKAGE).as_posix()


def _stack_of(frame: FrameType) -> list[str]:
    """Return the files of the package on the stack, the outermost first, each once."""
    names: list[str] = []
    above: FrameType | None = frame
    while above is not None:
        name = _file_of(above)
        if name is not None:
            names.insert(0, name)
        above = above.f_back
    return list(dict.fromkeys(names))


def _caller_of(frame: FrameType) -> str | None:
    """Return the file of the package that made the call, be it through torch or Python's own."""
    above = frame.f_back
    while above is not None and _file_of(above) is None:
        above = above.f_back
    return None if above is None else _file_of(above)


def trace_all() -> dict[str, Trace]:
    """Return the trace of each of the three calls."""
    x = np.random.default_rng(1).normal(size=(40, 4, 6, 6))
    y = ["dry", "wet"] * 20
    encoder = edaphos_bridge.foundation_encoder("moco", 4, seed=1)

    def fit(**settings: Any) -> Any:
        return edaphos_bridge.foundation_fit_classifier(encoder, x, y, epochs=1, seed=1, **settings)

    fitted = fit()  # each call once before it is traced: what is done once a process has been done
    fit(freeze_backbone=False)
    fitted.predict(x)
    return {
        "linear probe": traced(fit, PROBE_STEP),
        "full fine-tuning": traced(lambda: fit(freeze_backbone=False), FINE_TUNING_STEP),
        "predict()": traced(lambda: fitted.predict(x), FIRST_BATCH),
    }


def report(traces: dict[str, Trace]) -> list[str]:
    """Return the lines that are printed."""
    lines = []
    for call, trace in traces.items():
        rooms = trace.rooms
        leaves = [name for name in trace.files if name not in rooms]
        lines += [
            f"{call}: {len(trace.files)} files in {trace.moves} moves, {len(rooms)} of them rooms",
            *_wrapped(f"way ({len(trace.way)}):", trace.way),
            *_wrapped("rooms:", rooms),
            *_wrapped("leaves:", leaves),
        ]
    return lines


def _wrapped(title: str, names: list[str]) -> list[str]:
    return textwrap.wrap(
        f"{title:<10}" + ", ".join(names), 99, initial_indent="  ", subsequent_indent=" " * 12
    )


if __name__ == "__main__":
    print("\n".join(report(trace_all())))

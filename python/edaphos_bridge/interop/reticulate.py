"""What the R package calls through reticulate.

reticulate converts arguments and results by itself (arrays share R's memory, raw vectors are
bytearrays, functions are callables), so `calls` only need Ctrl-C in Python's hands.
"""

import ctypes
import os
import signal
import sys
from typing import Any

from edaphos_bridge.basics.interrupts import handled_by, held


def _import_torch_with_its_own_blas() -> str:
    """Import torch so that its calls of BLAS stay inside it; return a note where they do not.

    R is linked to a BLAS of its own, whose `sgemm_` and the like stand before torch's when the
    dynamic linker looks for them. torch would then compute with R's BLAS: other last digits
    than in Python, and slower where R has the reference BLAS.
    """
    if not hasattr(os, "RTLD_DEEPBIND"):  # only glibc knows it, and needs it
        return ""
    if "torch" in sys.modules:
        if not hasattr(ctypes.CDLL(None), "sgemm_"):
            return ""
        return (
            "note: torch was imported before edaphosbridge and computes with R's BLAS: results "
            "may differ from Python's in the last digits. Call edaphosbridge first."
        )
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        import torch  # noqa: F401
    finally:
        sys.setdlopenflags(flags)
    return ""


with held(deliver=False) as _presses:
    startup_note = _import_torch_with_its_own_blas()
    """What the R package tells the user once, when Python has started; empty for nothing."""

    from edaphos_bridge.interop import calls


def was_interrupted() -> bool:
    """Return whether Ctrl-C came while this was imported, once: R then signals its interrupt.

    reticulate's handler would raise it in the middle of its own import, where it gets lost.
    """
    came = bool(_presses)
    _presses.clear()
    return came


def call(name: str, *args: Any) -> dict[str, Any]:
    """Return the answer of a call, with Ctrl-C handled by Python while it runs.

    reticulate's own handler calls R, and an interrupt that arrives inside R is lost or becomes a
    RuntimeError. Python's only notes the signal and raises KeyboardInterrupt in Python's next
    step; the answer says so, and R signals its interrupt.
    """
    with handled_by(signal.default_int_handler):
        return calls.call(name, *args)

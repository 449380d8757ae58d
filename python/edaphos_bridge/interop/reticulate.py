"""What the R package calls through reticulate.

reticulate converts arguments and results by itself (arrays share R's memory, raw vectors are
bytearrays, functions are callables), so the calls of `r_calls` only need an answer around them,
and Ctrl-C in Python's hands.
"""

import ctypes
import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from edaphos_bridge.interrupts import handled_by, held


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

    from edaphos_bridge.interop import r_calls
    from edaphos_bridge.interop.answers import answered


def was_interrupted() -> bool:
    """Return whether Ctrl-C came while this was imported, once: R then signals its interrupt.

    reticulate's handler would raise it in the middle of its own import, where it gets lost.
    """
    came = bool(_presses)
    _presses.clear()
    return came


def _called(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Answer a call, with Ctrl-C handled by Python while it runs.

    reticulate's own handler calls R, and an interrupt that arrives inside R is lost or becomes a
    RuntimeError. Python's only notes the signal and raises KeyboardInterrupt in Python's next
    step; the answer says so, and R signals its interrupt.
    """
    answer = answered(function)

    @functools.wraps(function)
    def call(*args: Any) -> dict[str, Any]:
        with handled_by(signal.default_int_handler):
            return answer(*args)

    return call


embed = _called(r_calls.embed)
embed_at_coords = _called(r_calls.embed_at_coords)
encoder_with = _called(r_calls.encoder_with)
fit = _called(r_calls.fit)
landsat = _called(r_calls.landsat)
make_encoder = _called(r_calls.make_encoder)
patches_at_coords = _called(r_calls.patches_at_coords)
predict = _called(r_calls.predict)
pretrain = _called(r_calls.pretrain)
pretrain_tiles = _called(r_calls.pretrain_tiles)
probe_sweep = _called(r_calls.probe_sweep)
scene = _called(r_calls.scene)
tile_dataset = _called(r_calls.tile_dataset)
tile_sample = _called(r_calls.tile_sample)
weights_download = _called(r_calls.weights_download)
weights_list = _called(r_calls.weights_list)
weights_load = _called(r_calls.weights_load)
weights_save = _called(r_calls.weights_save)

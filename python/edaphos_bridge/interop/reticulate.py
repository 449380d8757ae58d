"""What the R package calls through reticulate.

reticulate converts arguments and results by itself (arrays share R's memory, raw vectors are
bytearrays, functions are callables), so the calls of `r_calls` only need an answer around them.
"""

import ctypes
import os
import sys


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


startup_note = _import_torch_with_its_own_blas()
"""What the R package tells the user once, when Python has started; empty for nothing."""

from edaphos_bridge.interop import r_calls  # noqa: E402
from edaphos_bridge.interop.answers import answered  # noqa: E402

fit = answered(r_calls.fit)
landsat = answered(r_calls.landsat)
make_encoder = answered(r_calls.make_encoder)
predict = answered(r_calls.predict)
scene = answered(r_calls.scene)

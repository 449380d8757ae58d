"""`FoundationFit`, the parent class of all fits, with the fits of every task known to it.

``FoundationFit.load(path)`` reads a fit of any task, as the class of that task.
"""

from __future__ import annotations

from edaphos_bridge import (  # noqa: F401  (they make their tasks known)
    classifier,
    multi_label,
    regressor,
    segmenter,
)
from edaphos_bridge.fits.result import FoundationFit

__all__ = ["FoundationFit"]

"""edaphos-bridge: classifiers on encoders of raster patches, the same from R and Python."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edaphos_bridge.classifier import FoundationClassifier, foundation_fit_classifier
    from edaphos_bridge.encoders.foundation import foundation_encoder

__version__ = "0.1.0"

__all__ = [
    "FoundationClassifier",
    "__version__",
    "foundation_encoder",
    "foundation_fit_classifier",
]

# Importing torch takes a second; it waits until one of these is first used.
_HOMES = {
    "FoundationClassifier": "edaphos_bridge.classifier",
    "foundation_encoder": "edaphos_bridge.encoders.foundation",
    "foundation_fit_classifier": "edaphos_bridge.classifier",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))

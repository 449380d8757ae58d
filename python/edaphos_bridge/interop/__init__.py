"""Entrances from other languages; nothing here models anything."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "rpy2":  # it starts R: only for who asks
        return importlib.import_module(f"{__name__}.rpy2")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

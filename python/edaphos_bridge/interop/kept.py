"""What the states of R become in Python, kept for the next call as long as it is small enough."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

MOST_STATES = 8
MOST_BYTES = 2**26
"""Of all states kept; the last one is kept whatever its size."""


class Kept(Generic[T]):
    """Results of `build` for the states that were used last.

    States are told apart by a digest, so that their bytes are not kept beside what they became.
    The memory taken is about the size of the states.

    Parameters
    ----------
    build : callable
        From a state, and the modules that belong to it, to what is kept.
    """

    def __init__(self, build: Callable[..., T]) -> None:
        self._build = build
        # Modules are kept with the result: their ids are in the key, and must not be used again.
        self._found: OrderedDict[tuple[Any, ...], tuple[T, int, object]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, state: bytes | bytearray, *modules: Any) -> T:
        """Return what the state becomes; the same object while it is kept."""
        key = hashlib.sha256(state).digest(), *map(id, modules)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key][0]
        result = self._build(bytes(state), *modules)
        with self._lock:
            self._found[key] = result, len(state), modules
            while len(self._found) > 1 and (
                len(self._found) > MOST_STATES or self._size() > MOST_BYTES
            ):
                self._found.popitem(last=False)
        return result

    def _size(self) -> int:
        return sum(size for _, size, _ in self._found.values())

"""R's `serialize()` as far as files of R torch use it: lists, vectors, names and classes.

The reader trusts nothing. Every count is held against the bytes that are left before anything is
made of it, depth and number of items are bounded, and whatever can carry code (closures,
environments, promises, language) is refused by not being known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import WeightsError

# A state dict has tens of items of depth three.
_MOST_ITEMS = 200_000
_DEEPEST = 16

_NULL, _SYMBOL, _PAIRLIST, _CHARS, _LOGICAL, _INTEGER, _DOUBLE = 0, 1, 2, 9, 10, 13, 14
_STRINGS, _LIST, _RAW, _NULL_VALUE, _REFERENCE = 16, 19, 24, 254, 255
_HAS_ATTRIBUTES, _HAS_TAG = 0x200, 0x400
_NUMBERS = {_LOGICAL: ">i4", _INTEGER: ">i4", _DOUBLE: ">f8"}


@dataclass
class RVector:
    """A vector or list of R.

    Parameters
    ----------
    kind : {"strings", "list", "raw", "numbers", "null"}
        What `values` holds.
    values : list, memoryview or numpy.ndarray
        A view of the file for "raw" and "numbers", else a list; a missing string is None.
    attributes : dict
        Attributes by name.
    """

    kind: str
    values: Any
    attributes: dict[str, RVector] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The ``class`` attribute, [] without one."""
        found = self.attributes.get("class")
        return found.values if found is not None and found.kind == "strings" else []

    @property
    def names(self) -> list[str] | None:
        """The ``names`` attribute, one a value, or None without one."""
        found = self.attributes.get("names")
        if found is None:
            return None
        if found.kind != "strings" or len(found.values) != len(self.values):
            raise WeightsError("A list in this file has not one name for each element.")
        return found.values

    def element(self, name: str) -> RVector | None:
        """Return the element of a list called `name`, or None."""
        names = self.names if self.kind == "list" else None
        return self.values[names.index(name)] if names and name in names else None


def unserialize(data: bytes | memoryview) -> RVector:
    """Return what R serialized (binary XDR, version 2 or 3, not compressed).

    Raises `WeightsError` if the bytes are damaged, hold something after their end, or hold anything
    but vectors and lists.
    """
    reader = _Reader(memoryview(data))
    value = reader.document()
    if reader.left():
        raise WeightsError("This R data holds something after its end.")
    return value


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0
        self._items = 0
        self._symbols: list[str] = []

    def left(self) -> int:
        return len(self._data) - self._at

    def document(self) -> RVector:
        if bytes(self._take(2)) != b"X\n":
            raise WeightsError("This is not R data in the binary XDR format.")
        version = self._integer()
        if version not in (2, 3):
            raise WeightsError(f"This R data has serialization version {version}, not 2 or 3.")
        self._take(8)  # the R that wrote it, and the oldest that can read it
        if version == 3:
            self._take(self._count(1))  # native encoding
        return self._item(0)

    def _take(self, size: int) -> memoryview:
        if size > self.left():
            raise WeightsError("This R data is cut off, or claims more than it holds.")
        self._at += size
        return self._data[self._at - size : self._at]

    def _integer(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def _count(self, size: int) -> int:
        """Return a length whose elements take at least `size` bytes each."""
        count = self._integer()
        if not 0 <= count <= self.left() // size:
            raise WeightsError("This R data is cut off, or claims more than it holds.")
        return count

    def _flags(self) -> int:
        self._items += 1
        if self._items > _MOST_ITEMS:
            raise WeightsError(f"This R data holds more than {_MOST_ITEMS} items.")
        return self._integer()

    def _item(self, depth: int) -> RVector:
        if depth > _DEEPEST:
            raise WeightsError(f"This R data is nested more than {_DEEPEST} deep.")
        flags = self._flags()
        kind = flags & 0xFF
        if kind in (_NULL, _NULL_VALUE):
            return RVector("null", [])
        if kind == _LIST:
            found = RVector("list", [self._item(depth + 1) for _ in range(self._count(4))])
        elif kind == _STRINGS:
            found = RVector("strings", [self._string() for _ in range(self._count(8))])
        elif kind == _RAW:
            found = RVector("raw", self._take(self._count(1)))
        elif kind in _NUMBERS:
            found = RVector("numbers", self._numbers(_NUMBERS[kind]))
        else:
            raise WeightsError(
                f"This R data holds an R object (type {kind}) that is neither vector nor list, "
                "such as a function or an environment."
            )
        if flags & _HAS_ATTRIBUTES:
            found.attributes = self._attributes(depth + 1)
        return found

    def _numbers(self, code: str) -> NDArray[Any]:
        dtype = np.dtype(code)
        count = self._count(dtype.itemsize)
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def _string(self) -> str | None:
        if self._flags() & 0xFF != _CHARS:
            raise WeightsError("This R data is damaged: a string was expected.")
        length = self._integer()
        if length == -1:  # NA
            return None
        if length < 0:
            raise WeightsError("This R data is damaged: a string has a negative length.")
        try:
            return str(self._take(length), "utf-8")
        except UnicodeDecodeError as error:
            raise WeightsError("This R data is damaged: a string is not UTF-8.") from error

    def _attributes(self, depth: int) -> dict[str, RVector]:
        found: dict[str, RVector] = {}
        while True:
            flags = self._flags()
            kind = flags & 0xFF
            if kind == _NULL_VALUE:
                return found
            if kind != _PAIRLIST or not flags & _HAS_TAG or flags & _HAS_ATTRIBUTES:
                raise WeightsError("This R data is damaged: attributes were expected.")
            name = self._symbol()
            found[name] = self._item(depth)

    def _symbol(self) -> str:
        flags = self._flags()
        kind = flags & 0xFF
        if kind == _SYMBOL:
            name = self._string()
            if name is None:
                raise WeightsError("This R data is damaged: a symbol is missing.")
            self._symbols.append(name)
            return name
        if kind == _REFERENCE:
            index = (flags >> 8) or self._integer()
            if 1 <= index <= len(self._symbols):
                return self._symbols[index - 1]
        raise WeightsError("This R data is damaged: a symbol was expected.")

"""What a map holds: the names of its layers, their type, and what stands for no data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.colours import Colour, own_colours
from edaphos_bridge.errors import InputError

_MOST_CLASSES = 65535


@dataclass(frozen=True)
class Layers:
    """Layers of one type on one grid.

    Attributes
    ----------
    names : tuple of str
    dtype : str
        NumPy's name: a whole number type for classes, else ``float32``.
    classes : tuple of str, optional
        What the codes 1 to K of a layer of classes mean.
    colours : tuple of three whole numbers each, optional
        Red, green and blue of each class, 0 to 255.
    """

    names: tuple[str, ...]
    dtype: str = "float32"
    classes: tuple[str, ...] | None = None
    colours: tuple[Colour, ...] | None = None

    @classmethod
    def of_classes(cls, name: str, classes: Sequence[Any], colours: Any = None) -> Layers:
        """Return one layer of codes 1 to K, in the order of `classes`; 0 is no data.

        Raises `InputError` if `colours` has not a colour for each class, or there are more classes
        than codes.
        """
        names = tuple(str(label) for label in classes)
        if len(names) > _MOST_CLASSES:
            raise InputError(
                "type", f"must be 'prob' for more than {_MOST_CLASSES} classes", found="class"
            )
        dtype = "uint8" if len(names) < 256 else "uint16"
        return cls((name,), dtype, names, _colours(names, colours))

    @property
    def nodata(self) -> float:
        """What a cell without data holds: 0 among codes of classes, else NaN."""
        return math.nan if self.classes is None else 0

    def empty(self, height: int, width: int) -> NDArray[Any]:
        """Return layers ``(L, height, width)`` without data."""
        return np.full((len(self.names), height, width), self.nodata, dtype=self.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values that tell these layers from others."""
        return {
            "names": list(self.names),
            "dtype": self.dtype,
            "classes": None if self.classes is None else list(self.classes),
            "colours": None if self.colours is None else [list(c) for c in self.colours],
        }


def _colours(names: tuple[str, ...], given: Any) -> tuple[Colour, ...]:
    if given is None:
        return own_colours(len(names))
    if isinstance(given, Mapping):
        unknown = [str(key) for key in given if str(key) not in names]
        if unknown:
            raise InputError("colours", f"must be of the classes {', '.join(names)}", found=unknown)
        missing = [name for name in names if name not in {str(key) for key in given}]
        if missing:
            raise InputError("colours", "must have a colour for every class", found=missing)
        by_name = {str(key): value for key, value in given.items()}
        given = [by_name[name] for name in names]
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != len(names):
        raise InputError(
            "colours",
            f"must have a colour for each of {len(names)} classes: '#rrggbb' in a list, or by name",
            found=given,
        )
    return tuple(_read_colour(colour) for colour in given)


def _read_colour(colour: Any) -> Colour:
    text = colour.lstrip("#") if isinstance(colour, str) else ""
    try:
        if len(text) not in (6, 8):  # R adds an alpha
            raise ValueError
        red, green, blue = bytes.fromhex(text)[:3]
    except ValueError:
        raise InputError("colours", "must be written '#rrggbb'", found=colour) from None
    return red, green, blue

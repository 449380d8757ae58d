"""Coordinate reference systems as text, and whether cells of two rasters mean the same ground."""

from __future__ import annotations

import re
from typing import Any

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.errors import warn

# Cell sizes that differ by less are one size, written with other digits.
_TOLERANCE = 0.005


def as_crs(crs: Any) -> Any:
    """Return a ``rasterio.crs.CRS`` of WKT, a code, or whatever rasterio understands.

    None comes of what it does not, of an empty text, and where rasterio is missing.
    """
    if crs is None or not str(crs).strip():
        return None
    try:
        module = imported("rasterio.crs")
    except ImportError:
        return None
    try:
        return module.CRS.from_user_input(crs) or None
    except ValueError:  # CRSError is one, and "EPSG:abc" gives a bare one
        return None


def crs_text(crs: Any) -> str | None:
    """Return an object of `as_crs` as its code (``"EPSG:32723"``) if it has one, else as WKT."""
    return None if crs is None else str(crs.to_string())


def same_crs(one: Any, other: Any) -> bool:
    """Return whether two of `as_crs` or `crs_text` are the same; what is not known is."""
    if one is None or other is None or one == other:
        return True
    first, second = as_crs(one), as_crs(other)
    return first is not None and second is not None and bool(first == second)


def warn_of_other_cells(
    argument: str,
    found: tuple[tuple[float, float] | None, str | None],
    expected: tuple[tuple[float, float] | None, str | None],
) -> None:
    """Warn if cells have another size or CRS than those that an encoder learnt from.

    `found` and `expected` are pairs: width and height of a cell, in units of the CRS, and
    `crs_text`; None where not known.
    """
    if not _same_size(found[0], expected[0]) or not same_crs(found[1], expected[1]):
        warn(
            f"`{argument}` has cells of {_shown(found)}, but the encoder was pretrained on cells "
            f"of {_shown(expected)}: what it learnt may not hold for these."
        )


def _same_size(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    if one is None or other is None:
        return True
    pairs = zip(one, other, strict=True)
    return all(abs(a - b) <= _TOLERANCE * max(a, b) for a, b in pairs)


def _shown(cells: tuple[tuple[float, float] | None, str | None]) -> str:
    size, crs = cells
    text = "unknown size" if size is None else f"{size[0]:.6g} x {size[1]:.6g}"
    return text if crs is None else f"{text} in {_short(crs)}"


def _short(crs: str) -> str:
    """Return a code as it is, and of WKT the name that it begins with."""
    name = re.match(r'\s*[A-Z0-9_]+\[\s*"([^"]+)"', crs)
    return name[1] if name else crs

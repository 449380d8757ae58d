"""Checks of single values, shared by everything that takes settings from a user.

Each returns the value in the type that the rest of the package relies on, or raises
`InputError` with the argument's name and the value found.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from edaphos_bridge.errors import InputError


def choice(argument: str, value: object, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of the strings in `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        names = ", ".join(repr(name) for name in allowed)
        raise InputError(argument, f"must be one of {names}", found=value)
    return str(value)


def flag(argument: str, value: object) -> bool:
    """Return a true/false value; nothing else is taken for one."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(argument, "must be a single true/false value", found=value)
    return bool(value)


# R's largest integer. No count of anything is near it, and torch and the system take no size that
# is much larger.
_LARGEST = 2**31 - 1


def _is_number(value: object) -> bool:
    no_number = bool | np.bool_ | np.timedelta64  # a duration is a subclass of a NumPy integer
    return isinstance(value, numbers.Real) and not isinstance(value, no_number)


def _is_finite(value: Any) -> bool:
    try:
        return _is_number(value) and math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def whole(
    argument: str, value: Any, *, minimum: int = 1, maximum: int = _LARGEST, kind: str = ""
) -> int:
    """Return a whole number in a range; 40.0 is whole, 2.7 and True are not."""
    usable = _is_finite(value) and value == int(value)
    if not usable or value < minimum:
        least = f"whole number of at least {minimum}" if minimum > 1 else "whole number"
        wanted = kind or ("positive whole number" if minimum == 1 else least)
        raise InputError(argument, f"must be a {wanted}", found=value)
    if value > maximum:
        raise InputError(
            argument, f"must be a {kind or f'whole number up to {maximum}'}", found=value
        )
    return int(value)


def number(
    argument: str,
    value: Any,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return a finite number with ``minimum <= value``, ``above < value < below``."""
    if _is_finite(value) and minimum <= value and above < value < below:
        return float(value)
    bounds = []
    if above > -math.inf:
        bounds.append(f"greater than {above:g}")
    if minimum > -math.inf:
        bounds.append(f"at least {minimum:g}")
    if below < math.inf:
        bounds.append(f"less than {below:g}")
    text = "must be a single finite number" + (", " + " and ".join(bounds) if bounds else "")
    raise InputError(argument, text, found=value)


def widths(argument: str, value: Any) -> tuple[int, ...]:
    """Return layer widths as a tuple of positive whole numbers; a single number is one width."""
    if _is_number(value):
        value = (value,)
    problem = "must be a sequence of positive whole numbers"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InputError(argument, problem, found=value)
    try:
        found = tuple(value)
    except Exception as error:  # an array without dimensions, an object that refuses
        raise InputError(argument, problem, found=value) from error
    try:
        return tuple(whole(argument, width) for width in found)
    except InputError:
        raise InputError(argument, problem, found=list(found)) from None


def seed_number(value: Any) -> int:
    """Return a seed: a whole number that fits in 64 bits and is exact in R's doubles too."""
    limit = 2**53
    kind = "whole number between -2^53 and 2^53"
    return whole("seed", value, minimum=-limit, maximum=limit, kind=kind)


def read_once(value: Any) -> Any:
    """Return a list of what can be read only once, for what reads it again; else `value`."""
    return list(value) if isinstance(value, Iterator) else value


def share(argument: str, value: Any) -> float:
    """Return a number between 0 and 1."""
    if number(argument, value, minimum=0) > 1:
        raise InputError(argument, "must be a single number between 0 and 1", found=value)
    return float(value)


def ratios(argument: str, value: Any) -> tuple[float, float]:
    """Return the ends of an interval within (0, 1]."""
    problem = "must be two numbers, the smaller first, greater than 0 and at most 1"
    try:
        low, high = (number(argument, part, above=0) for part in value)
    except Exception as error:  # arrays of other packages fail in ways of their own
        raise InputError(argument, problem, found=value) from error
    if not low <= high <= 1:
        raise InputError(argument, problem, found=value)
    return low, high

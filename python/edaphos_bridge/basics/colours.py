"""The colours of classes, where none are given."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

# Okabe, M. and Ito, K. (2008). Color universal design: told apart by colour-blind people too.
_OKABE_ITO = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7", "000000")


def own_colours(n: int) -> tuple[Colour, ...]:
    """Return the colours of n classes where none are given."""
    return tuple(_own_colour(place) for place in range(n))


def _own_colour(place: int) -> Colour:
    """Return one of eight colours that are easily told apart, then hues a golden angle apart."""
    if place < len(_OKABE_ITO):
        red, green, blue = bytes.fromhex(_OKABE_ITO[place])
        return red, green, blue
    hue = (place - len(_OKABE_ITO)) * 0.618034 % 1
    value = (0.9, 0.65, 0.45)[place % 3]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.7, value))
    return red, green, blue

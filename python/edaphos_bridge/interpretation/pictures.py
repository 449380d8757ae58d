"""Patches as pictures: which bands are shown, and what is black and white in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import choice, whole
from edaphos_bridge.errors import InputError

Stretch = Literal["percent", "minmax", "none"]


def pictures(
    patches: NDArray[np.float32], bands: int | Sequence[int] | None, stretch: Stretch
) -> NDArray[np.float64]:
    """Return patches ``(k, C, H, W)`` as red, green and blue, shape (k, H, W, 3), in [0, 1].

    Arguments are those of `plot_top_losses`.

    Raises
    ------
    InputError
        If `bands` are not one or three bands of the patches, or `stretch` is none of the choices.
    """
    choice("stretch", stretch, ("percent", "minmax", "none"))
    shown = patches[:, bands_shown(bands, patches.shape[1])].astype(float)
    if stretch != "none":
        ends = (2, 98) if stretch == "percent" else (0, 100)
        low, high = np.percentile(shown, ends, axis=(0, 2, 3), keepdims=True)
        shown = (shown - low) / np.where(high > low, high - low, 1.0)
    colours = shown.clip(0, 1).transpose(0, 2, 3, 1)
    return np.broadcast_to(colours, (*colours.shape[:3], 3))


def bands_shown(bands: int | Sequence[int] | None, channels: int) -> list[int]:
    """Return the one or three bands that are shown of `channels`."""
    if bands is None:
        return [0, 1, 2] if channels >= 3 else [0]
    given = [bands] if isinstance(bands, int | np.integer) else bands
    try:
        found = [whole("bands", band, minimum=0) for band in given]
    except TypeError:
        raise InputError("bands", "must be one band or three", found=type(bands).__name__) from None
    if len(found) not in (1, 3):
        raise InputError("bands", "must be one band or three", found=len(found))
    if max(found) >= channels:
        raise InputError("bands", f"must be bands of the {channels} that there are", found=found)
    return found

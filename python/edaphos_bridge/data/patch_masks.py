"""The masks of patches: a user's, or those that a tile data set cuts with its patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edaphos_bridge.data.labels import ClassLabel, of_label
from edaphos_bridge.data.masks import Masks, as_masks
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError


def masks_of(
    patches: Patches,
    masks: Any,
    *,
    classes: Sequence[ClassLabel] | None = None,
    unlabelled: ClassLabel | float | None = None,
) -> Masks:
    """Return the masks of patches, turned as these are read.

    Parameters
    ----------
    patches : Patches
        If they are of a tile data set, they have been read for an encoder before.
    masks : array-like, Masks or None
        As `as_masks` takes them; None are those of the tile data set.
    classes, unlabelled
        See `as_masks`.

    Raises
    ------
    InputError
        As `as_masks`; if there are none, or those of a tile data set have other classes.
    """
    n, _, height, width = patches.shape
    if masks is None:
        found = patches.masks()
        if found is None:
            raise InputError(
                "masks",
                "are needed: only a tile data set that was made with `labels` has its own",
                found=None,
            )
        if unlabelled is not None:
            raise InputError(
                "unlabelled",
                "is for `masks`: those of a tile data set know which cells have no label",
                found=unlabelled,
                hint="Give it to foundation_tile_dataset().",
            )
        return _among(found, classes)
    if isinstance(masks, Masks):
        if tuple(masks.codes.shape) != (n, height, width):
            raise InputError(
                "masks",
                f"must be those of the {n} patches of {height} x {width} cells",
                found=list(masks.codes.shape),
            )
        found = _among(masks, classes)
    else:
        found = as_masks(masks, classes=classes, unlabelled=unlabelled, shape=(n, height, width))
    if patches.are_turned:
        return replace(found, codes=found.codes.transpose(1, 2).contiguous())
    return found


def _among(masks: Masks, classes: Sequence[ClassLabel] | None) -> Masks:
    """Return masks with their codes in the order of other classes."""
    if classes is None or list(classes) == masks.classes:
        return masks
    known = {str(label): code for code, label in enumerate(classes)}
    found = [of_label(known, label) for label in masks.classes]
    unknown = [str(c) for c, code in zip(masks.classes, found, strict=True) if code is None]
    if unknown:
        raise InputError(
            "masks", f"must hold classes among {', '.join(known)}", found=", ".join(unknown)
        )
    places = masks.codes.new_tensor([*found, -1])
    return Masks(places[masks.codes.long()], list(classes))

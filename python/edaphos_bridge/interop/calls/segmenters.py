"""The call that fits segmenters, and the object that R gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.interop.calls.fits import fit_fields
from edaphos_bridge.interop.calls.held import encoder_behind, masks_behind, patches
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.interop.calls.splits import parting_of
from edaphos_bridge.interop.calls.values import as_levels
from edaphos_bridge.segmenter import IOU, FoundationSegmenter, fit_segmenter


@plain
def segment(
    encoder: Any,
    x: Any,
    masks: dict[str, Any],
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_fit_segmenter()``: the fit as plain values; `masks` as `masks_behind` has it."""
    flag("verbose", verbose)
    parting = parting_of(settings["parting"])
    of_masks = settings_of_masks(masks["levels"], settings["classes"], settings["unlabelled"])
    fitted = fit_segmenter(
        encoder_behind(encoder),
        patches(x),
        masks_behind(**masks),
        {**settings, **place, **of_masks},
        ToldToR("segmenter", on_epoch, IOU),
        draw,
        parting,
    )
    return segmenter_fields(fitted)


def settings_of_masks(levels: list[Any] | None, classes: Any, unlabelled: Any) -> dict[str, Any]:
    """Return what `as_masks` takes: the classes given, or the levels of R's masks in their order.

    R has whole numbers as doubles, and the classes of a fit as text: classes of numbers are
    numbers, and those of logical masks bool, as Python's.
    """
    if classes is None and levels is not None:
        labels = [name for name in levels if name != unlabelled]
        classes = labels if len(labels) > 1 else None  # else the masks are refused, not `classes`
    elif isinstance(classes, list):
        found = [_whole(label) for label in classes]
        if levels == [False, True] and set(found) == {"FALSE", "TRUE"}:
            found = [label == "TRUE" for label in found]
        numbers = levels is None and all(_is_number(label) for label in found)
        classes = [int(label) for label in found] if numbers else found
    return {"classes": classes, "unlabelled": _whole(unlabelled)}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_number(label: ClassLabel) -> bool:
    try:
        return str(int(label)) == str(label)
    except (TypeError, ValueError, OverflowError):
        return False


def segmenter_fields(fitted: FoundationSegmenter) -> dict[str, Any]:
    """Return the elements of the R object."""
    return fit_fields(
        fitted,
        classes=as_levels(fitted.classes),
        regime=fitted.regime,
        loss_fn=fitted.loss_fn,
        pixel_counts=[float(count) for count in fitted.pixel_counts],
        n_patches=fitted.n_patches(),
        val_iou_history=fitted.val_iou_history,
    )

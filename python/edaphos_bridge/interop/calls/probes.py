"""Calls about probes that watch a pretraining."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import read_split
from edaphos_bridge.errors import EdaphosWarning
from edaphos_bridge.interop.calls.held import labels_of, masks_behind, patches
from edaphos_bridge.interop.calls.segmenters import settings_of_masks
from edaphos_bridge.interop.calls.splits import parting_of
from edaphos_bridge.knn_probe import KNNProbe
from edaphos_bridge.linear_probe import LinearProbe
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.segmentation_probe import SegmentationProbe


def _of_masks(
    x: Patches, learnt: dict[str, Any], *, classes: Any, unlabelled: Any, **how: Any
) -> SegmentationProbe:
    of_masks = settings_of_masks(learnt["levels"], classes, unlabelled)
    return SegmentationProbe(x, masks_behind(**learnt), **of_masks, **how)


_KINDS: dict[str, Callable[..., Probe]] = {
    "linear": lambda x, labels, **how: LinearProbe(x, labels_of(**labels), **how),
    "knn": lambda x, labels, **how: KNNProbe(x, labels_of(**labels), **how),
    "segmentation": _of_masks,
}
"""From patches and what is known of them, as R has it, by what R's functions are called."""


@plain
def probe(held: Mapping[str, Any]) -> dict[str, Any]:
    """``linear_probe()`` and its sisters: what they are, checked."""
    known = probe_behind(held).describe()
    # as a double: reticulate would turn a whole number beyond R's integers into 0
    return {**known, "seed": float(known["seed"])}


def probe_of_run(held: Any) -> Any:
    """Return the probe of a run: what R holds, or what it describes, which has warned before."""
    if not isinstance(held, Mapping):
        return held
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdaphosWarning)
        return probe_behind(held)


def probe_behind(held: Mapping[str, Any]) -> Probe:
    """Return the probe that R's ``to_probe()`` describes.

    It has the ``kind``, patches ``x``, what is known of them as the verbs of fits take it
    (``learnt``), and ``settings``, ``parting`` among them.
    """
    settings = dict(held["settings"])
    x = patches(held["x"])
    split = read_split(len(x), **parting_of(settings.pop("parting", None)))
    return _KINDS[held["kind"]](x, held["learnt"], validation=split, **settings)

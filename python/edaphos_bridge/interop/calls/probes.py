"""Calls about probes that watch a pretraining."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.splits import read_split
from edaphos_bridge.interop.calls.held import labels_of, patches
from edaphos_bridge.interop.calls.splits import parting_of
from edaphos_bridge.knn_probe import KNNProbe
from edaphos_bridge.linear_probe import LinearProbe
from edaphos_bridge.pretrain.probe import Probe

_KINDS: dict[str, Callable[..., Probe]] = {
    "linear": lambda x, labels, **how: LinearProbe(x, labels_of(**labels), **how),
    "knn": lambda x, labels, **how: KNNProbe(x, labels_of(**labels), **how),
}
"""By what R's functions are called, from what patches and labels are there."""


@plain
def probe(held: Mapping[str, Any]) -> dict[str, Any]:
    """``linear_probe()`` and its sisters: what they are, checked."""
    known = probe_behind(held).describe()
    # as a double: reticulate would turn a whole number beyond R's integers into 0
    return {**known, "seed": float(known["seed"])}


def probe_behind(held: Mapping[str, Any]) -> Probe:
    """Return the probe that R's ``to_probe()`` describes.

    It has the ``kind``, patches ``x``, what is known of them as the verbs of fits take it
    (``learnt``), and ``settings``, ``parting`` among them.
    """
    settings = dict(held["settings"])
    x = patches(held["x"])
    split = read_split(len(x), **parting_of(settings.pop("parting", None)))
    return _KINDS[held["kind"]](x, held["learnt"], validation=split, **settings)

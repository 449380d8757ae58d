"""The ways of finding a patch's twin among those of the other group of bands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from methods import BANDS
from numpy.typing import NDArray
from retrieval import Found, Values, by_cca, by_cosine, by_ridge

from edaphos_bridge import foundation_embed, foundation_encoder_for, foundation_moco_embed
from edaphos_bridge.encoders.untrained import untrained_like

CHANCE = "chance"
SHOWN = {
    "SwAV, features": "#0072b2",
    "SwAV without views, features": "#009e73",
    "SwAV, XResNet-18, features": "#cc79a7",
    "untrained encoder, features": "#999999",
    "CCA of SwAV's features": "#56b4e9",
    "CCA of the untrained encoder's features": "#e69f00",
    "CCA of raw pixels": "#d55e00",
    "CCA of band means": "#000000",
}
"""The ways that the figure shows, and their colours."""

Both = tuple[Values, Values]


def twins(
    encoders: Mapping[str, Any], known: NDArray[np.float32], asked: NDArray[np.float32], seed: int
) -> dict[str, Found]:
    """Return what each way finds for patches `asked` after it has learnt from `known`."""
    swav = encoders["two"]
    plain, random = encoders["two_plain"], untrained_like(swav, seed)
    of_swav, of_random = (_embedded(encoder, asked) for encoder in (swav, random))
    return {
        "SwAV, features": by_cosine(*of_swav),
        "SwAV, projections": by_cosine(*_projected(swav, asked)),
        "SwAV without views, features": by_cosine(*_embedded(plain, asked)),
        "SwAV without views, projections": by_cosine(*_projected(plain, asked)),
        "SwAV, XResNet-18, features": by_cosine(*_embedded(encoders["two_xresnet"], asked)),
        "untrained encoder, features": by_cosine(*of_random),
        "CCA of SwAV's features": by_cca(_embedded(swav, known), of_swav),
        "CCA of the untrained encoder's features": by_cca(_embedded(random, known), of_random),
        "CCA of band means": by_cca(_means(known), _means(asked)),
        "CCA of raw pixels": by_cca(_pixels(known), _pixels(asked)),
        "ridge regression of raw pixels": by_ridge(_pixels(known), _pixels(asked)),
    }


def _parted(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    a, b = (np.ascontiguousarray(x[:, BANDS[name]]) for name in ("visible", "infrared"))
    return a, b


def _embedded(encoder: Any, x: NDArray[np.float32]) -> Both:
    return _by(lambda one, patches: foundation_embed(one, patches), encoder, x)


def _projected(encoder: Any, x: NDArray[np.float32]) -> Both:
    """Return what the loss of SwAV compares."""
    return _by(lambda one, patches: foundation_moco_embed(one, patches, True), encoder, x)


def _by(embed: Any, encoder: Any, x: NDArray[np.float32]) -> Both:
    a, b = (
        embed(foundation_encoder_for(encoder, sensor), patches).astype(np.float64)
        for sensor, patches in zip("ab", _parted(x), strict=True)
    )
    return a, b


def _pixels(x: NDArray[np.float32]) -> Both:
    a, b = (each.reshape(len(each), -1).astype(np.float64) for each in _parted(x))
    return a, b


def _means(x: NDArray[np.float32]) -> Both:
    a, b = (each.mean(axis=(2, 3), dtype=np.float64) for each in _parted(x))
    return a, b

"""What is pretrained on the bands of the scene, and what learns from few labels by it.

Nothing was tuned here: views, rate and batches are those that ``docs/comparison/tune.py`` chose for
MoCo on patches of another scene, and all else has its default. So had SwAV no tuning anywhere.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scene import N_VISIBLE

from edaphos_bridge import (
    foundation_encoder,
    foundation_encoder_for,
    foundation_moco_pretrain,
    foundation_swav_pretrain,
)
from edaphos_bridge.experiments.few_label_arms import baseline, fine_tuned, from_scratch, probed
from edaphos_bridge.experiments.few_labels import Arm
from edaphos_bridge.training.phase import Phase

STEPS = 400
EPOCHS, LR, BATCH = 10, 1e-3, 16
PER_CLASS = (5, 20, 50)
REPEATS = 10
BANDS = {
    "visible": slice(0, N_VISIBLE),
    "infrared": slice(N_VISIBLE, None),
    "both": slice(None),
}
SENSOR_BANDS = {"a": "visible", "b": "infrared", "mean": "both", "concat": "both"}

_CHOSEN = Path(__file__).parents[1] / "comparison" / "settings.json"
MOCO = {**json.loads(_CHOSEN.read_text(encoding="utf-8"))["pretraining"], "epochs": STEPS}
_OF_MOCO_ALONE = ("temperature", "momentum", "queue_size")
SWAV = {name: value for name, value in MOCO.items() if name not in _OF_MOCO_ALONE}
NO_VIEWS = {
    "crop_ratio": (1.0, 1.0),
    **dict.fromkeys(
        ("flip_prob", "rot90_prob", "channel_drop_prob", "cutout_prob", "brightness_jitter",
         "noise_sd"),
        0.0,
    ),
}  # fmt: skip


# --- pretraining ------------------------------------------------------------------------------


def swav_of_two(x: NDArray[np.float32], *, seed: int, **settings: Any) -> Any:
    """Pretrain on both groups as two sensors, each with a first layer of its own."""
    a, b = x[:, BANDS["visible"]], x[:, BANDS["infrared"]]
    return foundation_swav_pretrain(a, b, shared_stem=False, seed=seed, **{**SWAV, **settings})


def swav_of_one(x: NDArray[np.float32], *, seed: int, bands: str) -> Any:
    """Pretrain on some bands as one sensor."""
    return foundation_swav_pretrain(x[:, BANDS[bands]], seed=seed, **SWAV)


def untrained(x: NDArray[np.float32], *, seed: int, encoder: str) -> Any:
    """Return an encoder of all bands with random weights."""
    return foundation_encoder(encoder, x.shape[1], seed=seed)


STARTS = {
    "two_xresnet": partial(swav_of_two, encoder="xresnet18"),  # first what takes longest
    "moco": partial(foundation_moco_pretrain, **MOCO),
    "two": swav_of_two,
    "two_plain": partial(swav_of_two, **NO_VIEWS),
    "six": partial(swav_of_one, bands="both"),
    "visible": partial(swav_of_one, bands="visible"),
    "infrared": partial(swav_of_one, bands="infrared"),
    "untrained": partial(untrained, encoder="moco"),
    "xresnet": partial(untrained, encoder="xresnet18"),
}

# --- few labels -------------------------------------------------------------------------------


def learn_from(
    encoder: Any, x: Any, y: Any, test: Any, *, learn: Any, bands: str = "both",
    sensors: str | None = None, **settings: Any,
) -> NDArray[np.float64]:  # fmt: skip
    """Learn from some bands, with the encoder of these where it is one of two sensors."""
    if sensors is not None:
        encoder, bands = foundation_encoder_for(encoder, sensors), SENSOR_BANDS[sensors]
    known, asked = (np.ascontiguousarray(each[:, BANDS[bands]]) for each in (x, test))
    found: NDArray[np.float64] = learn(encoder, known, y, asked, **settings)
    return found


_HOW = {"batch_size": BATCH, "val_split": 0.0, "device": "cpu"}
_TUNED = partial(fine_tuned, phases=[Phase(EPOCHS, LR, freeze_to=-1), Phase(EPOCHS, LR)], **_HOW)
_SCRATCH = partial(from_scratch, phases=[Phase(2 * EPOCHS, LR)], **_HOW)


def _arm(name: str, start: str | None, learn: Any, **bands: str) -> Arm:
    return Arm(name, start, partial(learn_from, learn=learn, **bands))


ARMS = [
    _arm("visible: SwAV of two groups", "two", probed, sensors="a"),
    _arm("visible: SwAV of these bands", "visible", probed, bands="visible"),
    _arm("visible: raw pixels", None, partial(baseline, name="pixels"), bands="visible"),
    _arm("infrared: SwAV of two groups", "two", probed, sensors="b"),
    _arm("infrared: SwAV of these bands", "infrared", probed, bands="infrared"),
    _arm("infrared: raw pixels", None, partial(baseline, name="pixels"), bands="infrared"),
    _arm("SwAV of two groups, mean", "two", probed, sensors="mean"),
    _arm("SwAV of two groups, concat", "two", probed, sensors="concat"),
    _arm("SwAV of two groups without views, concat", "two_plain", probed, sensors="concat"),
    _arm("SwAV of two groups, XResNet-18, concat", "two_xresnet", probed, sensors="concat"),
    _arm("SwAV of six bands", "six", probed),
    _arm("MoCo of six bands", "moco", probed),
    _arm("untrained MoCo encoder", "untrained", probed),
    _arm("raw pixels", None, partial(baseline, name="pixels")),
    _arm("random convolutions", None, partial(baseline, name="random_convolutions")),
    _arm("image statistics", None, partial(baseline, name="band_statistics")),
    _arm("SwAV of two groups, mean, fine-tuned", "two", _TUNED, sensors="mean"),
    _arm("SwAV of six bands, fine-tuned", "six", _TUNED),
    _arm("MoCo of six bands, fine-tuned", "moco", _TUNED),
    _arm("from scratch, MoCo's encoder", "untrained", _SCRATCH),
    _arm("from scratch, XResNet-18", "xresnet", _SCRATCH),
]
PAIRS = [
    ("visible: SwAV of two groups", "visible: SwAV of these bands"),
    ("visible: SwAV of two groups", "visible: raw pixels"),
    ("infrared: SwAV of two groups", "infrared: SwAV of these bands"),
    ("infrared: SwAV of two groups", "infrared: raw pixels"),
    ("SwAV of two groups, concat", "SwAV of six bands"),
    ("SwAV of two groups, mean", "SwAV of six bands"),
    ("SwAV of two groups, concat", "MoCo of six bands"),
    ("SwAV of two groups, concat", "untrained MoCo encoder"),
    ("SwAV of two groups, concat", "raw pixels"),
    ("SwAV of two groups, concat", "random convolutions"),
    ("SwAV of two groups, concat", "image statistics"),
    ("SwAV of two groups, mean, fine-tuned", "from scratch, MoCo's encoder"),
    ("SwAV of six bands, fine-tuned", "from scratch, MoCo's encoder"),
    ("MoCo of six bands, fine-tuned", "from scratch, MoCo's encoder"),
]

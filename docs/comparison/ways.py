"""The ways of fine-tuning, each from labelled patches to predicted classes of others.

All that train the encoder take about as many steps and, but for fastai's recipe, which has its
own, the same rates: those that tune.py chose for full fine-tuning with 20 labels per class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from methods import BATCH, chosen_setting, logistic_model
from numpy.typing import NDArray

from edaphos_bridge import (
    foundation_fine_tune,
    foundation_finetune_classifier,
    foundation_fit_classifier,
)
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.interpretation.baselines import baseline_values

Data = tuple[NDArray[np.float32], NDArray[np.int64]]

_TUNED = chosen_setting("finetune_moco", "20")
STEPS, LR = _TUNED["steps"], _TUNED["lr"]
LR_MULT = (
    1 / _TUNED["backbone_lr_mult"]
)  # from the encoder's rate, or its first block's, to the head's

WITHOUT_ENCODER = {
    "random_convolutions": "random convolution features, logistic regression",
    "band_statistics": "statistics of each band, logistic regression",
    "logistic": "logistic regression on pixels",
    "logistic_cv": "logistic regression on pixels, penalty cross-validated",
}
FROM_ENCODER = {
    "probe": "linear probe",
    "full": "full fine-tuning",
    "lp_ft": "LP-FT",
    "layerwise": "layer-wise rates",
    "gradual": "gradual unfreezing",
    "fastai": "fastai's recipe",
}


def without_encoder(
    train: Data, x: NDArray[np.float32], labels: str, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Return the classes that each way without an encoder predicts for `x`."""
    n_classes = len(np.unique(train[1]))
    found = baseline_values(Patches(train[0]), train[1], Patches(x), n_classes, seed)
    for way in ("logistic", "logistic_cv"):
        model = logistic_model(chosen_setting(way, labels)).fit(_flat(train[0]), train[1])
        found[way] = model.predict_proba(_flat(x))
    return {way: found[way].argmax(axis=1) for way in WITHOUT_ENCODER}


def fits_from(
    encoder: Any, start: str, train: Data, labels: str, seed: int
) -> Iterator[tuple[str, Any]]:
    """Yield the name and the fit of each way from an encoder.

    Parameters
    ----------
    start : {"moco", "untrained"}
        Of which encoder tune.py chose the settings of the probe.
    """
    x, y = train
    common = {"batch_size": BATCH, "val_split": 0.0, "seed": seed}
    rates = {"lr": LR, "lr_mult": LR_MULT}
    per_epoch = math.ceil(len(x) / BATCH)
    epochs = max(2, round(STEPS / per_epoch))
    of_probe = chosen_setting(f"probe_{start}", labels)
    head_epochs = max(1, round(of_probe["steps"] / per_epoch))
    probe = foundation_fit_classifier(
        encoder, x, y, epochs=head_epochs, lr=of_probe["lr"], **common
    )
    yield "probe", probe
    yield "full", foundation_fit_classifier(
        encoder, x, y, freeze_backbone=False, epochs=epochs, lr=LR, backbone_lr_mult=1 / LR_MULT,
        **common,
    )  # fmt: skip
    for recipe in ("lp_ft", "layerwise", "gradual"):
        phases = len(probe.encoder.groups()) if recipe == "gradual" else 1
        each = max(1, round(epochs / phases))
        yield (
            recipe,
            foundation_finetune_classifier(
                probe, x, y, recipe=recipe, epochs=each, **rates, **common
            ),
        )
    yield "fastai", foundation_fine_tune(encoder, x, y, epochs=epochs - 1, **common)


def _flat(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x.reshape(len(x), -1)

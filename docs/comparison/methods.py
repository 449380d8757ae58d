"""The methods, each from labelled patches to an accuracy on others."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import GridSearchCV

from edaphos_bridge import (
    FoundationPretrain,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_pretrain,
)

# Key in the files of settings and results: name in the table.
METHODS = {
    "probe_moco": "linear probe on MoCo features",
    "probe_untrained": "linear probe on the untrained backbone",
    "finetune_moco": "fine-tuning from MoCo",
    "finetune_scratch": "fine-tuning from scratch",
    "logistic": "logistic regression on raw pixels",
    "logistic_cv": "logistic regression, penalty cross-validated",
}
PRETRAINED = ("probe_moco", "finetune_moco")
# First what pretraining changes, then what is left against the pixels themselves.
PAIRS = (
    ("probe_moco", "probe_untrained"),
    ("finetune_moco", "finetune_scratch"),
    ("probe_moco", "logistic"),
    ("probe_moco", "logistic_cv"),
    ("finetune_moco", "logistic"),
    ("finetune_moco", "logistic_cv"),
)
PER_CLASS: dict[str, int | None] = {"5": 5, "20": 20, "all": None}
HEADINGS = {"5": "5 labels per class", "20": "20 labels per class", "all": "all labels"}
BATCH = 64
PACKAGES = ("edaphos-bridge", "torch", "numpy", "scikit-learn", "kornia")
LOGISTIC_C = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
SETTINGS = Path(__file__).with_name("settings.json")

Setting = dict[str, Any]


def chosen_settings() -> dict[str, Any]:
    """Return what tune.py chose on the development blocks."""
    settings: dict[str, Any] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    return settings


def chosen_setting(method: str, labels: str) -> Setting:
    """Return the setting of a method for a number of labels."""
    if method == "logistic_cv":  # chooses on the labelled patches themselves
        return {"C": LOGISTIC_C}
    setting: Setting = chosen_settings()[method][labels]
    return setting


def pretrain(x: NDArray[np.float32], setting: Setting, seed: int) -> FoundationPretrain:
    """Pretrain MoCo on patches; the first weights are those of ``untrained(seed)``."""
    return foundation_moco_pretrain(x, **setting, seed=seed)


def untrained(seed: int) -> Any:
    """Return a MoCo encoder with random weights."""
    return foundation_encoder("moco", in_channels=4, seed=seed)


def evaluate(
    method: str,
    setting: Setting,
    encoder: Any,
    train: tuple[NDArray[np.float32], NDArray[np.int64]],
    test: tuple[NDArray[np.float32], NDArray[np.int64]],
    seed: int,
) -> tuple[float, float]:
    """Train `method` and return its accuracy and balanced accuracy on `test`.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    setting : dict
        ``C`` for the logistic regression, a list for cross-validation; else ``lr``, ``steps``
        and, for fine-tuning, ``backbone_lr_mult``.
    encoder : torch.nn.Module or FoundationPretrain
        Where to start; not used by the logistic regression.
    train, test : tuple of patches and class codes
    seed : int
    """
    x, y = train
    if method in ("logistic", "logistic_cv"):
        model = logistic_model(setting)
        predicted = model.fit(x.reshape(len(x), -1), y).predict(test[0].reshape(len(test[0]), -1))
    else:
        fit = foundation_fit_classifier(
            encoder,
            x,
            y,
            freeze_backbone=method.startswith("probe"),
            epochs=max(1, round(setting["steps"] / math.ceil(len(x) / BATCH))),
            batch_size=BATCH,
            lr=setting["lr"],
            backbone_lr_mult=setting.get("backbone_lr_mult", 0.1),
            val_split=0.0,
            seed=seed,
        )
        predicted = np.asarray(fit.predict(test[0])).astype(np.int64)
    accuracy = accuracy_score(test[1], predicted)
    return float(accuracy), float(balanced_accuracy_score(test[1], predicted))


def logistic_model(setting: Setting) -> Any:
    """Return scikit-learn's logistic regression; of a list of penalties it picks by five folds."""
    if isinstance(setting["C"], list):
        return GridSearchCV(LogisticRegression(max_iter=5000), setting, cv=5)
    return LogisticRegression(C=setting["C"], max_iter=5000)

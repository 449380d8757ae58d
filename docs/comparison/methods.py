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
# With whose encoder each begins.
START = {
    "probe_moco": "moco",
    "probe_untrained": "untrained",
    "finetune_moco": "moco",
    "finetune_scratch": "untrained",
    "logistic": None,
    "logistic_cv": None,
}
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


def moco(x: NDArray[np.float32], *, seed: int) -> Any:
    """Pretrain with the setting that tune.py chose."""
    return pretrain(x, chosen_settings()["pretraining"], seed)


def no_pretraining(x: NDArray[np.float32], *, seed: int) -> Any:
    """Return the first weights of `moco`."""
    return untrained(seed)


STARTS = {"moco": moco, "untrained": no_pretraining}


def learn(
    encoder: Any,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    test: NDArray[np.float32],
    *,
    method: str,
    labels: float,
    seed: int,
) -> NDArray[np.float64]:
    """Return the probabilities of `test`, with what tune.py chose for that number of labels."""
    setting = chosen_setting(method, "all" if math.isinf(labels) else f"{labels:g}")
    return probabilities(method, setting, encoder, (x, y), test, seed)


def evaluate(
    method: str,
    setting: Setting,
    encoder: Any,
    train: tuple[NDArray[np.float32], NDArray[np.int64]],
    test: tuple[NDArray[np.float32], NDArray[np.int64]],
    seed: int,
) -> tuple[float, float]:
    """Train `method` and return its accuracy and balanced accuracy on `test`.

    `test` is patches and class codes; all else is as in `probabilities`.
    """
    found = probabilities(method, setting, encoder, train, test[0], seed)
    predicted = np.unique(train[1])[found.argmax(axis=1)]
    accuracy = accuracy_score(test[1], predicted)
    return float(accuracy), float(balanced_accuracy_score(test[1], predicted))


def probabilities(
    method: str,
    setting: Setting,
    encoder: Any,
    train: tuple[NDArray[np.float32], NDArray[np.int64]],
    test: NDArray[np.float32],
    seed: int,
) -> NDArray[np.float64]:
    """Train `method` and return the probabilities of the classes of `train`.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    setting : dict
        ``C`` for the logistic regression, a list for cross-validation; else ``lr``, ``steps``
        and, for fine-tuning, ``backbone_lr_mult``.
    encoder : torch.nn.Module or FoundationPretrain
        Where to start; not used by the logistic regression.
    train : tuple of patches and class codes
    test : patches
    seed : int
    """
    x, y = train
    if method in ("logistic", "logistic_cv"):
        model = logistic_model(setting).fit(x.reshape(len(x), -1), y)
        found: NDArray[np.float64] = model.predict_proba(test.reshape(len(test), -1))
        return found
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
    return fit.predict_proba(test)


def logistic_model(setting: Setting) -> Any:
    """Return scikit-learn's logistic regression; of a list of penalties it picks by five folds."""
    if isinstance(setting["C"], list):
        return GridSearchCV(LogisticRegression(max_iter=5000), setting, cv=5)
    return LogisticRegression(C=setting["C"], max_iter=5000)

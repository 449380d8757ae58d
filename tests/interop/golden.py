"""Golden cases, which pytest and testthat share: r-wrapper/tests/testthat/golden/cases.json.

``python tests/interop/golden.py`` computes their expected values anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge import FoundationClassifier, foundation_encoder, foundation_fit_classifier

CASES = Path(__file__).parents[2] / "r-wrapper" / "tests" / "testthat" / "golden" / "cases.json"

EXPECTED_ROWS = 2
"""Patches whose expected probabilities are in the file."""

_CASES: list[dict[str, Any]] = [
    {
        "name": "levels in unsorted order",
        "shape": [24, 3, 5, 5],
        "levels": ["Ultisol", "Oxisol", "Inceptisol", "Alfisol"],
    },
    {"name": "two classes", "shape": [20, 2, 5, 5], "levels": ["b", "a"]},
    {"name": "one channel", "shape": [21, 1, 5, 5], "levels": ["x", "y", "z"]},
    {"name": "patches that are not square", "shape": [20, 2, 4, 7], "levels": ["wide", "tall"]},
    {
        "name": "class names beyond ASCII",
        "shape": [18, 2, 3, 3],
        "levels": ["Чернозём", "Gleissolo háplico", "褐土"],
    },
    {
        "name": "a thousand classes",
        "shape": [1000, 2, 3, 3],
        "levels": [f"class {(7 * i) % 1000:03d}" for i in range(1000)],
    },
]


def patches(shape: list[int]) -> NDArray[np.float64]:
    """Return patches from whole numbers, so that R gets the same bits (golden_patches() there)."""
    n, c, h, w = np.ogrid[: shape[0], : shape[1], : shape[2], : shape[3]]
    return ((131 * n + 17 * c + 7 * h + 3 * w + n * (c + 1) * (h + 2 * w)) % 257 - 128) / 64


def labels(case: dict[str, Any]) -> pd.Categorical:
    """Return the levels one after the other, again and again."""
    codes = np.arange(case["shape"][0]) % len(case["levels"])
    return pd.Categorical.from_codes(codes.tolist(), categories=case["levels"])


def fit(case: dict[str, Any], freeze_backbone: bool) -> FoundationClassifier:
    """Train as golden_fit() in R does."""
    encoder = foundation_encoder("moco", case["shape"][1], feature_dim=8, proj_dim=4, seed=3)
    return foundation_fit_classifier(
        encoder,
        patches(case["shape"]),
        labels(case),
        freeze_backbone=freeze_backbone,
        epochs=3,
        batch_size=16,
        lr=0.01,
        val_split=0,
        seed=5,
    )


def _short(value: float) -> float:
    return float(f"{value:.8g}")


def read_cases() -> list[dict[str, Any]]:
    """Return the cases with what they expect."""
    return list(json.loads(CASES.read_text(encoding="utf-8")))


def main() -> None:
    """Write the cases with the probabilities of the first patches and the losses."""
    for case in _CASES:
        x = patches(case["shape"])[:EXPECTED_ROWS]
        for regime, freeze_backbone in (("probe", True), ("finetune", False)):
            found = fit(case, freeze_backbone)
            case[regime] = {
                "prob": [[_short(value) for value in row] for row in found.predict_proba(x)],
                "loss_history": [_short(loss) for loss in found.loss_history],
            }
    CASES.parent.mkdir(exist_ok=True)
    text = json.dumps(_CASES, ensure_ascii=False, separators=(",", ":"))
    CASES.write_text(text.replace('{"name"', '\n{"name"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

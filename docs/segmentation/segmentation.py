"""Segmenters on two real scenes: frozen, fine-tuned, from scratch, a U-Net, a random forest.

Run from the repository root: ``python docs/segmentation/segmentation.py --out docs/results``. It
writes ``segmentation.csv``, ``segmentation.md`` and two figures. One process of one thread.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from tiles import GROUPS, Tiles, north_carolina, statlog

from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_segmenter,
    foundation_moco_pretrain,
)
from edaphos_bridge.basics.workers import one_thread
from edaphos_bridge.data.masks import UNLABELLED, as_masks
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.experiments.provenance import provenance
from edaphos_bridge.interpretation.bootstrap import intervals
from edaphos_bridge.interpretation.figures import masks as draw_masks
from edaphos_bridge.interpretation.pictures import pictures
from edaphos_bridge.interpretation.segmented import OF_MASKS, Segmented
from edaphos_bridge.interpretation.units import Units
from edaphos_bridge.tasks.overlap import confusion_of

SEED = 1
N_BOOT = 2000
REPEATS = range(3)  # of the groups of blocks; the others always train
BUDGETS = {"5 %": 0.05, "20 %": 0.2, "all": 1.0}
STEPS, BATCH, LR = 300, 16, 3e-3
SETTINGS = Path(__file__).parents[1] / "comparison" / "settings.json"
PRETRAINING = {**json.loads(SETTINGS.read_text(encoding="utf-8"))["pretraining"], "epochs": 600}
FOREST = "random forest on pixels"
MODELS: dict[str, dict[str, Any]] = {
    "frozen MoCo, linear": {"regime": "frozen", "decoder": "linear"},
    "frozen MoCo, Clay's decoder": {"regime": "frozen", "decoder": "clay"},
    "fine-tuned MoCo, Clay's decoder": {"regime": "finetune", "decoder": "clay"},
    "U-Net on MoCo": {"regime": "finetune", "decoder": "unet"},
    "U-Net from random weights": {"regime": "finetune", "decoder": "unet"},
    "Clay's network from scratch": {"regime": "from_scratch"},
}
PACKAGES = ("edaphos-bridge", "torch", "numpy", "scikit-learn", "kornia", "rasterio")
SHOWN = ("frozen MoCo, Clay's decoder", "fine-tuned MoCo, Clay's decoder", "U-Net on MoCo")

Outcomes = dict[tuple[str, str], list[Segmented]]


def drawn(tiles: Tiles, train: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Return a share of the training tiles, at random, with two classes at least."""
    order = np.random.default_rng(seed).permutation(train)
    n = max(2, round(share * len(train)))
    while len(np.unique(tiles.masks[order[:n]])) < 3:  # unlabelled is one of them
        n += 1
    return np.sort(order[:n])


def run(
    tiles: Tiles, test_group: int, seed: int, say: Callable[[str], None], found: Outcomes
) -> dict[str, NDArray[np.int64]]:
    """Pretrain, fit every model with every budget, add what the test tiles say of each.

    Returns the codes that models predict for the first test tiles with all labels.
    """
    test = np.flatnonzero(tiles.group == test_group)
    train = np.flatnonzero(tiles.group != test_group)
    channels = tiles.x.shape[1]
    moco = foundation_moco_pretrain(tiles.x[train], seed=seed, **PRETRAINING)
    random = foundation_encoder("moco", channels, seed=seed)
    classes = list(range(len(tiles.classes)))
    truth = as_masks(tiles.masks[test], classes=classes, unlabelled=UNLABELLED)
    shown: dict[str, NDArray[np.int64]] = {}
    for budget, share in BUDGETS.items():
        rows = drawn(tiles, train, share, seed)
        masks = tiles.masks[rows]
        for name, how in MODELS.items():
            fit = foundation_fit_segmenter(
                None if how["regime"] == "from_scratch" else random if "random" in name else moco,
                tiles.x[rows],
                masks,
                classes=classes,
                unlabelled=UNLABELLED,
                epochs=-(-STEPS * BATCH // len(rows)),
                batch_size=BATCH,
                lr=LR,
                val_split=0,
                seed=seed,
                **how,
            )
            found.setdefault((name, budget), []).append(
                Segmented.of(fit, Patches(tiles.x[test]), truth)
            )
            if budget == "all" and name in SHOWN:
                shown[name] = fit.codes(tiles.x[test])
        codes = forest(tiles, rows, test, seed)
        counts = confusion_of(torch.from_numpy(codes), truth.codes, len(classes)).numpy()
        found.setdefault((FOREST, budget), []).append(Segmented(counts, np.zeros(len(test))))
        if budget == "all":
            shown[FOREST] = codes
        each = ", ".join(
            f"{name} {scores_of(outcomes[-1:], np.arange(len(test)), 0)['iou'][0]:.3f}"
            for (name, of), outcomes in found.items()
            if of == budget
        )
        say(f"{tiles.name}, group {test_group + 1}, {len(rows)} tiles: {each}")
    return shown


def forest(
    tiles: Tiles, rows: NDArray[np.int64], test: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Return the codes (n, t, t) of a random forest on the bands of single pixels."""
    known = tiles.masks[rows] >= 0
    pixels = tiles.x[rows].transpose(0, 2, 3, 1)[known]
    model = RandomForestClassifier(200, min_samples_leaf=2, random_state=seed)
    model.fit(pixels, tiles.masks[rows][known])
    asked = tiles.x[test].transpose(0, 2, 3, 1)
    codes: NDArray[np.int64] = model.predict(asked.reshape(-1, asked.shape[-1]))
    return codes.reshape(asked.shape[:3]).astype(np.int64)


def scores_of(
    outcomes: list[Segmented], blocks: NDArray[np.int64], n_boot: int
) -> dict[str, tuple[float, float, float]]:
    """Return estimate and interval of each score over the tiles of all repeats."""
    both = Segmented(
        np.concatenate([each.confusions for each in outcomes]),
        np.concatenate([each.losses for each in outcomes]),
    )
    _, codes = np.unique(blocks, return_inverse=True)
    units = Units("blocks", codes, int(codes.max()) + 1)
    found = intervals(both.scores, units, n_boot, SEED)
    return {
        name: (found[0][place], found[1][place], found[2][place])
        for place, name in enumerate(OF_MASKS)
    }


Scores = dict[tuple[str, str], dict[str, tuple[float, float, float]]]


def table(scores: Scores, metric: str) -> list[str]:
    """Return one score of all models as a Markdown table."""
    lines = [f"| {metric} | " + " | ".join(f"{b} of the tiles" for b in BUDGETS) + " |"]
    lines.append("|---" * (len(BUDGETS) + 1) + "|")
    for name in (*MODELS, FOREST):
        cells = ["{:.3f} ({:.3f} to {:.3f})".format(*scores[name, b][metric]) for b in BUDGETS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def draw_scores(path: Path, scores: dict[str, Scores]) -> None:
    """Draw the intersection over union of all models, a panel a scene."""
    figure, panels = plt.subplots(1, len(scores), figsize=(11, 4.2), layout="constrained")
    for ax, (scene, of_scene) in zip(panels, scores.items(), strict=True):
        for place, name in enumerate((*MODELS, FOREST)):
            values = np.array([of_scene[name, budget]["iou"] for budget in BUDGETS])
            at = np.arange(len(BUDGETS)) + 0.09 * (place - len(MODELS) / 2)
            spread = np.abs(values[:, 1:] - values[:, :1]).T
            ax.errorbar(at, values[:, 0], yerr=spread, fmt="o", ms=4, lw=1, label=name)
        ax.set_xticks(range(len(BUDGETS)), [f"{b} of the tiles" for b in BUDGETS])
        ax.set_title(scene, loc="left")
        ax.set_ylabel("mean intersection over union")
    panels[0].legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Run all and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    parser.add_argument("--nc", type=Path, help="folder with the files of North Carolina")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    all_scores: dict[str, Scores] = {}
    text: list[str] = []
    rows: list[list[object]] = []
    for tiles in (statlog(), north_carolina(arguments.nc)):
        found: Outcomes = {}
        with one_thread():
            shown = [run(tiles, group, SEED + group, say, found) for group in REPEATS]
        tests = [np.flatnonzero(tiles.group == group) for group in REPEATS]
        blocks = np.concatenate([tiles.block[test] for test in tests])
        scores = {key: scores_of(outcomes, blocks, N_BOOT) for key, outcomes in found.items()}
        all_scores[tiles.name] = scores
        for (name, budget), each in scores.items():
            rows += [
                [tiles.name, name, budget, metric, *(f"{value:.6f}" for value in values)]
                for metric, values in each.items()
            ]
        text += [
            f"## {tiles.name}: {len(tiles.x)} tiles of {tiles.x.shape[2]} x {tiles.x.shape[3]} "
            f"pixels, {len(tiles.classes)} classes",
            "",
            *table(scores, "iou"),
            "",
            *table(scores, "pixel_accuracy"),
            "",
        ]
        if tiles.name == "North Carolina":
            test = tests[0]
            first = np.argsort([-len(np.unique(mask)) for mask in tiles.masks[test]])[:4]
            figure = draw_masks(
                pictures(tiles.x[test][first], (3, 2, 1), "percent"),
                {
                    "land cover": tiles.masks[test][first],
                    **{name: codes[first] for name, codes in shown[0].items()},
                },
                list(tiles.classes),
            )
            figure.savefig(out / "segmentation_masks.png", dpi=110)
            plt.close(figure)
    draw_scores(out / "segmentation.png", all_scores)
    with (out / "segmentation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["scene", "model", "tiles", "metric", "estimate", "low", "high"])
        writer.writerows(rows)
    head = [
        "# Segmenters on two scenes",
        "",
        "Mean intersection over union and share of right pixels, with 95 % intervals, on spatial "
        "blocks that did not train.",
        "",
    ]
    protocol = [
        "![Intersection over union of each model](segmentation.png)",
        "",
        "![Tiles of North Carolina, their land cover, and what models make of them]"
        "(segmentation_masks.png)",
        "",
        "## Protocol",
        "",
        f"* Tiles do not overlap. Blocks of tiles are shared out to {GROUPS} groups that all have "
        f"every class; each of {len(REPEATS)} repeats tests on one group and trains on the "
        "others. Neighbouring tiles of two blocks touch and share no pixel.",
        f"* MoCo is pretrained anew in each repeat on all training tiles without labels, "
        f"{PRETRAINING['epochs']} steps of {PRETRAINING['batch_size']}, with the views and rates "
        "that the comparison chose for patches of the Statlog scene.",
        f"* Every segmenter takes about {STEPS} steps of {BATCH} tiles at a rate of {LR:g} (a "
        "tenth of it for a pretrained encoder); no segmenter was tuned, for either scene.",
        f"* {FOREST.capitalize()}: 200 trees on the bands of single pixels, without their "
        "neighbours.",
        f"* Intervals: percentiles of {N_BOOT} bootstrap draws of whole blocks, over the tiles of "
        "all repeats. They hold what varies between parts of a scene, not what other weights or "
        "another draw of tiles would change.",
    ]
    command = f"python docs/segmentation/segmentation.py --out {out}"
    seconds = time.monotonic() - started
    text = [
        *head,
        *text,
        *protocol,
        *provenance(command, packages=PACKAGES, seed=SEED, seconds=seconds, processes=1),
        "* Every number: [segmentation.csv](segmentation.csv)",
        "",
    ]
    (out / "segmentation.md").write_text("\n".join(text), encoding="utf-8")
    say(f"segmentation.csv, .md and two figures are written to {out}.")


if __name__ == "__main__":
    main()

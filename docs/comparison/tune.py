"""Choose all settings of the comparison on the development blocks, which it never reports.

Run from the repository root: ``python docs/comparison/tune.py --out docs/results``. It writes
every setting tried to ``tuning.csv`` and ``tuning.md``, and the chosen ones to
``docs/comparison/settings.json``, where comparison.py finds them. About a quarter of an hour of
one core.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from methods import (
    LOGISTIC_C,
    METHODS,
    PACKAGES,
    PER_CLASS,
    SETTINGS,
    START,
    Setting,
    evaluate,
    pretrain,
    untrained,
)
from numpy.typing import NDArray
from scene import DEVELOPMENT, ScenePatches, fold, scene_patches

from edaphos_bridge import foundation_moco_embed
from edaphos_bridge.data.augmentations import Augmentations
from edaphos_bridge.experiments.folds import Fold, drawn_per_class, standardised
from edaphos_bridge.experiments.provenance import provenance

SEED = 100
DRAWS = 2  # of labels, for each setting

BASE: Setting = {
    "temperature": 0.2,
    "batch_size": 64,
    "lr": 1e-3,
    "momentum": 0.99,
    "queue_size": 512,
    "epochs": 400,  # steps
}
WEAK_SPECTRAL: Setting = {"channel_drop_prob": 0.0, "brightness_jitter": 0.1, "noise_sd": 0.05}
SMALL_CROPS: Setting = {**BASE, **WEAK_SPECTRAL, "crop_ratio": (0.35, 1.0)}
PRETRAINING: dict[str, Setting] = {
    "base": BASE,
    "edaphos' defaults, as many patches": {"batch_size": 16, "epochs": 1600},
    "lr 0.003": {**BASE, "lr": 3e-3},
    "lr 0.01": {**BASE, "lr": 1e-2},
    "momentum 0.999": {**BASE, "momentum": 0.999},
    "no channel drop": {**BASE, "channel_drop_prob": 0.0},
    "weak spectral views": {**BASE, **WEAK_SPECTRAL},
    "weak spectral views, no cutout": {**BASE, **WEAK_SPECTRAL, "cutout_prob": 0.0},
    "weak spectral views, crops from 0.35": SMALL_CROPS,
    "weak spectral views, crops from 0.2": {**SMALL_CROPS, "crop_ratio": (0.2, 1.0)},
    "the same from 0.35, temperature 0.07": {**SMALL_CROPS, "temperature": 0.07},
}
LONGER = 3  # the last: the best of those, with this many times its steps

PROBE_GRID = [
    {"lr": lr, "steps": steps} for lr, steps in itertools.product((1e-3, 1e-2, 1e-1), (300, 2000))
]
FINETUNE_GRID = [
    {"lr": 1e-3, "backbone_lr_mult": mult, "steps": steps}
    for mult, steps in itertools.product((0.1, 1.0), (150, 500))
]
GRIDS: dict[str, list[Setting]] = {
    "probe_moco": PROBE_GRID,
    "probe_untrained": PROBE_GRID,
    "finetune_moco": FINETUNE_GRID,
    "finetune_scratch": FINETUNE_GRID,
    "logistic": [{"C": value} for value in LOGISTIC_C],
}
# The probes that compare ways of pretraining; the better one counts, for each number of labels.
SCREENING = [{"lr": 1e-3, "steps": 300}, {"lr": 1e-2, "steps": 1000}]

# The same views for every way of pretraining, so that their pretexts can be compared.
PRETEXT_VIEWS = Augmentations(
    crop_ratio=(0.6, 1.0), flip_prob=0.5, rot90_prob=0.75, brightness_jitter=0.1, noise_sd=0.1
)


class Development:
    """The development fold with its patches and draws of labels."""

    def __init__(self, patches: ScenePatches) -> None:
        self.patches = patches
        self.fold: Fold = fold(patches, DEVELOPMENT)
        self.x = standardised(patches.x, self.fold.pretrain)

    def score(self, method: str, setting: Setting, encoder: Any, labels: str) -> tuple[float, ...]:
        """Return accuracy and balanced accuracy, mean of the draws."""
        draws = DRAWS if PER_CLASS[labels] is not None else 1
        y, test = self.patches.y, self.fold.test
        scores = []
        for seed in range(SEED, SEED + draws):
            rows = drawn_per_class(y, self.fold.train, PER_CLASS[labels], seed)
            train = self.x[rows], y[rows]
            scores.append(evaluate(method, setting, encoder, train, (self.x[test], y[test]), seed))
        return tuple(np.mean(scores, axis=0).tolist())

    def pretext(self, encoder: Any) -> dict[str, float]:
        """Return how well two views of the development patches find each other.

        Patches three pixels apart: top-1 accuracy among all, alignment (mean squared distance
        of the two views, less is better) and uniformity (Wang and Isola 2020, less is better).
        """
        some = self.fold.test
        thin = (self.patches.rows[some] % 3 == 0) & (self.patches.columns[some] % 3 == 0)
        x = torch.from_numpy(self.x[some[thin]])
        generator = torch.Generator().manual_seed(SEED)
        views = [PRETEXT_VIEWS.view(x, generator).numpy() for _ in range(2)]
        a, b = (foundation_moco_embed(encoder, view, projection=True) for view in views)
        return {
            "pretext_top1": float((np.argmax(a @ b.T, axis=1) == np.arange(len(a))).mean()),
            "alignment": float(((a - b) ** 2).sum(axis=1).mean()),
            "uniformity": _uniformity(a),
        }


def _uniformity(a: NDArray[np.float32]) -> float:
    pairs = np.triu_indices(len(a), k=1)
    squared = ((a[:, None] - a[None]) ** 2).sum(axis=2)[pairs]
    return float(np.log(np.exp(-2 * squared.astype(np.float64)).mean()))


def tune_pretraining(development: Development) -> tuple[Setting, Any, list[dict[str, Any]]]:
    """Return the best way of pretraining, its encoder, and a row for each that was tried."""
    x = development.x[development.fold.pretrain]
    rows: list[dict[str, Any]] = []
    encoders: dict[str, Any] = {}

    def attempt(name: str, setting: Setting) -> None:
        started = time.monotonic()
        encoder = pretrain(x, setting, SEED) if setting else untrained(SEED)
        encoders[name] = encoder
        row = {"name": name, "setting": setting, **development.pretext(encoder)}
        for labels in PER_CLASS:
            row[f"probe_{labels}"] = max(
                development.score("probe_moco", probe, encoder, labels)[0] for probe in SCREENING
            )
        row["mean"] = float(np.mean([row[f"probe_{labels}"] for labels in PER_CLASS]))
        rows.append(row)
        print(f"{name:<40} pretext {row['pretext_top1']:.3f}  probe {row['mean']:.3f}  "
              f"({time.monotonic() - started:.0f} s)", flush=True)  # fmt: skip

    attempt("untrained, for comparison", {})
    for name, setting in PRETRAINING.items():
        attempt(name, setting)
    best = max(rows[1:], key=lambda row: row["mean"])
    longer = {**best["setting"], "epochs": LONGER * best["setting"]["epochs"]}
    attempt(f"{best['name']}, {LONGER} times as long", longer)
    best = max(rows[1:], key=lambda row: row["mean"])
    return best["setting"], encoders[best["name"]], rows


def tune_methods(development: Development, encoder: Any) -> list[dict[str, Any]]:
    """Return a row for each setting of each method and number of labels."""
    rows = []
    for method, grid in GRIDS.items():
        start = encoder if START[method] == "moco" else untrained(SEED)
        for labels in PER_CLASS:
            started = time.monotonic()
            tried = []
            for setting in grid:
                accuracy, balanced = development.score(method, setting, start, labels)
                tried.append({"method": method, "labels": labels, "setting": setting,
                              "accuracy": accuracy, "balanced": balanced})  # fmt: skip
            best = max(tried, key=lambda row: row["accuracy"])  # the first of equals
            rows += [{**row, "chosen": row is best} for row in tried]
            print(f"{METHODS[method]:<40} {labels:>4}  {best['accuracy']:.3f}  {best['setting']}  "
                  f"({time.monotonic() - started:.0f} s)", flush=True)  # fmt: skip
    return rows


def write_tables(
    out: Path, pretraining: list[dict[str, Any]], methods: list[dict[str, Any]], chosen: Setting,
    about: list[str],
) -> None:  # fmt: skip
    """Write all that was tried as CSV and as Markdown."""
    with (out / "tuning.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["what", "labels", "setting", "measure", "value", "chosen"])
        for row in pretraining:
            setting, picked = json.dumps(row["setting"]), row["setting"] == chosen
            for measure in ("pretext_top1", "alignment", "uniformity"):
                value = f"{row[measure]:.4f}"
                writer.writerow(["pretraining", "", setting, measure, value, picked])
            for labels in PER_CLASS:
                value = f"{row[f'probe_{labels}']:.4f}"
                writer.writerow(["pretraining", labels, setting, "accuracy", value, picked])
        for row in methods:
            for measure in ("accuracy", "balanced"):
                writer.writerow([row["method"], row["labels"], json.dumps(row["setting"]), measure,
                                 f"{row[measure]:.4f}", row["chosen"]])  # fmt: skip
    (out / "tuning.md").write_text(
        "\n".join([*_markdown(pretraining, methods, chosen), *about, ""]), encoding="utf-8"
    )


def _markdown(
    pretraining: list[dict[str, Any]], methods: list[dict[str, Any]], chosen: Setting
) -> list[str]:
    lines = [
        "# Settings tried on the development blocks",
        "",
        "Written by `docs/comparison/tune.py`. The blocks tested here are not those of "
        "[comparison.md](comparison.md). Training rows are the patches of the other blocks that "
        f"share no pixel with them; 5 and 20 labels per class are means of {DRAWS} draws.",
        "",
        "## Pretraining",
        "",
        "Chosen by the mean accuracy of a linear probe over three numbers of labels (the better of "
        f"two: {'; '.join(_setting(probe) for probe in SCREENING)}). Pretext: two views of "
        "development patches must find each other (top-1; alignment and uniformity after Wang and "
        f"Isola 2020, less is better). Where nothing else is said: {_setting(BASE)} (steps), and "
        f"the defaults for the views. Weak spectral views: {_setting(WEAK_SPECTRAL)}.",
        "",
        "| tried | pretext top-1 | alignment | uniformity | probe, 5 | 20 | all | mean | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    measures = ("pretext_top1", "alignment", "uniformity", *(f"probe_{n}" for n in PER_CLASS))
    for row in pretraining:
        values = " | ".join(f"{row[measure]:.3f}" for measure in (*measures, "mean"))
        mark = "chosen" if row["setting"] == chosen else ""
        lines.append(f"| {row['name']} | {values} | {mark} |")
    lines += [
        "",
        "## Classifiers",
        "",
        "Chosen by accuracy, for each method and number of labels; the two probes have one grid, "
        "and so have the two fine-tunings.",
        "",
        "| method | labels | setting | accuracy | balanced | |",
        "|---|---|---|---|---|---|",
    ]
    for row in methods:
        lines.append(
            f"| {METHODS[row['method']]} | {row['labels']} | {_setting(row['setting'])} | "
            f"{row['accuracy']:.3f} | {row['balanced']:.3f} | {'chosen' if row['chosen'] else ''} |"
        )
    return lines


def _setting(setting: Setting) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in setting.items())


def main() -> None:
    """Try the settings and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    started = time.monotonic()
    development = Development(scene_patches())
    chosen, encoder, pretraining = tune_pretraining(development)
    methods = tune_methods(development, encoder)
    settings = {"pretraining": chosen, **{method: {} for method in GRIDS}}
    for row in methods:
        if row["chosen"]:
            settings[row["method"]][row["labels"]] = row["setting"]
    SETTINGS.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    command = f"python docs/comparison/tune.py --out {out}"
    about = provenance(
        command, packages=PACKAGES, seed=SEED, seconds=time.monotonic() - started, processes=1
    )
    write_tables(out, pretraining, methods, chosen, about)
    print(f"{SETTINGS} and {out}/tuning.md are written ({time.monotonic() - started:.0f} s).")


if __name__ == "__main__":
    main()

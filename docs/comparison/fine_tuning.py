"""Which way of fine-tuning? All of them side by side on spatial blocks of the Statlog scene.

Run from the repository root: ``python docs/comparison/fine_tuning.py --out docs/results``. It
writes ``fine_tuning.csv``, ``fine_tuning.md`` and ``fine_tuning.png``. One process of one thread.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from methods import HEADINGS, PACKAGES, PER_CLASS, chosen_settings, pretrain, untrained
from scene import BUFFER, DEVELOPMENT, REPORTED, ScenePatches, fold, scene_patches
from ways import (
    FROM_ENCODER,
    LR,
    LR_MULT,
    STEPS,
    WITHOUT_ENCODER,
    fits_from,
    without_encoder,
)
from ways_chart import draw_chart
from ways_scores import Codes, Way, WayScores, accuracies, scores_of, verdicts

from edaphos_bridge.basics.workers import one_thread
from edaphos_bridge.experiments.folds import drawn_per_class, standardised
from edaphos_bridge.experiments.provenance import provenance

SEED = 1
N_BOOT = 2000
ENCODERS = {"": "", "moco": ", from MoCo", "untrained": ", from random weights"}
# From random weights with one number of labels only: ten minutes on one core are the limit.
LABELS_OF = {"moco": tuple(PER_CLASS), "untrained": ("20",)}
REFERENCE = ("moco", "probe")
NAMES: dict[Way, str] = {
    **{("", way): name for way, name in WITHOUT_ENCODER.items()},
    **{
        (encoder, way): f"{name}{ENCODERS[encoder]}"
        for encoder in LABELS_OF
        for way, name in FROM_ENCODER.items()
    },
}


@dataclass(frozen=True)
class Run:
    """What each way with each number of labels predicts in one repeat, and how many trained it."""

    predicted: dict[str, dict[Way, Codes]]
    n_train: dict[str, int]
    truth: Codes
    block: Codes


def run(patches: ScenePatches, repeat: int, seed: int, say: Callable[[str], None]) -> Run:
    """Pretrain, train all ways and predict the test patches of a repeat."""
    each = fold(patches, repeat)
    x, y = standardised(patches.x, each.pretrain), patches.y
    test = x[each.test]
    encoders = {
        "moco": pretrain(x[each.pretrain], chosen_settings()["pretraining"], seed),
        "untrained": untrained(seed),
    }
    say(f"repeat {repeat + 1}: pretrained")
    predicted: dict[str, dict[Way, Codes]] = {}
    n_train = {}
    for labels, per_class in PER_CLASS.items():
        rows = drawn_per_class(y, each.train, per_class, seed)
        train = x[rows], y[rows]
        found: dict[Way, Codes] = {
            ("", way): codes for way, codes in without_encoder(train, test, labels, seed).items()
        }
        for name, encoder in encoders.items():
            if labels in LABELS_OF[name]:
                for way, fit in fits_from(encoder, name, train, labels, seed):
                    found[name, way] = np.asarray(fit.predict(test)).astype(np.int64)
        predicted[labels], n_train[labels] = found, len(rows)
        right = {way: (codes == y[each.test]).mean() for way, codes in found.items()}
        say(
            f"repeat {repeat + 1}, {HEADINGS[labels]}: "
            + ", ".join(f"{' '.join(way).strip()} {value:.3f}" for way, value in right.items())
        )
    return Run(predicted, n_train, y[each.test], patches.block[each.test])


def pooled(runs: list[Run], seed: int) -> dict[str, dict[Way, WayScores]]:
    """Return the scores on the test patches of all repeats together."""
    truth = np.concatenate([each.truth for each in runs])
    blocks = np.concatenate([each.block for each in runs])
    return {
        labels: scores_of(
            {
                way: np.concatenate([each.predicted[labels][way] for each in runs])
                for way in NAMES
                if way in runs[0].predicted[labels]
            },
            truth,
            blocks,
            reference=REFERENCE,
            n_boot=N_BOOT,
            seed=seed,
        )
        for labels in PER_CLASS
    }


def rows_of(runs: list[Run], scores: dict[str, dict[Way, WayScores]]) -> list[list[object]]:
    """Return the rows of the CSV file: all repeats together, and each."""
    rows: list[list[object]] = []
    for labels, of_ways in scores.items():
        for (encoder, way), each in of_ways.items():
            start = [encoder or "none", way, labels]
            numbers = [
                f"{number:.6f}"
                for score in (each.accuracy, each.balanced, each.difference)
                for number in (score.value, score.low, score.high)
            ]
            tested = sum(len(one.truth) for one in runs)
            rows.append([*start, "all", "", tested, *numbers])
            for repeat, one in zip(REPORTED, runs, strict=False):
                right = (one.predicted[labels][encoder, way] == one.truth).astype(float)[None]
                both = accuracies(right, one.truth, np.unique(one.truth), np.ones(len(one.truth)))
                accuracy, balanced = (f"{value[0]:.6f}" for value in both)
                cells = [repeat + 1, one.n_train[labels], len(one.truth)]
                rows.append([*start, *cells, accuracy, "", "", balanced, *[""] * 5])
    return rows


HEADER = [
    "encoder", "way", "labels_per_class", "repeat", "n_train", "n_test",
    "accuracy", "accuracy_low", "accuracy_high",
    "balanced_accuracy", "balanced_accuracy_low", "balanced_accuracy_high",
    "difference", "difference_low", "difference_high",
]  # fmt: skip


def table(scores: dict[str, dict[Way, WayScores]], column: str, first: str) -> list[str]:
    """Return one score of all ways as a Markdown table."""
    lines = [
        f"| {first} | " + " | ".join(HEADINGS.values()) + " |",
        "|---" * (len(HEADINGS) + 1) + "|",
    ]
    for way, name in NAMES.items():
        if column == "difference" and way == REFERENCE:
            continue
        found: dict[str, str] = defaultdict(str)
        for labels, of_ways in scores.items():
            if way in of_ways:
                sign = "+" if column == "difference" else ""
                found[labels] = getattr(of_ways[way], column).cell(sign)
        lines.append(f"| {name} | " + " | ".join(found[labels] for labels in HEADINGS) + " |")
    return lines


def protocol(patches: ScenePatches, runs: list[Run]) -> list[str]:
    """Return how the numbers were made."""
    n_blocks = len(np.unique(np.concatenate([each.block for each in runs])))
    tested = sum(len(each.truth) for each in runs)
    steps = chosen_settings()["pretraining"]["epochs"]
    return [
        "",
        "## Protocol",
        "",
        f"* {len(patches.y)} patches of 9x9 pixels; the blocks, groups, draws of labels and "
        "encoders are those of [comparison.md](comparison.md): each of five repeats tests on "
        f"one group of blocks, group {DEVELOPMENT + 1} is never tested, no patch that trains "
        f"shares a pixel with a test patch (centres are more than {BUFFER} rows or columns apart), "
        f"and MoCo is pretrained anew in each repeat without labels, {steps} steps.",
        f"* {tested} patches in {n_blocks} blocks are tested, each once. Intervals: percentiles of "
        f"{N_BOOT} bootstrap draws of whole blocks. They hold what varies between parts of the "
        "scene, not what another draw of labels or other first weights would change.",
        "* Settings were fixed before the run. Whatever trains the encoder takes the steps and "
        "rates that the comparison's tuning chose on the development group for full fine-tuning "
        f"with 20 labels per class, with any number of labels: about {STEPS} steps (gradual "
        f"unfreezing over its five phases together), a rate of {LR:g} for the head and "
        f"{LR / LR_MULT:g} for the encoder, or falling from one to the other over its blocks. "
        "Fastai's recipe has as many steps and its own default rates. LP-FT, layer-wise rates and "
        "gradual unfreezing go on from the probe, which is that of the comparison. So full "
        "fine-tuning is the only one of them that was tuned.",
        "* Statistics of a band: mean, standard deviation, minimum, maximum over a patch. Random "
        "convolutions: 64 random filters of 3x3 pixels, both signs, means over a patch.",
    ]


def main() -> None:
    """Run all and write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    out, seed = arguments.out, arguments.seed
    out.mkdir(parents=True, exist_ok=True)
    started, processor = time.monotonic(), time.process_time()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    patches = scene_patches()
    with one_thread():
        runs = [run(patches, repeat, seed + repeat, say) for repeat in REPORTED]
    scores = pooled(runs, seed)
    with (out / "fine_tuning.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows_of(runs, scores))
    draw_chart(out / "fine_tuning.png", scores, NAMES, HEADINGS)
    seconds = time.monotonic() - started
    command = f"python docs/comparison/fine_tuning.py --out {out} --seed {seed}"
    accuracy = table(scores, "accuracy", "accuracy, with 95 % interval")
    text = [
        "# Which way of fine-tuning, on the Statlog scene?",
        "",
        *accuracy,
        "",
        f"Beside the {NAMES[REFERENCE]}, where the 95 % interval of the difference does not "
        "hold zero:",
        "",
        *verdicts(scores, NAMES, HEADINGS),
        "",
        *table(scores, "difference", f"accuracy minus that of the {NAMES[REFERENCE]}"),
        "",
        *table(scores, "balanced", "balanced accuracy, with 95 % interval"),
        "",
        "![Accuracy of each way with its interval](fine_tuning.png)",
        *protocol(patches, runs),
        *provenance(command, packages=PACKAGES, seed=seed, seconds=seconds, processes=1),
        f"* Processor time: {time.process_time() - processor:.0f} s",
        "* Every number: [fine_tuning.csv](fine_tuning.csv)",
        "",
    ]
    (out / "fine_tuning.md").write_text("\n".join(text), encoding="utf-8")
    print("\n".join(["", *accuracy, "", *verdicts(scores, NAMES, HEADINGS), ""]))
    say(f"fine_tuning.csv, .md and .png are written to {out}.")


if __name__ == "__main__":
    main()

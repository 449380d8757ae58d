"""What self-supervision is worth on blocks of the Statlog scene, with 5 and 20 labels per class.

Run from the repository root: ``python docs/few_labels/statlog.py --out docs/results``. It writes
``few_labels_statlog.csv``, ``.md`` and ``.png``. Two processes of one thread each; what is finished
is kept in ``build/few_labels``, so that a run that was stopped goes on.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from report import PROCESSES, command, pretraining

from edaphos_bridge import (
    FoundationFewLabelExperiment,
    foundation_encoder,
    foundation_few_label_experiment,
    foundation_moco_pretrain,
    foundation_rotation_pretrain,
    foundation_simclr_pretrain,
    foundation_swav_pretrain,
)

sys.path.append(str(Path(__file__).parents[1] / "comparison"))

from methods import chosen_settings
from scene import BUFFER, REPORTED, fold, scene_patches

LABELS, REPEATS, EPOCHS, BATCH = (5, 20), 10, 10, 4
VIEWS = ("channel_drop_prob", "brightness_jitter", "noise_sd", "crop_ratio")
WIDTH = 16  # of the XResNet-18's first block; 64 is usual


def methods(seed: int) -> dict[str, Any]:
    """Return the methods: MoCo as tune.py chose it, the others with what they share of that."""
    tuned = chosen_settings()["pretraining"]
    steps = {name: tuned[name] for name in ("epochs", "batch_size", "lr")}
    xresnet = foundation_encoder("xresnet18", in_channels=4, width=WIDTH, stem="small", seed=seed)
    return {
        "rotation": foundation_rotation_pretrain,
        "MoCo": partial(foundation_moco_pretrain, **tuned),
        "MoCo, XResNet-18": partial(foundation_moco_pretrain, encoder=xresnet, **tuned),
        "SimCLR": partial(foundation_simclr_pretrain, **steps),
        "SwAV": partial(foundation_swav_pretrain, **steps, **{name: tuned[name] for name in VIEWS}),
    }


def run(seed: int, folder: Path) -> FoundationFewLabelExperiment:
    """Compare the methods on the blocks that docs/comparison reports."""
    patches = scene_patches()
    folds = [fold(patches, group) for group in REPORTED]
    return foundation_few_label_experiment(
        methods(seed), patches.x, pd.Categorical.from_codes(patches.y, patches.classes), LABELS,
        per_class=True, repeats=REPEATS, folds=[(each.pretrain, each.test) for each in folds],
        standardise=True, epochs=EPOCHS, batch_size=BATCH, val_split=0.0, n_jobs=PROCESSES,
        checkpoint_dir=folder, seed=seed, verbose=True,
    )  # fmt: skip


PROTOCOL = """
* The patches, blocks and folds of [comparison.md](comparison.md): 9x9 pixels, five groups of blocks
  that are tested in turn, and a sixth, on which settings were chosen, that never is. No patch that
  trains, with its label or without, shares a pixel with a test patch: centres are more than
  {buffer} rows or columns apart. Bands are standardised by what trains.
* Each of the {repeats} repeats tests one of the groups, so that each is tested twice, with other
  labels and other random weights; the labels are the same for all methods. An encoder is pretrained
  once for each group, without labels, on all patches that may train. One pretraining took on
  average: {pretraining}.
* A pretrained encoder trains {epochs} epochs with all but the linear head frozen, then {epochs} as
  a whole with a fresh Adam (1e-3, batches of {batch}); the same layers from random weights train
  {epochs} epochs, half of that, or {twice}, which is the same budget. All learn from all labels
  that were drawn; nothing is held out.
* MoCo has what [tune.py](../comparison/tune.py) chose for it on the sixth group
  ([tuning.md](tuning.md)): {steps} steps of {pretrain_batch} patches, weak spectral views, small
  crops. The XResNet-18 (width {width}, small stem) takes the same, and SwAV, of one sensor, the
  same steps and views. SimCLR has the same steps and its own views, which cannot be set; rotation
  has its defaults, ten passes. None of these was tuned, nor was how encoders learn from labels:
  MoCo with its own encoder has the advantage.
* SwAV trains MoCo's encoder: what trains from scratch is the same for both. The XResNet-18 begins
  with the same random weights for each group.
* A probe is logistic regression on the features of the frozen encoder, C = 1 on standardised
  features, as on raw pixels, random convolutions and image statistics.
* Intervals: Student's t of the means of the five groups, which share training patches; they are not
  corrected for their number. Five parts of one scene of some twenty fields decide little."""


def protocol(found: FoundationFewLabelExperiment) -> str:
    """Return how the numbers were made, and what they depend on."""
    tuned = chosen_settings()["pretraining"]
    return PROTOCOL.format(
        buffer=BUFFER,
        repeats=REPEATS,
        pretraining=pretraining(found),
        epochs=EPOCHS,
        twice=2 * EPOCHS,
        batch=BATCH,
        steps=tuned["epochs"],
        pretrain_batch=tuned["batch_size"],
        width=WIDTH,
    )


if __name__ == "__main__":
    title = "What is self-supervision worth with few labels, on the Statlog scene?"
    command("statlog", title, run, protocol, __doc__)

"""What self-supervision is worth on scikit-learn's digits with 150 labels, 20 times.

Run from the repository root: ``python docs/few_labels/digits.py --out docs/results``. It writes
``few_labels_digits.csv``, ``.md`` and ``.png``. Two processes of one thread each; what is finished
is kept in ``build/few_labels``, so that a run that was stopped goes on.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from report import PROCESSES, command, pretraining
from sklearn.datasets import load_digits

from edaphos_bridge import (
    FoundationFewLabelExperiment,
    foundation_few_label_experiment,
    foundation_moco_pretrain,
    foundation_rotation_pretrain,
    foundation_simclr_pretrain,
    foundation_swav_pretrain,
)

LABELS, REPEATS = 150, 20
STEPS, BATCH, LR = 500, 64, 1e-3
# A digit that is flipped or turned is another one, or none; SimCLR's views have no such setting.
UPRIGHT = {"flip_prob": 0.0, "rot90_prob": 0.0, "channel_drop_prob": 0.0}
METHODS = {
    "rotation": foundation_rotation_pretrain,
    "rotation, one turn": partial(foundation_rotation_pretrain, mode="fixed"),
    "MoCo": partial(
        foundation_moco_pretrain, epochs=STEPS, batch_size=BATCH, lr=LR, momentum=0.99,
        queue_size=512, **UPRIGHT,
    ),
    "SimCLR": partial(foundation_simclr_pretrain, epochs=STEPS, batch_size=BATCH, lr=LR),
    "SwAV": partial(foundation_swav_pretrain, epochs=STEPS, batch_size=BATCH, lr=LR, **UPRIGHT),
}  # fmt: skip


def run(seed: int, folder: Path) -> FoundationFewLabelExperiment:
    """Compare the methods by the protocol of the course."""
    digits = load_digits()
    x = (digits.images / 16).astype(np.float32)[:, None]
    return foundation_few_label_experiment(
        METHODS, x, digits.target, LABELS, repeats=REPEATS, k=5, epochs=10, freeze_to=-2,
        batch_size=1, val_split=0.2, n_jobs=PROCESSES, checkpoint_dir=folder, seed=seed,
        verbose=True,
    )  # fmt: skip


PROTOCOL = """
* scikit-learn's digits: 1797 grey images of 8x8 pixels, ten classes. Five folds of single images;
  each of the {repeats} repeats tests one of them, so that each is tested four times. Images of
  one writer may be on both sides.
* In each repeat {labels} images that are not tested get their labels, at least one of each class,
  the same for all methods. An encoder is pretrained once for each fold, on all images outside it,
  without labels. One pretraining took on average: {pretraining}.
* The protocol is that of the course by Strassmann and Pawel (2020), which had MNIST: a pretrained
  encoder trains 10 epochs with all but its last block and the head frozen, then 10 epochs as a
  whole with a fresh Adam (1e-3, batches of 1); the same layers from random weights train 10
  epochs. So the pretrained one trains twice as long. The rows with 20 epochs from scratch have
  the same budget.
* What trains in epochs learns from {trained} of the labels, as in the course, which held out
  {held_out} and chose nothing by them; the logistic regressions, and so the probes, learn from
  all {labels}, with C = 1 on standardised features.
* Batches of 1 are none for BatchNorm, which MoCo's encoder has and those of rotation and SimCLR
  have not: it trains on the statistics of single images and is tested with running ones. SwAV
  trains MoCo's encoder: what trains from scratch is the same for both.
* MoCo, SimCLR and SwAV: {steps} steps of {batch} images. Views of MoCo and SwAV neither flip nor
  turn. SimCLR's are edaphos' own: they flip, and as they drop one band in five, a fifth of them is
  blank here. Nothing was tuned.
* Intervals: Student's t of the means of the five folds, which share training images; they are not
  corrected for their number."""


def protocol(found: FoundationFewLabelExperiment) -> str:
    """Return how the numbers were made, and what they depend on."""
    held_out = int(found.config["val_split"] * LABELS)
    return PROTOCOL.format(
        repeats=REPEATS,
        labels=LABELS,
        pretraining=pretraining(found),
        trained=LABELS - held_out,
        held_out=held_out,
        steps=STEPS,
        batch=BATCH,
    )


if __name__ == "__main__":
    title = f"What is self-supervision worth with {LABELS} labels, on digits?"
    command("digits", title, run, protocol, __doc__)

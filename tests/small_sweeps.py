"""Small sweeps, and patches on which they learn something."""

import numpy as np

from edaphos_bridge import foundation_probe_sweep

SMALL = {"lr": [0.01, 0.1], "weight_decay": [0.0, 0.01], "C": [1.0], "seeds": [3, 1], "epochs": 3}

MEASURED = ["train_loss", "val_loss", "val_accuracy"]


def sweep_of(encoder, x, y, **changes):
    return foundation_probe_sweep(encoder, x, y, **{**SMALL, **changes})


def bright_patches():
    """61 patches of three classes, each brighter in a channel of its own."""
    x = np.random.default_rng(1).normal(size=(61, 4, 5, 5))
    for row in range(61):
        x[row, row % 3] += 1
    return x


def bright_labels():
    return [["Oxisol", "Ultisol", "Inceptisol"][row % 3] for row in range(61)]

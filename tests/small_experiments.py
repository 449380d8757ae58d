"""Small experiments with few labels, and what their tests ask of them."""

from functools import partial

import numpy as np

from edaphos_bridge import foundation_few_label_experiment, foundation_simclr_pretrain

PRETRAIN = partial(foundation_simclr_pretrain, feature_dim=6, proj_dim=4, epochs=2)
FOLDS = np.random.default_rng(8).permutation(60) % 2


def quick(methods, x, y, labels=9, **arguments):
    settings = {"folds": FOLDS, "repeats": 2, "epochs": 1, "batch_size": 4, "seed": 1, **arguments}
    if any(name in arguments for name in ("k", "groups", "blocks", "test")):
        del settings["folds"]
    return foundation_few_label_experiment(methods, x, y, labels, **settings)


def same(one, other):
    """Whether two experiments have equal numbers, to the bit, but for the time that they took."""
    return (
        one.table.drop(columns="seconds").equals(other.table.drop(columns="seconds"))
        and one.pretraining.drop(columns="seconds").equals(
            other.pretraining.drop(columns="seconds")
        )
        and one.pairs == other.pairs
        and one.config == other.config
    )

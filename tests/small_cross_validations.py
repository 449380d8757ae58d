"""Small cross-validations, and what their tests ask of them."""

import numpy as np

from edaphos_bridge import foundation_cross_validate

FOLDS = np.random.default_rng(8).permutation(60) % 3
VERB = "foundation_fit_classifier"


def quick(encoder, x, y, **arguments):
    settings = {"folds": FOLDS, "seed": 1, "epochs": 2, **arguments}
    if any(name in arguments for name in ("k", "groups", "blocks")):
        del settings["folds"]
    return foundation_cross_validate(settings.pop("fit", VERB), encoder, x, y, **settings)


def same(one, other):
    """Whether two cross-validations have equal numbers, to the bit."""
    return (
        one.table.equals(other.table)
        and one.predictions.equals(other.predictions)
        and one.config == other.config
    )


def same_numbers(one, other):
    return one.table.equals(other.table) and one.predictions.equals(other.predictions)

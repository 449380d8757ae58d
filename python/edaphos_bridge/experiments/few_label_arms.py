"""The ways of learning from few labels that `foundation_few_label_experiment()` compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.counted import counted
from edaphos_bridge.classifier import fit_classifier
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.embeddings import features_of
from edaphos_bridge.encoders.digest import layers_of
from edaphos_bridge.encoders.untrained import untrained_like
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.few_labels import Arm
from edaphos_bridge.experiments.folds import numbers_from
from edaphos_bridge.interpretation.baselines import baseline_values, learnt_values
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.phase import Phase
from edaphos_bridge.training.settings import RecipeSettings

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]
Values = NDArray[np.float64]

BASELINES = {
    "raw pixels": "pixels",
    "random convolutions": "random_convolutions",
    "image statistics": "band_statistics",
}
"""Names in the table, and in `baseline_values`."""


def arms_of(
    encoders: Mapping[str, nn.Module],
    epochs: int,
    scratch_epochs: Sequence[int],
    freeze_to: int,
    lr: Any,
    **settings: Any,
) -> tuple[list[Arm], list[tuple[str, str]]]:
    """Return all arms, and which are compared: the first minus the second.

    Parameters
    ----------
    encoders : mapping of str to torch.nn.Module
        One of each method. Methods whose encoders have the same layers share the arms from
        scratch.
    settings : ``batch_size``, ``val_split`` and ``device``

    Raises
    ------
    InputError
        If two arms would have one name, or an encoder has weights that cannot be drawn anew.
    """
    whole = Phase(epochs, lr)
    phases = [Phase(epochs, lr, freeze_to=freeze_to), whole]
    arms, pairs = [], []
    first_with: dict[str, str] = {}
    for name, encoder in encoders.items():
        first_with.setdefault(layers_of(encoder), name)
    for name, encoder in encoders.items():
        probe = _probe(name)
        arms.append(Arm(name, name, partial(fine_tuned, phases=phases, **settings)))
        arms.append(Arm(probe, name, probed))
        twin = first_with[layers_of(encoder)]
        pairs += [(name, _scratch(twin, first_with, each)) for each in scratch_epochs]
        pairs += [(one, "raw pixels") for one in (name, probe)]
        pairs.append((probe, "random convolutions"))
    for name in first_with.values() if scratch_epochs else ():
        untrained_like(encoders[name], 0)  # can it be drawn?
        for each in scratch_epochs:
            learn = partial(from_scratch, phases=[Phase(each, lr)], **settings)
            arms.append(Arm(_scratch(name, first_with, each), name, learn))
    arms += [Arm(name, None, partial(baseline, name=own)) for name, own in BASELINES.items()]
    _require_distinct([arm.name for arm in arms])
    return arms, pairs


def check_methods(
    names: Sequence[str], known: Mapping[str, nn.Module], x: Floats, **settings: Any
) -> None:
    """Raise `InputError` for what `arms_of` or an arm would refuse, before anything is pretrained.

    `names` are those of all methods, `known` has the encoders among them, and `x` is a patch.
    """
    _require_distinct([*names, *map(_probe, names), *BASELINES])
    arms_of(known, **settings)
    for encoder in known.values():
        features_of(encoder, Patches(x))


def _require_distinct(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            "methods",
            "has a name that another row of the table has",
            found=twice[0],
            hint="Give another name.",
        )


def _probe(method: str) -> str:
    return f"{method}, probe"


def _scratch(method: str, first_with: Mapping[str, str], epochs: int) -> str:
    of = "" if len(first_with) == 1 else f" ({method})"
    return f"from scratch{of}, {counted(epochs, 'epoch')}"


# --- how each learns --------------------------------------------------------------------------


def fine_tuned(
    encoder: nn.Module, x: Floats, y: Codes, test: Floats, *, labels: float, seed: int,
    phases: Sequence[Phase], batch_size: int, val_split: float, device: str,
) -> Values:  # fmt: skip
    """Train a linear head and an encoder by phases, each with an Adam of its own."""
    settings = RecipeSettings.checked(
        recipe="phases",
        phases=phases,
        head="linear",
        batch_size=batch_size,
        val_split=0.0,
        seed=seed,
    )
    rows = held_out(y, val_split, seed)
    parting = {"validation": rows} if len(rows) else None
    fit = fit_classifier(encoder, Patches(x), y, settings, device, Events(), parting=parting)
    return fit.predict_proba(test)


def held_out(y: Codes, share: float, seed: int) -> NDArray[np.int64]:
    """Draw a share of rows that do not train; of each class one always trains."""
    order = numbers_from(seed).permutation(len(y))
    first = np.unique(y[order], return_index=True)[1]
    return np.delete(order, first)[: int(share * len(y))]


def from_scratch(encoder: nn.Module, *data: Any, seed: int, **settings: Any) -> Values:
    """Train an encoder of the same layers from random weights."""
    return fine_tuned(untrained_like(encoder, seed), *data, seed=seed, **settings)


def probed(
    encoder: nn.Module, x: Floats, y: Codes, test: Floats, *, labels: float, seed: int
) -> Values:
    """Learn by logistic regression from the features of a frozen encoder."""
    known, asked = (torch.from_numpy(features_of(encoder, each)).double() for each in (x, test))
    return learnt_values(known, y, asked, int(y.max()) + 1)


def baseline(
    encoder: None, x: Floats, y: Codes, test: Floats, *, labels: float, seed: int, name: str
) -> Values:
    """Learn by logistic regression from features that no encoder makes."""
    n_classes = int(y.max()) + 1
    return baseline_values(Patches(x), y, Patches(test), n_classes, seed, [name])[name]

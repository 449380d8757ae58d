"""A few-label experiment from its arguments to its result, whoever asks for it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from edaphos_bridge.basics.arguments import seed_number, whole
from edaphos_bridge.basics.counted import counted
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.carried import require_crossing
from edaphos_bridge.experiments.few_label_arms import arms_of, check_methods
from edaphos_bridge.experiments.few_label_data import Data
from edaphos_bridge.experiments.few_label_result import FoundationFewLabelExperiment
from edaphos_bridge.experiments.few_label_settings import FewLabelSettings
from edaphos_bridge.experiments.few_labels import (
    Design,
    keys_of,
    pretrained,
    results,
    shared,
)
from edaphos_bridge.experiments.kept_experiment import KeptExperiment, identity_of
from edaphos_bridge.pretrain.settings import SETTINGS, PretrainSettings


@dataclass(frozen=True)
class PartReport:
    """What is finished: a line, and how many of how many are, in this stage."""

    line: str
    done: int
    total: int
    status: str


def few_label_experiment(
    methods: Any,
    x: Any,
    y: Any,
    test: Any,
    settings: Mapping[str, Any],
    parting: Mapping[str, Any],
    *,
    n_jobs: Any,
    checkpoint_dir: Any,
    seed: Any,
    tell: Callable[[PartReport], None],
    draw: Callable[[], int] = draw_seed,
    first: int = 0,
) -> FoundationFewLabelExperiment:
    """Do what `foundation_few_label_experiment` does: what all entrances have in common.

    Parameters
    ----------
    parting : mapping
        ``folds``, ``groups``, ``blocks``, ``block_size``, ``buffer`` and ``k``.
    first : int
        The name of the first fold of a list, or of those that are drawn.
    """
    known, functions = _methods(methods)
    checked = FewLabelSettings.checked(**settings)
    processes = whole("n_jobs", n_jobs)
    used = None if seed is None else seed_number(seed)
    if processes > 1:
        for encoder in known.values():
            require_crossing(encoder, {})
    data = Data.of(x, y, test, parting, first)
    check_methods(list(methods), known, data.x[:1], **checked.of_arms())
    with KeptExperiment.opened("checkpoint_dir", checkpoint_dir) as kept:
        if used is None:
            used = kept.seed()
        used = draw() if used is None else used
        seed_number(used + checked.repeats)  # so has each repeat one
        design = Design.of(
            data.x,
            data.folds(used),
            checked.standardise,
            codes=data.codes,
            labels=checked.labels,
            per_class=checked.per_class,
            repeats=checked.repeats,
            seed=used,
        )
        if checkpoint_dir is not None:
            kept.load(identity_of(methods, checked.config(), design, data.x, data.classes))
        places = range(len(design.folds))
        wanted = [(name, place) for name in functions for place in places]
        with shared(data.x, processes) as source:
            for place, found in pretrained(
                design,
                source,
                functions,
                [place for place in wanted if place not in kept.encoders],
                processes,
            ):
                kept.save_encoder(wanted.index(place), place, found)
                kept.encoders[place] = found
                tell(_of_pretraining(place, design, found, len(kept.encoders), len(wanted)))
            encoders = {(name, place): known[name] for name in known for place in places}
            encoders |= {place: kept.encoders[place].encoder for place in wanted}
            in_order = {name: encoders[name, 0] for name in methods}
            arms, pairs = arms_of(in_order, **checked.of_arms())
            keys = keys_of(design, arms)
            rows = {key: kept.rows[key] for key in keys if key in kept.rows}
            rest = [key for key in keys if key not in rows]
            for key, row in results(design, source, arms, encoders, rest, processes):
                kept.save_row(len(wanted) + keys.index(key), row)
                rows[key] = row
                tell(_of_fit(row, len(rows), len(keys)))
    pretraining = [
        {"method": name, "fold": design.folds[place].name, "seconds": each.seconds}
        for (name, place), each in ((key, kept.encoders[key]) for key in wanted)
    ]
    return FoundationFewLabelExperiment(
        table=pd.DataFrame([rows[key] for key in keys]),
        pretraining=pd.DataFrame(pretraining, columns=["method", "fold", "seconds"]),
        pairs=pairs,
        config={**checked.config(), "by": data.by, "seed": used},
    )


def _methods(methods: Any) -> tuple[dict[str, Any], dict[str, Callable[..., Any]]]:
    """Return encoders and functions by name, or raise `InputError`."""
    if not isinstance(methods, Mapping) or not methods:
        raise InputError(
            "methods",
            "must be encoders, fits or pretraining functions by name",
            found=type(methods).__name__ if not isinstance(methods, Mapping) else {},
        )
    known, functions = {}, {}
    for name, method in methods.items():
        if not isinstance(name, str) or not name.strip():
            raise InputError("methods", "must have names that are text", found=name)
        if (
            callable(method)
            and not hasattr(method, "encoder")
            and not isinstance(method, nn.Module)
        ):
            _check_function(name, method)
            functions[name] = method
        else:
            known[name] = as_module(method, "methods")
    return known, functions


def _check_function(name: str, function: Callable[..., Any]) -> None:
    """Raise `InputError` unless patches and a seed can be given, and settings of ours are good.

    Otherwise that would show only when those before it have been pretrained.
    """
    ours, keywords, first = function, {}, ()
    if isinstance(function, functools.partial):
        ours, keywords, first = function.func, function.keywords, function.args
    for given in ("seed", "checkpoint_dir"):
        if given in keywords:
            raise InputError(
                "methods",
                f"has a `{given}` of {name!r}, which is not its own",
                hint="The experiment has one for all methods.",
            )
    try:
        call = inspect.signature(ours).bind(*first, None, **{**keywords, "seed": 0})
    except ValueError:  # of some compiled functions
        return
    except TypeError as error:
        raise InputError(
            "methods",
            f"must be functions that patches and `seed` can be given to; {name!r} cannot be called "
            f"so ({error})",
        ) from error
    call.apply_defaults()
    settings = _settings_of().get(ours)
    if settings is None:
        return
    try:
        settings.checked(**call.arguments)
    except InputError as error:
        raise InputError(
            "methods",
            f"cannot pretrain {name!r}: its `{error.argument}` {error.problem}",
            found=error.found,
            hint=error.hint,
        ) from error


def _settings_of() -> dict[Any, type[PretrainSettings]]:
    """Return the settings of each function of ours that pretrains on patches."""
    package = imported("edaphos_bridge")
    return {
        getattr(package, f"foundation_{name}_pretrain"): each for name, each in SETTINGS.items()
    }


def _of_pretraining(
    place: tuple[str, int], design: Design, found: Any, done: int, total: int
) -> PartReport:
    fold, seconds = design.folds[place[1]].name, f"{found.seconds:.1f} s"
    line = f"[few labels] {place[0]} pretrained beside fold {fold} ({done}/{total})  {seconds}"
    return PartReport(line, done, total, f"{place[0]} pretrained")


def _of_fit(row: Mapping[str, Any], done: int, total: int) -> PartReport:
    labels = "all labels" if np.isinf(row["labels"]) else counted(int(row["labels"]), "label")
    status = f"accuracy={row['accuracy']:.3f}"
    line = (
        f"[few labels] {row['method']}, {labels}, repeat {row['repeat']} ({done}/{total})  {status}"
    )
    return PartReport(line, done, total, status)

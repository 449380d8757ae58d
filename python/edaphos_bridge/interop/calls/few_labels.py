"""The call that compares methods on few labels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.experiments.few_label_result import FoundationFewLabelExperiment
from edaphos_bridge.experiments.few_label_run import few_label_experiment
from edaphos_bridge.interop.answers import Interrupted
from edaphos_bridge.interop.calls.held import encoder_behind, labels_of, patches
from edaphos_bridge.interop.calls.progress import PartsToldToR
from edaphos_bridge.interop.calls.splits import parting_of


@plain
def few_labels(
    methods: dict[str, dict[str, Any]],
    x: Any,
    y: dict[str, Any],
    test: dict[str, Any] | None,
    settings: dict[str, Any],
    split: dict[str, Any],
    run: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_part: Callable[..., Any],
    pretrain: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_few_label_experiment()``: its tables as plain values.

    Each of `methods` has ``encoder``; or ``verb``, a function of the package, and its
    ``settings``; or ``own``, the number of a function of R's. ``pretrain(number, patches, seed)``
    calls that one and gives its encoder, or False where R wants to stop. `y` and that of `test`
    are what `labels_of` takes; `split` is what `parting_of` takes, with ``k``; `run` has
    ``n_jobs``, ``checkpoint_dir`` and ``seed``.
    """
    flag("verbose", verbose)
    k = split.pop("k")
    parting = parting_of(split)
    held_out = None
    if test is not None:
        held_out = patches(test["x"], argument="test"), labels_of(**test["y"])
    found = few_label_experiment(
        {name: _method(each, pretrain) for name, each in methods.items()},
        patches(x),
        labels_of(**y),
        held_out,
        settings,
        {**parting, "k": k},
        **run,
        tell=PartsToldToR(on_part),
        draw=draw,
        first=parting["first"],
    )
    return few_label_fields(found)


def _method(given: Mapping[str, Any], pretrain: Callable[..., Any]) -> Any:
    if "own" in given:
        return functools.partial(_of_r, pretrain, given["own"])
    if "verb" in given:
        verb = getattr(imported("edaphos_bridge"), given["verb"])
        return functools.partial(verb, **given["settings"]) if given["settings"] else verb
    return encoder_behind(given["encoder"])


def _of_r(pretrain: Callable[..., Any], number: int, x: Any, *, seed: int) -> Any:
    encoder = pretrain(number, x, float(seed))
    if encoder is False:
        raise Interrupted
    return encoder_behind(encoder)


def few_label_fields(found: FoundationFewLabelExperiment) -> dict[str, Any]:
    """Return the elements of the R object, tables as lists of columns."""
    tables = {
        "table": found.table,
        "summary": found.summary(),
        "differences": found.differences(),
        "pretraining": found.pretraining,
    }
    return {
        **{name: table.to_dict("list") for name, table in tables.items()},
        "config": {**found.config, "seed": float(found.config["seed"])},
        "printed": found.describe(),
    }

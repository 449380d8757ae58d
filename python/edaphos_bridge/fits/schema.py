"""What the metadata of a fit's file must be."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from edaphos_bridge.data.splits import WAYS
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.files.schema import (
    RECORD,
    check,
    check_encoder,
    is_count,
    is_flag,
    is_number,
    is_table,
    is_whole,
    list_of,
    one_of,
    require,
    settings_of,
)
from edaphos_bridge.heads.decoders import DECODERS, FROM_SCRATCH
from edaphos_bridge.heads.registry import CUSTOM, HEADS
from edaphos_bridge.tasks.task import Task
from edaphos_bridge.training.settings import FitSettings, RecipeSettings

_READ_FEATURES = ("linear", "mlp")
"""Heads whose width is that of the encoder's features, which its maps need not have."""


def check_fit(metadata: Any, tasks: Mapping[str, type[Task]]) -> dict[str, Any]:
    """Return the values of a fit, its task, and ``encoder``, the description of its encoder.

    Raises
    ------
    WeightsError
        If a value is missing, is of another type or range, or does not fit the others.
    """
    described = check(metadata, {"task": is_table})["task"]
    name = described.get("name")
    if not isinstance(name, str) or name not in tasks:
        wanted = " or ".join(map(repr, tasks))
        raise WeightsError(f"This file holds a fit of {str(name)[:40]!r}, not {wanted}.")
    task_class = tasks[name]
    heads = (*DECODERS, FROM_SCRATCH) if task_class.has_masks else HEADS
    found = check(
        metadata,
        {
            **RECORD,
            "score_history": list_of(partial(_is_score, task_class)),
            "feature_dim": is_whole,
            "head_type": one_of(*heads, CUSTOM),
            "freeze_backbone": is_flag,
        },
    )
    overlapping = metadata.get("overlapping")  # as old files have none
    require(overlapping is None or is_count(overlapping), "'overlapping' is no whole number")
    config, task = found["config"], task_class.from_description(described)
    of_task = task.settings()
    require(
        all(name in config and config[name] == value for name, value in of_task.items()),
        "its settings are not those of its task",
    )
    of_fit = {name: value for name, value in config.items() if name not in of_task}
    _check_config(of_fit, found["freeze_backbone"])
    named = config["decoder" if task_class.has_masks else "head"]
    require(named == found["head_type"], "its two types of the head differ")
    require(
        config["epochs"] == len(found["loss_history"]) == len(found["score_history"]),
        "it has not one loss and one score for each epoch",
    )
    widths = {"in_channels": found["in_channels"]}
    if not task_class.has_masks and named in _READ_FEATURES:  # others may read maps
        widths["feature_dim"] = found["feature_dim"]
    encoder = check_encoder(metadata.get("encoder"), **widths)
    return {**found, "task": task, "overlapping": overlapping, "encoder": encoder}


def _check_config(config: dict[str, Any], freeze_backbone: bool) -> None:
    config = dict(config)
    if "split" in config:  # only where rows were not drawn one by one
        _check_split(config.pop("split"))
    temperature = config.pop("temperature", 1.0)  # of a fit that was calibrated
    require(is_number(temperature) and temperature > 0, "'temperature' is no positive number")
    if config.get("solver") == "lbfgs":
        shares = dict.fromkeys(("dropout", "val_split"), _is_share)
        check(
            config,
            {
                "C": lambda value: is_number(value) and value > 0,
                "epochs": is_whole,
                "head": one_of("linear"),
                "hidden": list_of(is_whole),
                **shares,
            },
        )
    elif "recipe" in config:
        settings_of(RecipeSettings.checked, config)
    else:
        settings_of(FitSettings.checked, config, freeze_backbone=freeze_backbone)
    require(type(config.get("seed")) is int, "there is no seed")


def _check_split(split: Any) -> None:
    check(
        split,
        {
            "by": one_of(*WAYS),
            "n_train": is_whole,
            "n_validation": is_count,
            "n_left_out": is_count,
        },
    )


def _is_score(task_class: type[Task], value: Any) -> bool:
    lowest, highest = task_class.score_range
    return value is None or (is_number(value) and lowest <= value <= highest)


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value < 1

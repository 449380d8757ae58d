"""What the metadata of a classifier's file must be."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.files.schema import (
    check,
    check_encoder,
    check_widths,
    is_device,
    is_flag,
    is_number,
    is_patch_size,
    is_table,
    is_whole,
    list_of,
    one_of,
    require,
    settings_of,
)
from edaphos_bridge.training.settings import FitSettings


def check_classifier(metadata: Any) -> dict[str, Any]:
    """Return the plain values of a classifier, and ``encoder``, the description of its encoder.

    Raises
    ------
    WeightsError
        If a value is missing, is of another type or range, or does not fit the others.
    """
    found = check(
        metadata,
        {
            "classes": _are_classes,
            "loss_history": list_of(is_number),
            "val_accuracy_history": list_of(_is_accuracy),
            "config": is_table,
            "feature_dim": is_whole,
            "head_type": one_of("linear", "mlp"),
            "freeze_backbone": is_flag,
            "device": is_device,
            "in_channels": is_whole,
            "patch_size": is_patch_size,
        },
    )
    counts = metadata.get("class_counts")  # the first files have none
    require(
        counts is None or (list_of(_is_count)(counts) and len(counts) == len(found["classes"])),
        "'class_counts' has no whole number for each class",
    )
    ordered = metadata.get("ordered", False)  # as old
    require(is_flag(ordered), "'ordered' is neither true nor false")
    overlapping = metadata.get("overlapping")
    require(overlapping is None or _is_count(overlapping), "'overlapping' is no whole number")
    config = found["config"]
    _check_config(config, found["freeze_backbone"])
    require(config["head"] == found["head_type"], "its two types of the head differ")
    require(
        config["epochs"] == len(found["loss_history"]) == len(found["val_accuracy_history"]),
        "it has not one loss and one accuracy for each epoch",
    )
    encoder = check_encoder(metadata.get("encoder"))
    check_widths(encoder, found["in_channels"], found["feature_dim"])
    later = {"class_counts": counts, "ordered": ordered, "overlapping": overlapping}
    return {**found, **later, "encoder": encoder}


def _check_config(config: dict[str, Any], freeze_backbone: bool) -> None:
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
    else:
        settings_of(FitSettings.checked, config, freeze_backbone=freeze_backbone)
    require(type(config.get("seed")) is int, "there is no seed")


def _are_classes(value: Any) -> bool:
    if not isinstance(value, list) or len(value) < 2:
        return False
    kinds = {type(label) for label in value}
    return len(kinds) == 1 and kinds <= {str, int, bool} and len(set(value)) == len(value)


def _is_accuracy(value: Any) -> bool:
    return value is None or (is_number(value) and 0 <= value <= 1)


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value < 1


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31

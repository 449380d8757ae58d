"""What the metadata of a pretraining fit's file must be."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.encoders.foundation import ARCHITECTURES
from edaphos_bridge.files.schema import (
    RECORD,
    check,
    check_encoder,
    is_number,
    is_share,
    is_text,
    is_whole,
    list_of,
    one_of,
    require,
    settings_of,
)
from edaphos_bridge.pretrain.encoder import GIVEN
from edaphos_bridge.pretrain.settings import SETTINGS


def check_pretraining(metadata: Any) -> dict[str, Any]:
    """Return the plain values of a fit, and ``encoder``, the description of its encoder.

    Raises `WeightsError` if a value is missing, is of another type or range, or does not fit the
    others.
    """
    found = check(metadata, {**RECORD, "method": one_of(*SETTINGS)})
    settings = settings_of(SETTINGS[found["method"]].checked, found["config"])
    require(settings.seed is not None, "there is no seed")
    require(settings.steps_per_epoch is not None, "there is no number of steps")
    require(len(found["loss_history"]) == settings.epochs, "it has not one loss for each epoch")
    accuracies = metadata.get("val_accuracy_history")
    if getattr(settings, "val_split", 0) == 0:
        require(accuracies is None, "no patch was held out, and yet it has accuracies")
    else:
        known = list_of(is_share)(accuracies) and len(accuracies) == settings.epochs
        require(known, "it has not one accuracy for each epoch")
    history = metadata.get("probe_history")
    if history is not None:
        _check_probe(history, found["config"].get("probe"), settings.epochs)
    encoder = check_encoder(
        metadata.get("encoder"),
        in_channels=found["in_channels"],
        patch_size=found["patch_size"][0],
        **settings.widths,
    )
    begun = found["config"].get("encoder", settings.architecture)
    require(one_of(*ARCHITECTURES, GIVEN)(begun), f"'encoder' is {repr(begun)[:60]}")
    require(begun in (GIVEN, encoder["architecture"]), "the encoder is another than it began with")
    histories = {"val_accuracy_history": accuracies, "probe_history": history}
    return {**found, **histories, "encoder": encoder}


def _check_probe(history: Any, probe: Any, epochs: int) -> None:
    checks = {"name": is_text, "score": is_text, "every": is_whole, "patience": is_patience}
    every = check(probe, checks)["every"]
    found = check(history, {"epoch": list_of(is_whole), "score": list_of(is_number)})
    looked = list(range(every, epochs + 1, every))
    require(found["epoch"] == looked, "the probe looked at other epochs")
    require(len(found["score"]) == len(looked), "it has not one score for each look of the probe")


def is_patience(value: Any) -> bool:
    """Return whether a value is the patience of a probe."""
    return value is None or is_whole(value)

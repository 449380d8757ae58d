"""What the metadata of a pretraining fit's file must be."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.files.schema import (
    RECORD,
    check,
    check_encoder,
    is_number,
    list_of,
    one_of,
    require,
    settings_of,
)
from edaphos_bridge.pretrain.settings import SETTINGS


def check_pretraining(metadata: Any) -> dict[str, Any]:
    """Return the plain values of a fit, and ``encoder``, the description of its encoder.

    Raises `WeightsError` if a value is missing, is of another type or range, or does not fit the
    others.
    """
    found = check(metadata, {**RECORD, "method": one_of(*SETTINGS)})
    settings = settings_of(SETTINGS[found["method"]].checked, found["config"])
    require(settings.seed is not None, "there is no seed")
    require(len(found["loss_history"]) == settings.epochs, "it has not one loss for each epoch")
    encoder = check_encoder(
        metadata.get("encoder"),
        in_channels=found["in_channels"],
        feature_dim=settings.feature_dim,
        proj_dim=settings.proj_dim,
    )
    of_method = encoder.get("body", encoder)["architecture"] == settings.architecture
    require(of_method, "the encoder is of another method")
    if settings.method == "swav":
        found |= check(metadata, {"entropy_history": list_of(is_number)})
        require(len(found["entropy_history"]) == settings.epochs, "it has not one entropy an epoch")
    return {**found, "encoder": encoder}

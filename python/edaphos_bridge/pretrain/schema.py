"""What the metadata of a pretraining fit's file must be."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.files.schema import (
    check,
    check_encoder,
    check_widths,
    is_device,
    is_number,
    is_patch_size,
    is_table,
    is_whole,
    list_of,
    one_of,
    require,
    settings_of,
)
from edaphos_bridge.pretrain.settings import SETTINGS


def check_pretraining(metadata: Any) -> dict[str, Any]:
    """Return the plain values of a fit, and ``encoder``, the description of its encoder.

    Raises
    ------
    WeightsError
        If a value is missing, is of another type or range, or does not fit the others.
    """
    found = check(
        metadata,
        {
            "loss_history": list_of(is_number),
            "config": is_table,
            "method": one_of(*SETTINGS),
            "device": is_device,
            "in_channels": is_whole,
            "patch_size": is_patch_size,
        },
    )
    config = found["config"]
    settings = settings_of(SETTINGS[found["method"]].checked, config)
    require(settings.seed is not None, "there is no seed")
    require(len(found["loss_history"]) == settings.epochs, "it has not one loss for each epoch")
    encoder = check_encoder(metadata.get("encoder"))
    require(encoder["architecture"] == found["method"], "the encoder is of another method")
    check_widths(encoder, found["in_channels"], settings.feature_dim)
    require(encoder["proj_dim"] == settings.proj_dim, "two values of 'proj_dim' differ")
    return {**found, "encoder": encoder}

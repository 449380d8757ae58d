"""The elements of the R object of any fit of encoder and head."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.heads.registry import CUSTOM
from edaphos_bridge.interop.calls.encoders import encoder_fields, normalisation_fields


def fit_fields(fitted: FoundationFit, **of_task: Any) -> dict[str, Any]:
    """Return the elements of the R object; `of_task` are those that only its task has."""
    encoder = encoder_fields(fitted.encoder)
    return {
        "encoder": encoder,
        "module": fitted.encoder if encoder is None else None,
        "head_module": fitted.head if fitted.head_type == CUSTOM else None,
        "head": {
            name: tensor.cpu().double().numpy() for name, tensor in fitted.head.state_dict().items()
        },
        **of_task,
        "loss_history": fitted.loss_history,
        # as a double: reticulate would turn a whole number beyond R's integers into 0
        "config": {**fitted.config, "seed": float(fitted.config["seed"])},
        "feature_dim": fitted.feature_dim,
        "head_type": fitted.head_type,
        "freeze_backbone": fitted.freeze_backbone,
        "device": fitted.device,
        "in_channels": fitted.in_channels,
        "patch_size": fitted.patch_size,
        "overlapping": fitted.overlapping,
        "normalisation": normalisation_fields(fitted.normalisation),
        "state": bytearray(fitted.to_bytes()),
        "printed": fitted.describe(),
    }

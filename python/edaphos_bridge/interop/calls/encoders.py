"""Calls that make, change and run encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import as_orientation
from edaphos_bridge.embeddings import embed as embed_patches
from edaphos_bridge.encoders import foundation
from edaphos_bridge.encoders.copying import own_copy
from edaphos_bridge.errors import InputError
from edaphos_bridge.interop.calls.held import (
    encoder_behind,
    missing_value,
    patches_behind,
    tiles_behind,
)
from edaphos_bridge.weights.encoder_file import encoder_to_bytes


@plain
def make_encoder(*given: Any) -> dict[str, Any] | None:
    """``foundation_encoder()``: the encoder as plain values, of its arguments and what draws."""
    return encoder_fields(foundation.make_encoder(*given))


def encoder_fields(module: torch.nn.Module) -> dict[str, Any] | None:
    """Return the elements of the R object, or None for a module of the user's own."""
    description = foundation.describe_encoder(module)
    if description["architecture"] == "custom":
        return None
    widths = {"feature_dim": module.feature_dim}  # which not all describe
    return {**description, **widths, "state": bytearray(encoder_to_bytes(module))}


def normalisation_fields(normalisation: Normalisation | None) -> dict[str, Any] | None:
    """Return the element ``normalisation`` of an R object, None for NULL."""
    return None if normalisation is None else normalisation.to_dict()


@plain
def encoder_with(encoder: Any, name: Any, value: Any) -> dict[str, Any] | None:
    """``encoder$normalisation <-`` and ``encoder$patch_orientation <-``: the encoder anew.

    A normalisation is a dict of its fields, or the bytes of a tile data set that has one.
    """
    module = own_copy(encoder_behind(encoder))
    if name == "patch_orientation":
        module.patch_orientation = as_orientation(value)  # type: ignore[assignment]
    else:
        module.normalisation = _normalisation_from(value)  # type: ignore[assignment]
        foundation.check_bands(module)
    return encoder_fields(module)


def _normalisation_from(value: Any) -> Normalisation | None:
    if isinstance(value, bytes | bytearray):
        return tiles_behind(value).normalisation
    try:
        if value is None:
            return None
        return Normalisation.from_dict(
            {**value, "patch_size": whole("patch_size", value["patch_size"])}
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            "normalisation",
            "must have bands, means, sds, normalise and patch_size, as that of a tile dataset",
            found=value if not isinstance(value, dict) else list(value.values()),
            hint="A dataset from foundation_tile_dataset() may be assigned too.",
        ) from error


@plain
def embed(architecture: str, encoder: Any, x: Any, projection: Any) -> NDArray[np.float64]:
    """``foundation_moco_embed()`` and ``foundation_simclr_embed()``: an N x D matrix."""
    module = encoder_behind(encoder)
    embedded = embed_patches(
        architecture, module, patches_behind(x), projection, missing_value=missing_value(x)
    )
    return embedded.astype(np.float64)

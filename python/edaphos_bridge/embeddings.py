"""Embeddings of patches: features of any encoder, or projections of a MoCo or SimCLR one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.contrastive import ContrastiveEncoder
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.encoders.features import (
    batch_size_for,
    check_channels,
    check_features,
    encode_features,
    find_feature_dim,
    over_batches,
)
from edaphos_bridge.encoders.foundation import ARCHITECTURES
from edaphos_bridge.errors import InputError


@plain
def foundation_embed(object: Any, x: Any) -> NDArray[np.float32]:
    """Return the features of patches under any encoder, or under that of a fit.

    Parameters
    ----------
    object : torch.nn.Module, or a fit that holds one
        The encoder, as in `foundation_fit_classifier`. It runs in eval mode and is not changed.
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        The patches, without missing values; N may be 0.

    Returns
    -------
    numpy.ndarray, shape (N, D), float32
        One row a patch: the features before any projection.

    Raises
    ------
    InputError
        If `object` holds no encoder, or `x` does not fit it or has missing values.

    Examples
    --------
    >>> import edaphos_bridge
    >>> encoder = edaphos_bridge.foundation_encoder("moco", in_channels=4, seed=1)
    >>> foundation_embed(encoder, np.zeros((3, 4, 9, 9))).shape
    (3, 64)
    """
    return features_of(object, x)


def features_of(object: Any, x: Any) -> NDArray[np.float32]:
    """Do what `foundation_embed` does; `x` may be patches that are checked already."""
    module = own_copy(as_module(getattr(object, "classifier", object), "object")).eval()
    checked = x if isinstance(x, Patches) else Patches(x, allow_empty=True)
    argument = checked.argument
    channels = getattr(object, "in_channels", getattr(module, "in_channels", None))
    check_channels(channels if isinstance(channels, int) else None, checked.channels, argument)
    checked.read_for(module, training=False)
    device = device_of(module)
    one = checked.read(0, 1) if len(checked) else torch.zeros(1, *checked.shape[1:])
    embedded = np.empty((len(checked), find_feature_dim(module, one.to(device))), dtype=np.float32)
    batches = checked.numbered_batches(batch_size_for(checked.shape, device.type, module))
    over_batches(
        lambda batch: encode_features(module, batch), batches, torch.from_numpy(embedded), device
    )
    check_features(embedded, [("object", module)], argument)
    return embedded


@plain
def foundation_moco_embed(
    object: Any, patches: ArrayLike, projection: bool = False
) -> NDArray[np.float32]:
    """Return the embeddings of patches under a MoCo encoder.

    Parameters
    ----------
    object : MoCoEncoder, or a fit that holds one
        The encoder. It runs in eval mode and is not changed.
    patches : array-like, tile data set or path, shape (N, C, H, W)
        The patches, without missing values; N may be 0. Those that are not in memory are read
        in batches, see `foundation_fit_classifier`.
    projection : bool
        Whether to give the projections ``(N, proj_dim)``, unit vectors, instead of the
        features ``(N, feature_dim)``.

    Returns
    -------
    numpy.ndarray, shape (N, D), float32
        One row a patch.

    Raises
    ------
    InputError
        If `object` holds no MoCo encoder, or `patches` does not fit it or has missing values.

    Examples
    --------
    >>> import edaphos_bridge
    >>> encoder = edaphos_bridge.foundation_encoder("moco", in_channels=4, seed=1)
    >>> foundation_moco_embed(encoder, np.zeros((3, 4, 9, 9))).shape
    (3, 64)
    """
    return embed("moco", object, patches, projection)


@plain
def foundation_simclr_embed(
    object: Any, patches: ArrayLike, projection: bool = False
) -> NDArray[np.float32]:
    """Return the embeddings of patches under a SimCLR encoder, as `foundation_moco_embed` does."""
    return embed("simclr", object, patches, projection)


def embed(
    architecture: str,
    object: Any,
    patches: Any,
    projection: Any,
    *,
    missing_value: int | None = None,
) -> NDArray[np.float32]:
    """Do what the two functions above do; `missing_value` as in `Patches`."""
    wanted = flag("projection", projection)
    module: Any = own_copy(_encoder(architecture, object)).eval()
    checked = Patches(patches, missing_value=missing_value, allow_empty=True, argument="patches")
    check_channels(module.in_channels, checked.channels, "patches")
    checked.read_for(module, training=False)
    device = device_of(module)
    width = module.proj_dim if wanted else module.feature_dim
    embedded = np.empty((len(checked), width), dtype=np.float32)

    def compute(batch: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = module(batch)
        return module.project(features) if wanted else features

    batches = checked.numbered_batches(batch_size_for(checked.shape))
    over_batches(compute, batches, torch.from_numpy(embedded), device)
    check_features(embedded, [("object", module)], "patches")
    return embedded


def _encoder(architecture: str, object: Any) -> Any:
    kind = ARCHITECTURES[architecture]
    module = as_module(object, argument="object")
    if not isinstance(module, kind):
        own = isinstance(module, ContrastiveEncoder)
        name = f"foundation_{module.architecture}_embed()" if own else "foundation_embed()"
        raise InputError(
            "object",
            f"must be a {kind.__name__} or a fit that holds one",
            found=type(module).__name__,
            hint=f"{name} takes it.",
        )
    return module

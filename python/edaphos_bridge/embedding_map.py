"""Where patches lie among each other for an encoder: `foundation_embedding_map()`."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.embeddings import features_of
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation.embedding_map import (
    FoundationEmbeddingMap,
    principal_components,
)
from edaphos_bridge.interpretation.outputs import as_patches


@plain
def foundation_embedding_map(object: Any, x: Any, y: Any = None) -> FoundationEmbeddingMap:
    """Return the features of patches in two dimensions, by principal components.

    Parameters
    ----------
    object : torch.nn.Module, or a fit that holds one
        The encoder, as in `foundation_embed`.
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Two patches or more.
    y : array-like, shape (N,), optional
        Their classes, for the colours.

    Returns
    -------
    FoundationEmbeddingMap
        With ``as_table()`` and ``plot()``.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    patches = as_patches(x)
    if len(patches) < 2:
        raise InputError("x", "must have two patches or more", found=len(patches))
    labels = None if y is None else as_labels(y)
    if labels is not None and len(labels) != len(patches):
        raise InputError(
            "y", f"must have one label for each of the {len(patches)} patches", found=len(labels)
        )
    points, explained = principal_components(features_of(object, patches))
    return FoundationEmbeddingMap(
        points,
        explained,
        None if labels is None else [labels.classes[code] for code in labels.codes.tolist()],
        None if labels is None else labels.classes,
    )

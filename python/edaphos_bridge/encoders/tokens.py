"""Embeddings of a transformer's patches as feature maps."""

from __future__ import annotations

import math

import torch

from edaphos_bridge.errors import InputError


def maps_of_tokens(
    tokens: torch.Tensor, *, groups: int = 1, size: tuple[int, int] | None = None
) -> torch.Tensor:
    """Return embeddings of tokens as feature maps.

    What a vision transformer's own ``maps(x)`` may return in a list. Class tokens and others that
    stand for no place are left out before: ``tokens[:, 1:]``.

    Parameters
    ----------
    tokens : torch.Tensor, shape (B, groups * L, D)
        One embedding for each of L patches in each group of bands: all patches of the first
        group, row by row, then those of the next one.
    groups : int, default 1
        Groups of bands, G.
    size : pair of int, optional
        Rows h and columns w of the patches, ``h * w == L``; a square if not given.

    Returns
    -------
    torch.Tensor, shape (B, groups * D, h, w)
        Channel ``g * D + d`` has number d of the embeddings of group g.

    Raises
    ------
    InputError
        If the tokens do not fill groups of that many patches.

    References
    ----------
    Clay Foundation Model, fine-tuning: "batch size * (band groups length * number of patches) *
    embedding size to batch size * (band groups length * embedding size) * patch height * patch
    width".
    """
    if tokens.ndim != 3:
        raise InputError("tokens", "must be (B, groups * L, D)", found=list(tokens.shape))
    batch, n, width = tokens.shape
    patches = n // groups if groups > 0 else 0
    side = math.isqrt(patches)
    h, w = size or (side, side)
    if groups < 1 or groups * h * w != n:
        what = f"{groups} groups of {h} x {w}" if size else f"{groups} groups of a square of"
        raise InputError(
            "tokens",
            f"must be {what} patches",
            found=f"{n} tokens",
            hint="Leave out tokens that stand for no place, such as a class token, or give `size`.",
        )
    places = tokens.reshape(batch, groups, h * w, width)
    return places.transpose(2, 3).reshape(batch, groups * width, h, w)

"""Every argument of every public function that takes an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

import edaphos_bridge as eb

Y = list("ababab")
FEW = {"epochs": 1, "seed": 1}


def calls_with(kind: Callable[[torch.Tensor], Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each argument, and a call with what `kind` makes of a tensor for it."""
    x, raster, points = torch.rand(6, 2, 2, 2), torch.rand(2, 9, 9), torch.rand(3, 2)
    labels, mask = torch.rand(6, 2), torch.ones(9, 9)
    encoder, simclr = (eb.foundation_encoder(name, 2, seed=1) for name in ("moco", "simclr"))
    tiles = eb.foundation_tile_dataset(raster, patch_size=2, n_patches=5, seed=1)
    fit = eb.foundation_fit_classifier(encoder, x, Y, **FEW)
    sweep = eb.foundation_probe_sweep(encoder, x, Y, C=(), seeds=1, epochs=1)
    yield "x", lambda: eb.foundation_fit_classifier(encoder, kind(x), Y, **FEW)
    yield "y", lambda: eb.foundation_fit_classifier(encoder, x, kind(labels), **FEW)
    yield "x", lambda: eb.foundation_probe_sweep(encoder, kind(x), Y, epochs=1)
    yield "y", lambda: eb.foundation_probe_sweep(encoder, x, kind(labels), epochs=1)
    for known in (fit, sweep):
        yield "x", lambda known=known: known.predict(kind(x))
        yield "x", lambda known=known: known.predict_proba(kind(x))
    yield "x", lambda: fit.predict(kind(raster), coords=points, dataset=tiles)
    yield "coords", lambda: fit.predict(raster, coords=kind(points), dataset=tiles)
    yield "patches", lambda: eb.foundation_moco_pretrain(kind(x), batch_size=2, **FEW)
    yield "patches", lambda: eb.foundation_simclr_pretrain(kind(x), batch_size=2, **FEW)
    yield "patches", lambda: eb.foundation_moco_embed(encoder, kind(x))
    yield "patches", lambda: eb.foundation_simclr_embed(simclr, kind(x))
    yield "stack", lambda: eb.foundation_tile_dataset(kind(raster), patch_size=2)
    yield "valid_mask", lambda: eb.foundation_tile_dataset(raster, 2, 5, kind(mask))
    for read in (eb.foundation_patches_at_coords, eb.foundation_embed_at_coords):
        yield "coords", lambda read=read: read(encoder, kind(points), raster, dataset=tiles)
        yield "stack", lambda read=read: read(encoder, points, kind(raster), dataset=tiles)

"""Every argument of every public function that takes an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import xarray

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
    square = torch.rand(6, 2, 4, 4)
    yield "patches", lambda: eb.foundation_rotation_pretrain(kind(square), batch_size=2, **FEW)
    yield "x_a", lambda: eb.foundation_swav_pretrain(kind(x), **FEW)
    yield "x_b", lambda: eb.foundation_swav_pretrain(x, kind(x), **FEW)
    yield "patches", lambda: eb.foundation_moco_embed(encoder, kind(x))
    yield "patches", lambda: eb.foundation_simclr_embed(simclr, kind(x))
    yield "stack", lambda: eb.foundation_tile_dataset(kind(raster), patch_size=2)
    yield "valid_mask", lambda: eb.foundation_tile_dataset(raster, 2, 5, kind(mask))
    land = (torch.arange(81.0) % 2).reshape(9, 9)
    yield "labels", lambda: eb.foundation_tile_dataset(raster, 2, 5, labels=kind(land))
    for read in (eb.foundation_patches_at_coords, eb.foundation_embed_at_coords):
        yield "coords", lambda read=read: read(encoder, kind(points), raster, dataset=tiles)
        yield "stack", lambda read=read: read(encoder, points, kind(raster), dataset=tiles)
    yield "stack", lambda: _loaded(eb.foundation_predict_raster, fit, kind(raster), dataset=tiles)
    yield "stack", lambda: _loaded(eb.foundation_embed_raster, encoder, kind(raster), dataset=tiles)
    array = xarray.DataArray(
        raster.numpy(), dims=("band", "y", "x"), attrs={"crs": "EPSG:32723"},
        coords={"y": range(9, 0, -1), "x": range(9)},
    )  # fmt: skip
    yield "sources", lambda: eb.foundation_tile_align([array, kind(raster)])
    sizes, area = torch.ones(2, 1), torch.tensor([[1.0], [1], [3], [4]])
    for name, numbers in {"target_res": sizes, "aoi": area}.items():
        yield name, lambda name=name, n=numbers: eb.foundation_tile_align(array, **{name: kind(n)})
    yield from _calls_of_fits(kind, encoder, fit, x)
    yield from _calls_about_fits(kind, encoder, fit, x)


def _calls_of_fits(
    kind: Callable[[torch.Tensor], Any], encoder: Any, fit: Any, x: torch.Tensor
) -> Iterator[tuple[str, Callable[[], Any]]]:
    numbers, tags, points = torch.rand(6, 2), torch.eye(2).repeat(3, 1), torch.rand(6, 2)
    verbs = {
        eb.foundation_fit_regressor: numbers,
        eb.foundation_fit_multilabel: tags,
    }
    for verb, y in verbs.items():
        yield "x", lambda verb=verb, y=y: verb(encoder, kind(x), y, **FEW)
        yield "y", lambda verb=verb, y=y: verb(encoder, x, kind(y), **FEW)
    masks, small = torch.eye(2).repeat(6, 1, 1), {"decoder": "linear", **FEW}
    yield "x", lambda: eb.foundation_fit_segmenter(encoder, kind(x), masks, **small)
    yield "masks", lambda: eb.foundation_fit_segmenter(encoder, x, kind(masks), **small)
    beside = {"models": ["frozen"], **small}
    yield "x", lambda: eb.foundation_compare_segmenters(encoder, kind(x), masks, **beside)
    yield "masks", lambda: eb.foundation_compare_segmenters(encoder, x, kind(masks), **beside)
    few = {"num_it": 2, "seed": 1}
    yield "x", lambda: eb.foundation_fine_tune(encoder, kind(x), Y, **FEW)
    yield "y", lambda: eb.foundation_fine_tune(encoder, x, kind(numbers), **FEW)
    yield "x", lambda: eb.foundation_finetune_classifier(fit, kind(x), Y, **FEW)
    yield "y", lambda: eb.foundation_finetune_classifier(fit, x, kind(numbers), **FEW)
    yield "x", lambda: eb.foundation_lr_find(encoder, kind(x), Y, **few)
    yield "y", lambda: eb.foundation_lr_find(encoder, x, kind(numbers), **few)
    yield "x", lambda: eb.foundation_finetune_ensemble(encoder, kind(x), Y, K_ens=2, epochs=1)
    yield "y", lambda: eb.foundation_finetune_ensemble(encoder, x, kind(numbers), K_ens=2)
    verb = "foundation_fit_classifier"
    yield "x", lambda: eb.foundation_cross_validate(verb, encoder, kind(x), Y, k=2, **FEW)
    yield "y", lambda: eb.foundation_cross_validate(verb, encoder, x, kind(numbers), k=2, **FEW)
    tested = {"labels": 3, "repeats": 2, "scratch_epochs": (), "epochs": 1, "seed": 1}
    for name, value in (("x", x), ("y", numbers), ("folds", points)):
        yield (
            name,
            lambda name=name, value=value: eb.foundation_few_label_experiment(
                {"a": encoder}, **{"x": x, "y": Y, **tested, name: kind(value)}
            ),
        )
    yield (
        "test",
        lambda: eb.foundation_few_label_experiment(
            {"a": encoder}, x, Y, test=(kind(x), Y), **tested
        ),
    )
    for name, rows in (("groups", points), ("folds", points), ("validation", points)):
        yield (
            name,
            lambda name=name, rows=rows: eb.foundation_fit_classifier(
                encoder, x, Y, **{name: kind(rows)}, **FEW
            ),
        )
    yield (
        "blocks",
        lambda: eb.foundation_fit_classifier(
            encoder, x, Y, blocks=kind(points), block_size=0.1, **FEW
        ),
    )


def _calls_about_fits(
    kind: Callable[[torch.Tensor], Any], encoder: Any, fit: Any, x: torch.Tensor
) -> Iterator[tuple[str, Callable[[], Any]]]:
    numbers = torch.rand(6, 2)
    dropping = eb.foundation_fit_classifier(encoder, x, Y, head="mlp", dropout=0.5, **FEW)
    yield "x", lambda: eb.foundation_mcdropout_predict(dropping, kind(x), 2, seed=1)
    for about in (eb.foundation_interpret, eb.foundation_band_importance):
        yield "x", lambda about=about: about(fit, kind(x), Y, seed=1)
        yield "y", lambda about=about: about(fit, x, kind(numbers), seed=1)
    yield "x", lambda: eb.foundation_calibrate(fit, kind(x), Y)
    yield "y", lambda: eb.foundation_calibrate(fit, x, kind(numbers))
    yield "x", lambda: eb.foundation_attribute(fit, kind(x))
    yield "x", lambda: eb.foundation_embed(encoder, kind(x))
    yield "x", lambda: eb.foundation_knn(encoder, kind(x), Y, k=1, seed=1)
    yield "y", lambda: eb.foundation_knn(encoder, x, kind(numbers), k=1, seed=1)
    yield "x", lambda: eb.foundation_embedding_map(encoder, kind(x))
    yield "y", lambda: eb.foundation_embedding_map(encoder, x, kind(numbers))
    yield from _calls_about_maps(kind, encoder, x)


def _calls_about_maps(
    kind: Callable[[torch.Tensor], Any], encoder: Any, x: torch.Tensor
) -> Iterator[tuple[str, Callable[[], Any]]]:
    table, weights, layers = torch.rand(6, 2), torch.ones(2, 2), torch.full((2, 5, 5), 0.5)
    codes, folds = torch.ones(5, 5), torch.rand(6, 2)
    yield "x", lambda: eb.foundation_applicability(kind(table))
    yield "x", lambda: eb.foundation_applicability(kind(x), encoder)
    yield "folds", lambda: eb.foundation_applicability(table, folds=kind(folds))
    yield "weights", lambda: eb.foundation_applicability(table, weights=kind(weights))
    yield "x", lambda: eb.foundation_applicability(table).di(kind(table))
    yield "x", lambda: eb.foundation_smooth(kind(layers))
    yield "x", lambda: eb.foundation_smooth(kind(codes), "majority")
    yield "smoothness", lambda: eb.foundation_smooth(layers, smoothness=kind(weights))
    yield "x", lambda: eb.foundation_uncertainty(kind(layers))
    known = eb.foundation_applicability(table)
    yield "stack", lambda: _loaded(eb.foundation_applicability_raster, known, kind(layers))
    yield "stack", lambda: _loaded(eb.foundation_smooth_raster, kind(layers))
    yield "smoothness", lambda: eb.foundation_smooth_raster(layers, smoothness=kind(weights))
    yield "stack", lambda: _loaded(eb.foundation_uncertainty_raster, kind(layers))


def _loaded(verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Return a map whose blocks have been computed."""
    return verb(*given, **named).load()

"""The calls of the R functions, with R's values and R's notation, by subject.

Both ways in from R, reticulate and rpy2, end here. Arguments are plain values (None, bool,
int, float, str, list, dict, NumPy arrays, bytes, callables), or Python objects that R only
holds, and so are results. `answers` carries errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.interop.answers import answered
from edaphos_bridge.interop.calls import (
    applicability,
    classifiers,
    comparisons,
    cross_validation,
    datasets,
    encoders,
    ensembles,
    few_labels,
    interpretation,
    maps,
    multi_labels,
    predictions,
    pretraining,
    probes,
    rasters,
    recipes,
    regressors,
    segmenters,
    weights,
)

CALLS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        applicability.applicability,
        applicability.measure_applicability,
        classifiers.fit,
        classifiers.probe_sweep,
        comparisons.compare_segmenters,
        cross_validation.cross_validation,
        datasets.landsat,
        datasets.scene,
        encoders.embed,
        encoders.encoder_for,
        encoders.encoder_with,
        encoders.make_encoder,
        interpretation.attribute,
        interpretation.band_importance,
        interpretation.calibrate,
        interpretation.embedding_map,
        interpretation.features,
        interpretation.interpret,
        interpretation.knn,
        ensembles.describe_ensemble,
        ensembles.member_seeds,
        ensembles.predict_ensemble,
        few_labels.few_labels,
        maps.applicability_raster,
        maps.embed_raster,
        maps.predict_raster,
        maps.smooth_raster,
        maps.uncertainty_raster,
        multi_labels.multi_top_losses,
        multi_labels.multilabel,
        predictions.mcdropout_predict,
        predictions.predict,
        predictions.uncertainty,
        pretraining.filled_encoder,
        pretraining.pretrain,
        pretraining.pretrain_sensors,
        pretraining.pretrain_tiles,
        probes.probe,
        rasters.embed_at_coords,
        rasters.patches_at_coords,
        rasters.tile_align,
        rasters.tile_dataset,
        rasters.tile_masks,
        rasters.tile_sample,
        recipes.fine_tune,
        recipes.finetune_classifier,
        recipes.lr_find,
        recipes.phase,
        regressors.regress,
        segmenters.segment,
        weights.weights_download,
        weights.weights_list,
        weights.weights_load,
        weights.weights_save,
    )
}


def call(name: str, *args: Any) -> dict[str, Any]:
    """Return the answer of one of `CALLS`."""
    return answered(CALLS[name])(*args)

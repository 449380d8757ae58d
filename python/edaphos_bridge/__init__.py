"""edaphos-bridge: classifiers on encoders of raster patches, the same from R and Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edaphos_bridge.basics.interrupts import imported

if TYPE_CHECKING:
    from edaphos_bridge.any_fit import FoundationFit
    from edaphos_bridge.applicability import foundation_applicability
    from edaphos_bridge.applicability_raster import foundation_applicability_raster
    from edaphos_bridge.attribute import foundation_attribute
    from edaphos_bridge.band_importance import foundation_band_importance
    from edaphos_bridge.calibrate import foundation_calibrate
    from edaphos_bridge.classifier import FoundationClassifier, foundation_fit_classifier
    from edaphos_bridge.compare_segmenters import foundation_compare_segmenters
    from edaphos_bridge.cross_validate import (
        FoundationCrossValidation,
        foundation_cross_validate,
    )
    from edaphos_bridge.embed_at_coords import foundation_embed_at_coords
    from edaphos_bridge.embed_raster import foundation_embed_raster
    from edaphos_bridge.embedding_map import foundation_embedding_map
    from edaphos_bridge.embeddings import (
        foundation_embed,
        foundation_moco_embed,
        foundation_simclr_embed,
    )
    from edaphos_bridge.encoder_for import foundation_encoder_for
    from edaphos_bridge.encoders.foundation import foundation_encoder
    from edaphos_bridge.ensemble import FoundationEnsemble, foundation_finetune_ensemble
    from edaphos_bridge.experiments.few_label_result import FoundationFewLabelExperiment
    from edaphos_bridge.few_label_experiment import foundation_few_label_experiment
    from edaphos_bridge.interpret import foundation_interpret
    from edaphos_bridge.interpretation.attribution_result import FoundationAttribution
    from edaphos_bridge.interpretation.embedding_map import FoundationEmbeddingMap
    from edaphos_bridge.interpretation.importance import FoundationBandImportance
    from edaphos_bridge.interpretation.result import FoundationInterpretation
    from edaphos_bridge.interpretation.segmenter_comparison import FoundationSegmenterComparison
    from edaphos_bridge.knn import foundation_knn
    from edaphos_bridge.knn_probe import KNNProbe
    from edaphos_bridge.linear_probe import LinearProbe
    from edaphos_bridge.lr_find import LRFind, foundation_lr_find
    from edaphos_bridge.maps.applicability import FoundationApplicability
    from edaphos_bridge.mcdropout import foundation_mcdropout_predict
    from edaphos_bridge.moco_pretrain import foundation_moco_pretrain
    from edaphos_bridge.moco_pretrain_tiles import foundation_moco_pretrain_tiles
    from edaphos_bridge.multi_label import FoundationMultiLabel, foundation_fit_multilabel
    from edaphos_bridge.patches_at_coords import foundation_patches_at_coords
    from edaphos_bridge.predict_raster import foundation_predict_raster
    from edaphos_bridge.pretrain.result import FoundationPretrain
    from edaphos_bridge.probe_sweep import FoundationProbeSweep, foundation_probe_sweep
    from edaphos_bridge.raster.tiles import FoundationTileDataset
    from edaphos_bridge.recipes import foundation_fine_tune, foundation_finetune_classifier
    from edaphos_bridge.regressor import FoundationRegressor, foundation_fit_regressor
    from edaphos_bridge.rotation_pretrain import foundation_rotation_pretrain
    from edaphos_bridge.rotation_pretrain_tiles import foundation_rotation_pretrain_tiles
    from edaphos_bridge.segmentation_probe import SegmentationProbe
    from edaphos_bridge.segmenter import FoundationSegmenter, foundation_fit_segmenter
    from edaphos_bridge.simclr_pretrain import foundation_simclr_pretrain
    from edaphos_bridge.smooth import foundation_smooth
    from edaphos_bridge.smooth_raster import foundation_smooth_raster
    from edaphos_bridge.swav_pretrain import foundation_swav_pretrain
    from edaphos_bridge.swav_pretrain_tiles import foundation_swav_pretrain_tiles
    from edaphos_bridge.tile_align import foundation_tile_align
    from edaphos_bridge.tile_dataset import foundation_tile_dataset
    from edaphos_bridge.training.phase import Phase, foundation_phase
    from edaphos_bridge.uncertainty import foundation_uncertainty
    from edaphos_bridge.uncertainty_raster import foundation_uncertainty_raster
    from edaphos_bridge.weights.foundation_weights import (
        foundation_weights_download,
        foundation_weights_list,
        foundation_weights_load,
        foundation_weights_save,
    )

__version__ = "0.1.0"

__all__ = [
    "FoundationApplicability",
    "FoundationAttribution",
    "FoundationBandImportance",
    "FoundationClassifier",
    "FoundationCrossValidation",
    "FoundationEmbeddingMap",
    "FoundationEnsemble",
    "FoundationFewLabelExperiment",
    "FoundationFit",
    "FoundationInterpretation",
    "FoundationMultiLabel",
    "FoundationPretrain",
    "FoundationProbeSweep",
    "FoundationRegressor",
    "FoundationSegmenter",
    "FoundationSegmenterComparison",
    "FoundationTileDataset",
    "KNNProbe",
    "LRFind",
    "LinearProbe",
    "Phase",
    "SegmentationProbe",
    "__version__",
    "foundation_applicability",
    "foundation_applicability_raster",
    "foundation_attribute",
    "foundation_band_importance",
    "foundation_calibrate",
    "foundation_compare_segmenters",
    "foundation_cross_validate",
    "foundation_embed",
    "foundation_embed_at_coords",
    "foundation_embed_raster",
    "foundation_embedding_map",
    "foundation_encoder",
    "foundation_encoder_for",
    "foundation_few_label_experiment",
    "foundation_fine_tune",
    "foundation_finetune_classifier",
    "foundation_finetune_ensemble",
    "foundation_fit_classifier",
    "foundation_fit_multilabel",
    "foundation_fit_regressor",
    "foundation_fit_segmenter",
    "foundation_interpret",
    "foundation_knn",
    "foundation_lr_find",
    "foundation_mcdropout_predict",
    "foundation_moco_embed",
    "foundation_moco_pretrain",
    "foundation_moco_pretrain_tiles",
    "foundation_patches_at_coords",
    "foundation_phase",
    "foundation_predict_raster",
    "foundation_probe_sweep",
    "foundation_rotation_pretrain",
    "foundation_rotation_pretrain_tiles",
    "foundation_simclr_embed",
    "foundation_simclr_pretrain",
    "foundation_smooth",
    "foundation_smooth_raster",
    "foundation_swav_pretrain",
    "foundation_swav_pretrain_tiles",
    "foundation_tile_align",
    "foundation_tile_dataset",
    "foundation_uncertainty",
    "foundation_uncertainty_raster",
    "foundation_weights_download",
    "foundation_weights_list",
    "foundation_weights_load",
    "foundation_weights_save",
]

# Importing torch takes a second; it waits until one of these is first used.
_HOMES = {
    "KNNProbe": "edaphos_bridge.knn_probe",
    "LinearProbe": "edaphos_bridge.linear_probe",
    "SegmentationProbe": "edaphos_bridge.segmentation_probe",
    "FoundationApplicability": "edaphos_bridge.maps.applicability",
    "FoundationAttribution": "edaphos_bridge.interpretation.attribution_result",
    "FoundationBandImportance": "edaphos_bridge.interpretation.importance",
    "FoundationClassifier": "edaphos_bridge.classifier",
    "FoundationEnsemble": "edaphos_bridge.ensemble",
    "FoundationFewLabelExperiment": "edaphos_bridge.experiments.few_label_result",
    "FoundationFit": "edaphos_bridge.any_fit",
    "FoundationEmbeddingMap": "edaphos_bridge.interpretation.embedding_map",
    "FoundationInterpretation": "edaphos_bridge.interpretation.result",
    "FoundationMultiLabel": "edaphos_bridge.multi_label",
    "FoundationCrossValidation": "edaphos_bridge.cross_validate",
    "FoundationPretrain": "edaphos_bridge.pretrain.result",
    "FoundationProbeSweep": "edaphos_bridge.probe_sweep",
    "FoundationRegressor": "edaphos_bridge.regressor",
    "FoundationSegmenter": "edaphos_bridge.segmenter",
    "FoundationSegmenterComparison": "edaphos_bridge.interpretation.segmenter_comparison",
    "foundation_compare_segmenters": "edaphos_bridge.compare_segmenters",
    "FoundationTileDataset": "edaphos_bridge.raster.tiles",
    "foundation_applicability": "edaphos_bridge.applicability",
    "foundation_applicability_raster": "edaphos_bridge.applicability_raster",
    "foundation_attribute": "edaphos_bridge.attribute",
    "foundation_band_importance": "edaphos_bridge.band_importance",
    "foundation_calibrate": "edaphos_bridge.calibrate",
    "foundation_embed": "edaphos_bridge.embeddings",
    "foundation_cross_validate": "edaphos_bridge.cross_validate",
    "foundation_embed_at_coords": "edaphos_bridge.embed_at_coords",
    "foundation_embed_raster": "edaphos_bridge.embed_raster",
    "foundation_embedding_map": "edaphos_bridge.embedding_map",
    "foundation_encoder": "edaphos_bridge.encoders.foundation",
    "foundation_encoder_for": "edaphos_bridge.encoder_for",
    "foundation_few_label_experiment": "edaphos_bridge.few_label_experiment",
    "Phase": "edaphos_bridge.training.phase",
    "foundation_fine_tune": "edaphos_bridge.recipes",
    "foundation_finetune_classifier": "edaphos_bridge.recipes",
    "foundation_fit_classifier": "edaphos_bridge.classifier",
    "foundation_phase": "edaphos_bridge.training.phase",
    "LRFind": "edaphos_bridge.lr_find",
    "foundation_lr_find": "edaphos_bridge.lr_find",
    "foundation_finetune_ensemble": "edaphos_bridge.ensemble",
    "foundation_fit_multilabel": "edaphos_bridge.multi_label",
    "foundation_fit_regressor": "edaphos_bridge.regressor",
    "foundation_fit_segmenter": "edaphos_bridge.segmenter",
    "foundation_mcdropout_predict": "edaphos_bridge.mcdropout",
    "foundation_interpret": "edaphos_bridge.interpret",
    "foundation_knn": "edaphos_bridge.knn",
    "foundation_moco_embed": "edaphos_bridge.embeddings",
    "foundation_moco_pretrain": "edaphos_bridge.moco_pretrain",
    "foundation_moco_pretrain_tiles": "edaphos_bridge.moco_pretrain_tiles",
    "foundation_patches_at_coords": "edaphos_bridge.patches_at_coords",
    "foundation_predict_raster": "edaphos_bridge.predict_raster",
    "foundation_probe_sweep": "edaphos_bridge.probe_sweep",
    "foundation_rotation_pretrain": "edaphos_bridge.rotation_pretrain",
    "foundation_rotation_pretrain_tiles": "edaphos_bridge.rotation_pretrain_tiles",
    "foundation_simclr_embed": "edaphos_bridge.embeddings",
    "foundation_simclr_pretrain": "edaphos_bridge.simclr_pretrain",
    "foundation_smooth": "edaphos_bridge.smooth",
    "foundation_smooth_raster": "edaphos_bridge.smooth_raster",
    "foundation_swav_pretrain": "edaphos_bridge.swav_pretrain",
    "foundation_swav_pretrain_tiles": "edaphos_bridge.swav_pretrain_tiles",
    "foundation_tile_align": "edaphos_bridge.tile_align",
    "foundation_tile_dataset": "edaphos_bridge.tile_dataset",
    "foundation_uncertainty": "edaphos_bridge.uncertainty",
    "foundation_uncertainty_raster": "edaphos_bridge.uncertainty_raster",
    "foundation_weights_download": "edaphos_bridge.weights.foundation_weights",
    "foundation_weights_list": "edaphos_bridge.weights.foundation_weights",
    "foundation_weights_load": "edaphos_bridge.weights.foundation_weights",
    "foundation_weights_save": "edaphos_bridge.weights.foundation_weights",
}

# What the documentation names of the package, imported when it is first used.
_SUBMODULES = ("datasets", "errors", "interop", "sklearn")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(imported(_HOMES[name]), name)
    if name in _SUBMODULES:
        return imported(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})

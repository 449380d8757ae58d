"""Segmenters: `foundation_fit_segmenter()` and the fit that it returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, flag, number
from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.data.normalisation import normalisation_of
from edaphos_bridge.data.orientation import orientation_of
from edaphos_bridge.data.patch_masks import masks_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import parting_in
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.from_scratch import FromScratchEncoder
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.fits.run import fit_checked
from edaphos_bridge.heads.decoders import FROM_SCRATCH
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tasks.segmentation import SEGMENTATION_LOSSES, Segmentation
from edaphos_bridge.training.decoder_settings import how_it_trains, regime_and_decoder
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.progress import console
from edaphos_bridge.training.settings import FitSettings, RecipeSettings


@plain
def foundation_fit_segmenter(
    encoder: Any,
    x: Any,
    masks: Any = None,
    *,
    regime: str = "frozen",
    decoder: str | nn.Module | Callable[[int, int], nn.Module] | None = None,
    loss: str = "cross_entropy",
    gamma: float = 2.0,
    threshold: float = 0.5,
    classes: Sequence[ClassLabel] | None = None,
    unlabelled: ClassLabel | float | None = None,
    epochs: int = 30,
    batch_size: int = 32,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    backbone_lr_mult: float = 0.1,
    val_split: float = 0.2,
    device: str = "cpu",
    seed: int | None = None,
    verbose: bool = False,
    class_weight: str | Mapping[str, float] | None = None,
    patience: int | None = None,
    augment: bool | Mapping[str, float] = False,
    groups: Any = None,
    blocks: Any = None,
    block_size: float | None = None,
    buffer: float = 0.0,
    folds: Any = None,
    fold: int | None = None,
    validation: Any = None,
    checkpoint_dir: str | os.PathLike[str] | None = None,
) -> FoundationSegmenter:
    """Train a decoder on an encoder against masks: a class for every cell of a patch.

    Cells without a label count neither in the loss nor in the scores, so that a few labelled cells
    in each patch are enough. Nothing that is given is changed.

    Parameters
    ----------
    encoder : as in `foundation_fit_classifier`
        One that shows its feature maps: an encoder of this package, or a module with a method
        ``maps(x)`` that returns them in a list from fine to coarse (`maps_of_tokens` makes maps of
        a transformer's tokens). None with ``regime="from_scratch"``.
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches, as in `foundation_fit_classifier`.
    masks : array-like, shape (N, H, W), of int, str, bool or whole float, optional
        The class of each cell. NaN, None, ``pandas.NA`` and masked cells are unlabelled. False and
        True are classes "FALSE" and "TRUE" in R. A tile data set that was made with `labels` has
        its own, which need not be given.
    regime : {"frozen", "finetune", "from_scratch"}
        What trains: the decoder on maps that are computed once; encoder and decoder; or a small
        network of its own, without the encoder, against which the others are held.
    decoder : {"clay", "unet", "linear"}, torch.nn.Module or callable, optional
        From maps to a class of each cell:

        * ``"clay"``, the default: transposed convolutions on the coarsest map, which is doubled as
          often as it needs;
        * ``"unet"``: fastai's DynamicUnet, on all maps;
        * ``"linear"``: one linear layer on the coarsest map, interpolated;
        * a module, or a function of the channels of the coarsest map and the number of outputs
          that makes one, of the coarsest map ``(B, D, h, w)``; with ``reads = "maps"`` of the list
          of patches and all maps.

        From scratch there is one, that of the network.
    loss : {"cross_entropy", "dice", "focal"}
        Over labelled cells: cross-entropy (binary of two classes); one minus the coefficient of
        Dice; or cross-entropy in which sure cells weigh less.
    gamma : float
        Of the focal loss: its power, not negative.
    threshold : float
        Of two classes: from which probability on a cell is of the second one.
    classes : sequence of str, int or bool, optional
        All classes in their order, also those that do not occur. Names for masks of whole numbers
        are those of 0, 1 and so on. By default the classes are what occurs, sorted.
    unlabelled : str, int, float or bool, optional
        One more value of `masks` that stands for unlabelled cells.
    epochs, batch_size, lr, weight_decay, backbone_lr_mult, val_split, device, seed
        As in `foundation_fit_classifier`; ``backbone_lr_mult`` is of ``"finetune"``.
    verbose : bool
        Print loss and mean intersection over union of epoch 1, every 10th and the last. Otherwise
        a progress bar shows in a terminal.
    class_weight : {"balanced", "capped"}, or mapping of class to float, optional
        As in `foundation_fit_classifier`, of labelled cells.
    patience, augment, groups, blocks, block_size, buffer, folds, fold, validation, \
checkpoint_dir
        As in `foundation_fit_classifier`. Flips, turns and crops of `augment` move masks with
        their patches.

    Returns
    -------
    FoundationSegmenter

    Raises
    ------
    InputError
        If an argument cannot be used: masks of another shape or type or with other classes,
        nothing labelled, an encoder without maps, patches of a size that the decoder does not
        reach; before any training.
    TrainingError
        If training diverges.

    References
    ----------
    Clay Foundation Model, fine-tuning for segmentation (decoder and network from scratch).
    Howard, J. and Gugger, S. (2020). fastai: a layered API for deep learning. Information 11
    (DynamicUnet). Lin, T.-Y. et al. (2017). Focal loss for dense object detection.
    arXiv:1708.02002. Milletari, F. et al. (2016). V-Net. arXiv:1606.04797 (Dice).

    Examples
    --------
    >>> from edaphos_bridge import foundation_encoder, foundation_fit_segmenter
    >>> x = np.random.default_rng(1).normal(size=(40, 4, 8, 8))
    >>> masks = np.where(x[:, 0] > 0, "wet", "dry")
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> fit = foundation_fit_segmenter(encoder, x, masks, epochs=3, seed=1)
    >>> fit.predict(x[:2]).shape, fit.predict(x[:2], type="prob").shape
    ((2, 8, 8), (2, 2, 8, 8))
    """
    arguments = locals()
    with console("segmenter", flag("verbose", verbose), IOU) as events:
        return fit_segmenter(encoder, Patches(x), masks, arguments, events)


def fit_segmenter(
    encoder: Any,
    patches: Patches,
    masks: Any,
    arguments: Mapping[str, Any],
    events: Events,
    draw: Callable[[], int] = draw_seed,
    parting: Mapping[str, Any] | None = None,
) -> FoundationSegmenter:
    """Check settings and data, and train: what all entrances have in common.

    `arguments` are those of `foundation_fit_segmenter` by name, without the data; `parting` are
    those of `read_split`, where they are not among them.
    """
    regime, settings, of_task = settings_in(arguments)
    of_masks = {name: arguments[name] for name in ("classes", "unlabelled")}
    parting = parting_in(arguments) if parting is None else parting
    folder = folder_or_none("checkpoint_dir", arguments["checkpoint_dir"])

    def learn() -> tuple[Segmentation, torch.Tensor]:
        found = masks_of(patches, masks, **of_masks)
        task = Segmentation.of(
            found,
            unlabelled=of_masks["unlabelled"],
            class_weight=settings.class_weight,
            **of_task,
        )
        return task, found.codes

    if regime == FROM_SCRATCH:
        encoder = untrained_network(encoder, patches.channels)
    return fit_checked(
        FoundationSegmenter,
        learn,
        encoder,
        patches,
        settings,
        arguments["device"],
        events,
        draw,
        parting=parting,
        checkpoint_dir=folder,
    )


def settings_in(arguments: Mapping[str, Any]) -> tuple[str, FitSettings, dict[str, Any]]:
    """Return the regime, the settings of the fit and those of its task, or raise `InputError`."""
    regime, decoder = regime_and_decoder(arguments["regime"], arguments["decoder"])
    how = how_it_trains(regime, arguments["backbone_lr_mult"])
    settings = FitSettings.among({**arguments, "decoder": decoder, **how})
    of_task = {
        "loss_fn": choice("loss", arguments["loss"], SEGMENTATION_LOSSES),
        "gamma": number("gamma", arguments["gamma"], minimum=0),
        "threshold": number("threshold", arguments["threshold"], above=0, below=1),
    }
    return regime, settings, of_task


def untrained_network(encoder: Any, channels: int) -> FromScratchEncoder:
    """Return the network from scratch; its fit draws its weights.

    Raw rasters become its input as they become that of the `encoder` that it is held against.
    """
    with Randomness(0).everywhere():  # of a checkpoint, which knows the weights it began with
        network = FromScratchEncoder(channels)
    if encoder is not None:
        module = as_module(encoder)
        network.normalisation = normalisation_of(module)
        network.patch_orientation = orientation_of(module)
    return network


class FoundationSegmenter(FoundationFit):
    """A trained encoder and decoder, as returned by `foundation_fit_segmenter`.

    Attributes
    ----------
    encoder, head, feature_dim, freeze_backbone, device, in_channels, patch_size, overlapping
        As in `FoundationClassifier`; `head` is the decoder, `feature_dim` the channels of the
        coarsest map.
    head_type : {"clay", "unet", "linear", "from_scratch", "custom"}
    regime : {"frozen", "finetune", "from_scratch"}
    classes : list of str, int or bool
        Order of the probabilities.
    pixel_counts : list of int
        Labelled cells of each class, validation rows included.
    loss_fn : {"cross_entropy", "dice", "focal"}
    loss_history, val_iou_history : list of float
        One value an epoch: the mean loss, and the intersection over union on the validation rows,
        of the second of two classes, of more their mean. NaN when ``val_split=0``.
    config : dict
        The settings of the fit, with `decoder`, `loss` and the seed used.
    """

    task: Segmentation
    task_class = Segmentation
    title = "edaphos_foundation_segmenter"
    score_name = "val_iou"

    @property
    def classes(self) -> list[ClassLabel]:
        """Order of the probabilities."""
        return self.task.classes

    @property
    def pixel_counts(self) -> list[int]:
        """Labelled cells of each class."""
        return self.task.pixel_counts

    @property
    def loss_fn(self) -> str:
        """Which loss was minimised."""
        return self.task.loss_fn

    @property
    def regime(self) -> str:
        """What trained."""
        if self.head_type == FROM_SCRATCH:
            return FROM_SCRATCH
        return "frozen" if self.freeze_backbone else "finetune"

    @property
    def val_iou_history(self) -> list[float]:
        """Intersection over union on the validation rows, one value an epoch."""
        return self.score_history

    def learnt_again(
        self, patches: Patches, y: Any, settings: RecipeSettings
    ) -> tuple[Segmentation, torch.Tensor]:
        """Return task and targets of other masks, of this fit's classes."""
        if settings.label_smoothing:
            raise InputError(
                "label_smoothing", "is for classifiers", found=settings.label_smoothing
            )
        task = self.task
        found = task.masks_of(patches, y)
        again = Segmentation.of(
            found,
            task.loss_fn,
            gamma=task.gamma,
            threshold=task.threshold,
            unlabelled=task.unlabelled,
            class_weight=settings.class_weight,
        )
        return again, found.codes

    @plain
    def predict(
        self,
        x: Any,
        type: str = "class",
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[Any]:
        """Predict the class of each cell of patches, or its probabilities, in batches.

        Parameters
        ----------
        x, device, coords, dataset
            As in `FoundationClassifier.predict`. Patches may be of another size than those of the
            training. For a whole raster there is `foundation_predict_raster`.
        type : {"class", "prob"}
            What to return.

        Returns
        -------
        numpy.ndarray, shape (N, H, W), or (N, K, H, W) of float64
            The classes as the masks had them, or the probabilities of each of the K classes. With
            `coords` classes are a masked array, and probabilities NaN, for points outside the
            raster or without data in any band.

        Raises
        ------
        InputError
            As `FoundationClassifier.predict`.
        """
        choice("type", type, ("class", "prob"))
        if type == "prob":
            return self.predict_proba(x, device=device, coords=coords, dataset=dataset)
        codes = self.codes(x, device=device, coords=coords, dataset=dataset)
        labels = np.array(self.classes)[codes]
        return labels if coords is None else np.ma.masked_array(labels, codes < 0)

    def codes(
        self,
        x: Any,
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.int64]:
        """Return the place of each cell's class in `classes`, (N, H, W); -1 without data."""
        found = self.values(x, device, coords, dataset, of_cells=self.task.codes)
        return np.nan_to_num(found, nan=-1).astype(np.int64)

    @plain
    def predict_proba(
        self,
        x: Any,
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.float64]:
        """Return the probabilities of the classes, shape (N, K, H, W), float64.

        Arguments and missing patches are those of `predict`.
        """
        return self.complete(self.values(x, device, coords, dataset))

    def complete(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of all classes, ``(..., K, H, W)``."""
        found: NDArray[np.float64] = self.task.probabilities(torch.from_numpy(values)).numpy()
        return found

    def about_task(self) -> dict[str, Any]:
        """Return what printing says of the classes and the loss."""
        cells = zip(self.classes, self.pixel_counts, strict=True)
        shares = ", ".join(f"{label} ({count})" for label, count in cells)
        return {"classes": shares, "loss": self.loss_fn}

    @property
    def columns(self) -> list[ClassLabel]:
        """Names of what is predicted of a cell: a probability of each class."""
        return self.classes

    def n_patches(self) -> int:
        """Return on how many patches it was fitted."""
        return self.task.n


IOU = (FoundationSegmenter.score_name, Segmentation.score_format)

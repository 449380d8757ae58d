"""`SegmentationProbe`: a decoder that watches a pretraining run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.data.masks import cells_of_classes
from edaphos_bridge.data.patch_masks import masks_of
from edaphos_bridge.data.splits import KnownRows, parting_in
from edaphos_bridge.encoders.features import check_channels, find_shapes
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.run import fit
from edaphos_bridge.heads.decoders import DECODERS
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.segmenter import FoundationSegmenter
from edaphos_bridge.tasks.segmentation import Segmentation
from edaphos_bridge.training.decoder_settings import how_it_trains
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.inputs import Inputs
from edaphos_bridge.training.settings import FitSettings


class SegmentationProbe(Probe):
    """A decoder on the maps of labelled patches, every few epochs of a pretraining.

    As `LinearProbe`, but what is told are the classes of cells: each look is a fit of
    `foundation_fit_segmenter` with a frozen encoder and the same initial weights, and its score
    is the intersection over union of the patches that are held out, of the second of two classes,
    of more their mean.

    Parameters
    ----------
    x, masks : patches (N, C, H, W) and the classes of their cells (N, H, W)
        As in `foundation_fit_segmenter`; a tile data set with labels has its own masks.
    every, patience
        As in `LinearProbe`.
    decoder : {"clay", "unet", "linear"}, optional
        As in `foundation_fit_segmenter`: ``"clay"`` by default.
    epochs, batch_size, lr, classes, unlabelled
        As in `foundation_fit_segmenter`; `epochs` are those of a look.
    val_split, seed, groups, blocks, block_size, buffer, folds, fold, validation
        As in `LinearProbe`; initial weights and the order of rows are drawn from `seed` too.

    Raises
    ------
    InputError
        As `LinearProbe` and `foundation_fit_segmenter` do, and if the held-out patches have no
        labelled cell, or of two classes none of the second one.
    TrainingError
        In the run, if a decoder diverges.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import SegmentationProbe, foundation_moco_pretrain
    >>> x = np.random.default_rng(1).normal(size=(40, 4, 8, 8))
    >>> probe = SegmentationProbe(x, np.where(x[:, 0] > 0, "wet", "dry"), every=2, epochs=3)
    >>> fit = foundation_moco_pretrain(x, epochs=4, seed=1, probe=probe)
    >>> fit.probe_name, fit.probe_history["epoch"]
    ('segmentation probe IoU', [2, 4])
    """

    name = "segmentation"
    score_name = "IoU"

    @plain
    def __init__(
        self,
        x: Any,
        masks: Any = None,
        *,
        every: int = 1,
        patience: int | None = None,
        decoder: str | None = None,
        epochs: int = 30,
        batch_size: int = 32,
        lr: float = 1e-3,
        classes: Sequence[ClassLabel] | None = None,
        unlabelled: ClassLabel | float | None = None,
        val_split: float = 0.2,
        seed: int = 1,
        groups: Any = None,
        blocks: Any = None,
        block_size: float | None = None,
        buffer: float = 0.0,
        folds: Any = None,
        fold: int | None = None,
        validation: Any = None,
    ) -> None:
        parting = parting_in(locals())
        named = "clay" if decoder is None else choice("decoder", decoder, tuple(DECODERS))
        fixed = {"patience": None, "weight_decay": 0.0, **how_it_trains("frozen", 1.0)}
        self._fit_settings = FitSettings.among({**locals(), "decoder": named, **fixed})
        super().__init__(
            x, every=every, patience=patience, val_split=val_split, seed=seed, parting=parting
        )
        found = masks_of(self.patches, masks, classes=classes, unlabelled=unlabelled)
        task = Segmentation.of(found, unlabelled=unlabelled)
        train, held_out = (
            cells_of_classes(found.codes[rows], len(task.classes))
            for rows in (self.plan.train_rows, self.plan.val_rows)
        )
        if not any(held_out[1:] if task.is_binary else held_out):
            what = f"cell of {task.classes[1]!r}" if task.is_binary else "labelled cell"
            raise InputError(
                "masks",
                f"have no {what} in the patches that are held out, so there is no score",
                hint="Use another `seed` or `val_split`.",
            )
        task.learnt_from(found.codes, self.plan)  # which warns, once
        self._masks = found
        self._task = replace(task, pixel_counts=train)  # so that no look warns again

    def try_on(self, encoder: nn.Module, shape: Sequence[int]) -> None:
        """Raise `InputError` unless the encoder's maps of these patches are for the decoder."""
        check_channels(shape[1], self.patches.channels)
        self.patches.read_for(encoder, training=False)
        head = self._fit_settings.head
        device = device_of(encoder)
        with Randomness(self.seed, device).everywhere():
            shapes = find_shapes(encoder, self.patches.read(0, 1).to(device), head.reads)
            head.made(Inputs(0, self.patches.rows, 1, shapes=shapes), self._task.n_outputs)

    def score(self, encoder: nn.Module) -> float:
        """Return the intersection over union after the last epoch of a fit."""
        train, held_out = self.plan.train_rows.numpy(), self.plan.val_rows.numpy()
        fitted = fit(
            FoundationSegmenter,
            self._task,
            masks_of(self.patches, self._masks).codes,  # turned with patches of tiles
            encoder,
            self.patches,
            self._fit_settings,
            device_of(encoder),
            Events(),
            split=KnownRows(Fold(0, train, held_out), {}),
        )
        return fitted.score_history[-1]

    def settings(self) -> dict[str, Any]:
        """Return the decoder, and how it trains."""
        settings = self._fit_settings
        return {
            **settings.head.config(),
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "lr": settings.lr,
        }

    def learnt(self) -> dict[str, torch.Tensor]:
        """Return the class of each cell."""
        return {repr(self._task.classes): self._masks.codes}

"""Multi-label classifiers: `foundation_fit_multilabel()` and the fit that it returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, flag, whole
from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.data.label_sets import LabelSets, as_label_sets
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import parting_in
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.fits.run import fit_checked
from edaphos_bridge.interpretation.multi_top_losses import names_of, top_losses
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tasks.multi_label import MultiLabel, thresholds
from edaphos_bridge.training.progress import console
from edaphos_bridge.training.settings import FitSettings, RecipeSettings, no_class_weight


@plain
def foundation_fit_multilabel(
    encoder: Any,
    x: Any,
    y: Any,
    *,
    freeze_backbone: bool = True,
    head: str | nn.Module | Callable[[int, int], nn.Module] = "linear",
    hidden: int | Sequence[int] = (64, 32),
    dropout: float | Sequence[float] = 0.0,
    epochs: int = 30,
    batch_size: int = 32,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    backbone_lr_mult: float = 0.1,
    threshold: float | Sequence[float] | Mapping[str, float] = 0.5,
    val_split: float = 0.2,
    device: str = "cpu",
    seed: int | None = None,
    verbose: bool = False,
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
) -> FoundationMultiLabel:
    """Train a head on an encoder against patches that each have any number of labels.

    Each label is learnt by itself, by the binary cross-entropy of its logit. Everything else is as
    in `foundation_fit_classifier`. Nothing that is given is changed.

    Parameters
    ----------
    encoder, x
        As in `foundation_fit_classifier`.
    y : array-like, DataFrame or torch.Tensor (N, L) of bool or of 0 and 1, or N lists of str
        Which labels each patch has: a table with a column for each label, or the names of each
        patch's labels, none among them. Columns without names are called label1, label2 and so
        on; labels of lists are sorted.
    freeze_backbone, head, hidden, dropout, epochs, batch_size, lr, weight_decay
        As in `foundation_fit_classifier`.
    backbone_lr_mult, val_split, device, seed
        As in `foundation_fit_classifier`.
    threshold : float, sequence or mapping of float
        From which probability on a patch has a label, in (0, 1): one for all, one a label in their
        order, or one by the name of each. The score of validation rows is that at these.
    verbose : bool
        Print loss and macro F1 of epoch 1, every 10th and the last. Otherwise a progress bar
        shows in a terminal.

    patience, augment, groups, blocks, block_size, buffer, folds, fold, validation, \
checkpoint_dir
        As in `foundation_fit_classifier`; `patience` watches the score of the validation rows.

    Returns
    -------
    FoundationMultiLabel

    Raises
    ------
    InputError
        If an argument cannot be used; before any training.
    TrainingError
        If training diverges.

    Warns
    -----
    EdaphosWarning
        If all patches or none have a label, or no training row has it.

    Examples
    --------
    >>> from edaphos_bridge import foundation_encoder, foundation_fit_multilabel
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = [["crop"], ["crop", "water"], []] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> fit = foundation_fit_multilabel(encoder, x, y, epochs=3, seed=1)
    >>> fit.predict(x[:2], type="prob").columns.tolist()
    ['crop', 'water']
    """
    settings = FitSettings.among(locals())
    parting = parting_in(locals())
    folder = folder_or_none("checkpoint_dir", checkpoint_dir)
    with console("multilabel", flag("verbose", verbose), MACRO_F1) as events:
        return fit_multilabel(
            encoder,
            Patches(x),
            y,
            threshold,
            settings,
            device,
            events,
            parting=parting,
            checkpoint_dir=folder,
        )


def fit_multilabel(
    encoder: Any,
    patches: Patches,
    y: Any,
    threshold: Any,
    settings: FitSettings,
    *run: Any,
    **how: Any,
) -> FoundationMultiLabel:
    """Check the data and train; `run` and `how` are further arguments of `fit_checked`."""

    def learn() -> tuple[MultiLabel, torch.Tensor]:
        sets = label_sets_of(patches, y)
        return MultiLabel.of(sets, threshold), MultiLabel.targets(sets)

    return fit_checked(FoundationMultiLabel, learn, encoder, patches, settings, *run, **how)


def label_sets_of(patches: Patches, y: Any) -> LabelSets:
    """Return the labels of `patches`, or raise `InputError`."""
    sets = as_label_sets(y)
    if len(sets) != len(patches):
        raise InputError(
            "y", f"must have one row for each of the {len(patches)} patches", found=len(sets)
        )
    return sets


class FoundationMultiLabel(FoundationFit):
    """A trained encoder and head of several labels, as `foundation_fit_multilabel` returns it.

    Attributes
    ----------
    encoder, head, feature_dim, head_type, freeze_backbone, device, in_channels, patch_size, \
overlapping
        As in `FoundationClassifier`.
    labels : list of str
        Order of the columns of probabilities.
    threshold : list of float
        From which probability on a patch has a label, for each of them.
    label_counts : list of int
        Patches with each label, validation rows included.
    loss_history, val_f1_history : list of float
        One value an epoch: the mean binary cross-entropy, and the macro F1 of the validation rows,
        NaN when ``val_split=0``.
    config : dict
        The settings of the fit, with `threshold` and the seed used.
    """

    task: MultiLabel
    task_class = MultiLabel
    title = "edaphos_foundation_multilabel"
    score_name = "val_f1"

    @property
    def labels(self) -> list[str]:
        """Order of the columns of probabilities."""
        return self.task.labels

    @property
    def threshold(self) -> list[float]:
        """From which probability on a patch has a label, for each of them."""
        return self.task.threshold

    @property
    def label_counts(self) -> list[int]:
        """Patches with each label."""
        return self.task.label_counts

    @property
    def val_f1_history(self) -> list[float]:
        """Macro F1 of the validation rows, one value an epoch."""
        return self.score_history

    def learnt_again(
        self, patches: Patches, y: Any, settings: RecipeSettings
    ) -> tuple[MultiLabel, torch.Tensor]:
        """Return task and targets of other labels, in the order of this fit's."""
        no_class_weight(settings)
        held = self._known(label_sets_of(patches, y))
        sets = LabelSets(held, self.labels)
        return MultiLabel.of(sets, self.threshold), MultiLabel.targets(sets)

    @plain
    def predict(
        self,
        x: Any,
        type: str = "class",
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
        *,
        threshold: Any = None,
    ) -> pd.DataFrame | list[list[str] | None]:
        """Predict the labels of patches or their probabilities, in batches.

        Parameters
        ----------
        x, device, coords, dataset
            As in `FoundationClassifier.predict`.
        type : {"class", "prob", "label"}
            A table of which patch has which label, of their probabilities, or for each patch the
            list of its labels.
        threshold : float, sequence or mapping of float, optional
            Instead of those of the fit.

        Returns
        -------
        pandas.DataFrame (N, L) or list
            For "class" of bool, for "prob" of float64, with ``columns = labels``. Missing (None
            in a list) for points outside the raster or without data in any band.

        Raises
        ------
        InputError
            As `FoundationClassifier.predict`.
        """
        choice("type", type, ("class", "prob", "label"))
        from_there = self._thresholds(threshold)
        prob = self.predict_proba(x, device, coords, dataset)
        if type == "prob":
            return pd.DataFrame(prob, columns=self.labels)
        held, missing = prob >= from_there, np.isnan(prob).any(axis=1)
        if type == "label":
            rows = zip(held, missing, strict=True)
            return [None if gone else names_of(row, self.labels) for row, gone in rows]
        table = pd.DataFrame(held, columns=self.labels)
        if missing.any():
            table = table.astype("boolean")
            table[missing] = pd.NA
        return table

    @plain
    def predict_proba(
        self,
        x: Any,
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.float64]:
        """Return probabilities, shape (N, L), float64, columns as in `labels`.

        Arguments and missing rows are those of `predict`.
        """
        return self.values(x, device, coords, dataset)

    @plain
    def multi_top_losses(
        self, x: Any, y: Any, k: int = 9, device: str | None = None, *, threshold: Any = None
    ) -> pd.DataFrame:
        """Return the patches that were predicted wrong with the highest loss.

        The table of fastai's ``plot_multi_top_losses``.

        Parameters
        ----------
        x, device
            As in `predict`.
        y
            What labels they have, as in `foundation_fit_multilabel`; labels that the fit does not
            know are an error.
        k : int
            At most so many of the patches for which a label is wrong.
        threshold : float, sequence or mapping of float, optional
            Instead of those of the fit.

        Returns
        -------
        pandas.DataFrame
            A row a patch, the highest loss first: ``row`` (of `x`, counted from 0), ``loss`` (its
            mean binary cross-entropy), ``actual`` and ``predicted`` (lists of labels), and the
            probability of each label, ``.pred_<label>``.
        """
        k, from_there = whole("k", k), self._thresholds(threshold)
        patches = x if isinstance(x, Patches) else Patches(x)
        actual = self._known(label_sets_of(patches, y))
        prob = self.predict_proba(patches, device)
        return top_losses(prob, actual, prob >= from_there, self.labels, k)

    def _thresholds(self, threshold: Any) -> NDArray[np.float64]:
        given = self.threshold if threshold is None else thresholds(threshold, self.labels)
        return np.array(given)

    def _known(self, sets: LabelSets) -> NDArray[np.bool_]:
        """Return a table with the fit's labels as columns."""
        unknown = [name for name in sets.labels if name not in self.labels]
        if unknown:
            raise InputError(
                "y", f"must have the labels of the fit, {self.labels}, only", found=unknown
            )
        table = np.zeros((len(sets), len(self.labels)), dtype=bool)
        table[:, [self.labels.index(name) for name in sets.labels]] = sets.held
        return table

    def about_task(self) -> dict[str, Any]:
        """Return what printing says of the labels."""
        same = len(set(self.threshold)) == 1
        shown = self.threshold[:1] if same else self.threshold
        return {
            "labels": ", ".join(self.labels),
            "threshold": ", ".join(f"{value:g}" for value in shown),
        }

    @property
    def columns(self) -> list[str]:
        """Names of what is predicted of a patch: a probability of each label."""
        return self.labels

    def n_patches(self) -> int:
        """Return on how many patches it was fitted."""
        return self.task.n


MACRO_F1 = (FoundationMultiLabel.score_name, MultiLabel.score_format)

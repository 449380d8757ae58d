"""Classifiers: `foundation_fit_classifier()` and the fit that it returns."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, flag
from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.data.labels import ClassLabel, Labels, as_labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import parting_in
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.fits.run import fit_checked
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.progress import console
from edaphos_bridge.training.settings import FitSettings, RecipeSettings


@plain
def foundation_fit_classifier(
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
    val_split: float = 0.2,
    device: str = "cpu",
    seed: int | None = None,
    verbose: bool = False,
    class_weight: str | Mapping[str, float] | None = None,
    label_smoothing: float = 0.0,
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
) -> FoundationClassifier:
    """Train a classification head on an encoder against labelled patches.

    With ``freeze_backbone=True`` the encoder runs once over the data and the head trains on
    its cached features (a linear probe when ``head="linear"``). With
    ``freeze_backbone=False`` a copy of the encoder trains together with the head, at
    ``lr * backbone_lr_mult``. Nothing that is given is changed.

    Parameters
    ----------
    encoder : torch.nn.Module or a fit with an ``encoder``
        Maps float32 ``(B, C, H, W)`` to features: a tensor ``(B, D)``, or a mapping or object
        with ``feature`` (then ``embedding``). See `foundation_encoder`.
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches of any real dtype and memory order, without missing values. What is not in
        memory is read in batches, never whole: ``numpy.memmap``, arrays of zarr, xarray
        (dimensions by position), dask and h5py, a `foundation_tile_dataset`, the path of a
        .npy file or a .zarr array.
    y : pandas.Categorical, Series, or array-like of str, int or bool, shape (N,)
        Labels. The order of a Categorical's categories is kept, and whether it is ordered; unused
        ones are dropped. Numbers that are not whole are no classes.
    freeze_backbone : bool
        Linear probing (True) or full fine-tuning.
    head : {"linear", "mlp", "concat_pool"}, torch.nn.Module, or callable
        One linear layer; an MLP with `hidden` widths; fastai's head (`ConcatPoolHead`) on the
        encoder's feature maps; a module of your own from features ``(B, D)`` to ``(B, n_classes)``,
        of which a copy trains; or a function of the two widths that makes one.
    hidden : sequence of int
        Hidden widths of MLP and fastai's head.
    dropout : float or sequence of float
        Dropout probability in them, in [0, 1). fastai's head has half of it in all layers but the
        last, or one of a sequence in each.
    epochs, batch_size : int
        Passes over the training rows, and patches a step.
    lr : float
        Learning rate of Adam for the head, constant.
    weight_decay : float
        Adam's coupled weight decay, on head and backbone.
    backbone_lr_mult : float
        Factor on `lr` for the backbone.
    val_split : float
        Fraction of rows held out at random for validation, in [0, 1); 0 holds out none. With
        `groups` or `blocks`, whole ones are held out, drawn until they have at least that share;
        one always trains. Not used with `folds` and `validation`.
    device : {"cpu", "mps", "cuda"}
        Falls back to the cpu with a `DeviceFallbackWarning`.
    seed : int, optional
        The only source of randomness: same seed, machine and threads give bit-equal results.
        None draws one; ``fit.config["seed"]`` keeps it.
    verbose : bool
        Print loss and accuracy of epoch 1, every 10th and the last. Otherwise a progress
        bar shows in a terminal.
    class_weight : {"balanced", "capped"} or dict, optional
        Weights of the classes in the loss: ``n / (K * n_k)`` of the training rows; the same, but
        at most 10; or one for each class by its name.
    label_smoothing : float
        Share of the target that goes to all classes alike, in [0, 1).
    patience : int, optional
        Stop after so many epochs without a better score of the validation rows, here accuracy, and
        keep the best weights.
    augment : bool or dict
        Train on random views that do not change a label: flips and quarter turns, or what a dict
        of ``flip_prob``, ``rot90_prob``, ``brightness_jitter``, ``noise_sd``,
        ``channel_drop_prob``, ``cutout_prob``, ``cutout_size_ratio`` and ``crop_ratio`` says.
    groups : array-like, shape (N,), optional
        The group of each row, such as its field or profile: the rows of a group stay on one
        side. At most one of `groups`, `blocks`, `folds` and `validation` is given;
        ``fit.config["split"]`` says what was done.
    blocks : array-like, shape (N, 2), table, or points of geopandas, optional
        Where each row lies, as in `foundation_embed_at_coords`: rows in the same square of side
        `block_size` stay on one side. Project longitude and latitude first: a degree has not the
        same length everywhere.
    block_size : float, optional
        In the units of the coordinates; squares begin at multiples of it.
    buffer : float
        Training rows nearer than that to any validation row are left out; in the units of
        `blocks`.
    folds : array-like of int, shape (N,), list of rows, or list of pairs of rows, optional
        The number of each row's fold; or for each fold the rows that it holds out; or pairs
        ``(train, test)``, as ``list(GroupKFold().split(x, y, groups))`` of scikit-learn. Rows count
        from 0. The first fold validates (the lowest number), or `fold`; see
        `foundation_cross_validate` for all of them.
    fold : int, optional
        Which of `folds` validates: its number, or its place in the list, from 0.
    validation : array-like of int or bool, optional
        The rows that validate, or whether each one does.
    checkpoint_dir : path-like, optional
        A folder in which the run keeps where it stands, after each epoch. The same call goes on
        from there if it was killed, with the bits of a run that was not; where rates are constant,
        so does one with more `epochs`. A call with other data or settings is refused. Nothing in it
        is of use once the fit is there.

    Returns
    -------
    FoundationClassifier

    Raises
    ------
    InputError
        If an argument cannot be used; before any training.
    TrainingError
        If training diverges.

    References
    ----------
    He, K., Girshick, R. and Dollar, P. (2019). Rethinking ImageNet pre-training. ICCV.
    Kornblith, S., Shlens, J. and Le, Q. V. (2019). Do better ImageNet models transfer
    better? CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_encoder, foundation_fit_classifier
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = ["Oxisol", "Ultisol", "Inceptisol"] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> fit = foundation_fit_classifier(encoder, x, y, epochs=3, seed=1)
    >>> fit.predict(x[:2], type="prob").columns.tolist()
    ['Inceptisol', 'Oxisol', 'Ultisol']
    """
    settings = FitSettings.among(locals())
    parting = parting_in(locals())
    folder = folder_or_none("checkpoint_dir", checkpoint_dir)
    with console("classifier", flag("verbose", verbose)) as events:
        return fit_classifier(
            encoder, Patches(x), y, settings, device, events, parting=parting, checkpoint_dir=folder
        )


def fit_classifier(
    encoder: Any,
    patches: Patches,
    y: Any,
    settings: FitSettings | RecipeSettings,
    *run: Any,
    **how: Any,
) -> FoundationClassifier:
    """Check the data and train; `run` and `how` are further arguments of `fit_checked`."""

    def learn() -> tuple[Classification, torch.Tensor]:
        labels = labels_of(patches, y)
        task = Classification.of(labels, settings.class_weight, settings.label_smoothing)
        return task, labels.codes

    return fit_checked(FoundationClassifier, learn, encoder, patches, settings, *run, **how)


def labels_of(patches: Patches, y: Any) -> Labels:
    """Return the labels of `patches`, or raise `InputError`."""
    labels = y if isinstance(y, Labels) else as_labels(y)
    if len(labels) != len(patches):
        raise InputError(
            "y", f"must have one label for each of the {len(patches)} patches", found=len(labels)
        )
    return labels


class FoundationClassifier(FoundationFit):
    """A trained encoder and head, as returned by `foundation_fit_classifier`.

    Attributes
    ----------
    encoder, head : torch.nn.Module
        The trained modules, in eval mode; a frozen encoder stays there.
    classes : list of str, int or bool
        Order of the columns of probabilities.
    loss_history, val_accuracy_history : list of float
        One value an epoch; accuracy is NaN when ``val_split=0``.
    config : dict
        The settings of the fit, with the seed used.
    feature_dim : int
        Width D of the features.
    head_type : {"linear", "mlp", "concat_pool", "custom"}
    freeze_backbone : bool
    device : {"cpu", "mps", "cuda"}
        Where it was trained and predicts by default.
    in_channels : int
        Channels C of the patches it was trained on.
    patch_size : list of int
        Height and width ``[H, W]`` of those patches, in cells.
    class_counts : list of int or None
        Labelled patches of each class, validation rows included; None in a file that was
        written without them.
    ordered : bool
        Whether the order of `classes` means something: labels were an ordered Categorical.
    overlapping : int or None
        How many of the patches shared cells with another, where they came from a tile data set:
        the accuracy of a random split then says little about other places.
    """

    task: Classification
    task_class = Classification
    title = "edaphos_foundation_classifier"
    score_name = "val_acc"

    @property
    def classes(self) -> list[ClassLabel]:
        """Order of the columns of probabilities."""
        return self.task.classes

    @property
    def ordered(self) -> bool:
        """Whether the order of `classes` means something."""
        return self.task.ordered

    @property
    def class_counts(self) -> list[int] | None:
        """Labelled patches of each class, where that is known."""
        return self.task.class_counts

    @property
    def val_accuracy_history(self) -> list[float]:
        """Accuracy on the validation rows, one value an epoch."""
        return self.score_history

    def learnt_again(
        self, patches: Patches, y: Any, settings: RecipeSettings
    ) -> tuple[Classification, torch.Tensor]:
        """Return task and targets of other labels, in the order of this fit's classes."""
        labels = labels_of(patches, y)
        unknown = [label for label in labels.classes if label not in self.classes]
        if unknown:
            raise InputError(
                "y",
                "may have no other classes than the fit",
                found=", ".join(map(str, unknown)),
                hint=f"Its classes are {', '.join(map(str, self.classes))}.",
            )
        places = torch.tensor([self.classes.index(label) for label in labels.classes])
        same = Labels(places[labels.codes], self.classes, self.ordered)
        task = Classification.of(same, settings.class_weight, settings.label_smoothing)
        return task, same.codes

    @plain
    def predict(
        self,
        x: Any,
        type: str = "class",
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> pd.Categorical | pd.DataFrame:
        """Predict classes or class probabilities of patches, in batches.

        Parameters
        ----------
        x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
            Patches with the channels of the training data, as in `foundation_fit_classifier`;
            N may be 0. With `coords`, a raster instead, as in `foundation_tile_dataset`. Of a fit
            on patches of 1 x 1 cells also a table of cells, a DataFrame or array (N, C): where the
            encoder carries a `normalisation`, its columns are taken by the names of the bands, and
            cells are raw; else they are the channels in order.
        type : {"class", "prob"}
            What to return.
        device : {"cpu", "mps", "cuda"}, optional
            Instead of the one used for fitting.
        coords : array-like, shape (N, 2), table, or points of geopandas
            Points in the coordinates of the raster `x`, as in `foundation_embed_at_coords`. The
            patches around them are read in windows and normalised as in pretraining.
        dataset : FoundationTileDataset, optional
            With `coords`, or a table of cells: gives means and standard deviations for an encoder
            that carries no `normalisation`. With `coords` its patches have the size that the
            classifier was trained on.

        Returns
        -------
        pandas.Categorical of length N, or pandas.DataFrame (N, n_classes)
            With ``categories = classes``, or with ``columns = classes`` and float64 rows that
            sum to 1. The Categorical is ordered if the labels were. Missing for points outside
            the raster or without data in any band, and for rows of a table with a missing number.

        Raises
        ------
        InputError
            If `x` is not such an array, holds missing values, has other channels, or has
            patches that the encoder maps to no finite features.
        """
        is_list = isinstance(type, list | tuple) and not all(isinstance(t, str) for t in type)
        if is_list or hasattr(type, "shape"):
            raise InputError(
                "type",
                "must be one of 'class', 'prob'",
                found=builtins.type(type).__name__,
                hint="Points are given by name: predict(x, coords=points).",
            )
        choice("type", type, ("class", "prob"))
        probabilities = self.predict_proba(x, device=device, coords=coords, dataset=dataset)
        if type == "prob":
            return pd.DataFrame(probabilities, columns=self.classes)
        codes = np.where(np.isnan(probabilities).any(axis=1), -1, probabilities.argmax(axis=1))
        return pd.Categorical.from_codes(
            codes.tolist(), categories=self.classes, ordered=self.ordered
        )

    @plain
    def predict_proba(
        self,
        x: Any,
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.float64]:
        """Return class probabilities, shape (N, n_classes), float64, columns as in `classes`.

        Arguments and missing rows are those of `predict`.
        """
        return self.values(x, device, coords, dataset)

    def about_task(self) -> dict[str, Any]:
        """Return what printing says of the classes."""
        return {"classes": ", ".join(str(value) for value in self.classes)}

    @property
    def columns(self) -> list[ClassLabel]:
        """Names of what is predicted of a patch: a probability of each class."""
        return self.classes

    def n_patches(self) -> int | None:
        """Return on how many patches it was fitted, where that is known."""
        return None if self.class_counts is None else sum(self.class_counts)

"""`foundation_fit_classifier()`: check the data, train, wrap the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.labels import Labels, as_labels
from edaphos_bridge.data.normalisation import normalisation_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.classifier import FoundationClassifier
from edaphos_bridge.raster.centres import warn_of_overlap
from edaphos_bridge.training.loop import Report
from edaphos_bridge.training.progress import console
from edaphos_bridge.training.regimes import Trained, train_classifier
from edaphos_bridge.training.settings import FitSettings


@plain
def foundation_fit_classifier(
    encoder: Any,
    x: Any,
    y: Any,
    *,
    freeze_backbone: bool = True,
    head: str = "linear",
    hidden: int | Sequence[int] = (64, 32),
    dropout: float = 0.0,
    epochs: int = 30,
    batch_size: int = 32,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    backbone_lr_mult: float = 0.1,
    val_split: float = 0.2,
    device: str = "cpu",
    seed: int | None = None,
    verbose: bool = False,
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
    head : {"linear", "mlp"}
        One linear layer, or an MLP with `hidden` widths.
    hidden : sequence of int
        Hidden widths of the MLP.
    dropout : float
        Dropout probability in the MLP, in [0, 1).
    epochs, batch_size : int
        Passes over the training rows, and patches a step.
    lr : float
        Learning rate of Adam for the head, constant.
    weight_decay : float
        Adam's coupled weight decay, on head and backbone.
    backbone_lr_mult : float
        Factor on `lr` for the backbone.
    val_split : float
        Fraction of rows held out at random for validation, in [0, 1); 0 holds out none.
    device : {"cpu", "mps", "cuda"}
        Falls back to the cpu with a `DeviceFallbackWarning`.
    seed : int, optional
        The only source of randomness: same seed, machine and threads give bit-equal results.
        None draws one; ``fit.config["seed"]`` keeps it.
    verbose : bool
        Print loss and accuracy of epoch 1, every 10th and the last. Otherwise a progress
        bar shows in a terminal.

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
    settings = FitSettings.checked(
        freeze_backbone=freeze_backbone,
        head=head,
        hidden=hidden,
        dropout=dropout,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        weight_decay=weight_decay,
        backbone_lr_mult=backbone_lr_mult,
        val_split=val_split,
        seed=seed,
    )
    with console(flag("verbose", verbose)) as report:
        return fit_classifier(encoder, Patches(x), y, settings, device, report)


def fit_classifier(
    encoder: Any,
    patches: Patches,
    y: Any,
    settings: FitSettings,
    device: str,
    report: Report,
    draw: Callable[[], int] = draw_seed,
) -> FoundationClassifier:
    """Check the data, train, and wrap the result: what all entrances have in common."""
    target = resolve_device(device)
    module = as_module(encoder)
    labels = labels_of(patches, y)
    copied = own_copy_for(module, patches)
    if settings.val_split > 0:
        warn_of_overlap(patches.overlapping, len(patches))
    trained = train_classifier(copied, patches, labels, settings, target, report, draw)
    return classifier_of(trained, patches, labels, target)


def own_copy_for(module: nn.Module, patches: Patches) -> nn.Module:
    """Return a copy of an encoder that knows how its patches were made of raw cells.

    Patches of tiles are from then on read as it learnt to see them.

    Raises
    ------
    InputError
        If they come from a tile data set with another normalisation than the encoder's.
    """
    copied = own_copy(module)
    patches.read_for(copied, training=True)
    if patches.normalisation is not None:
        copied.normalisation = patches.normalisation.completed_by(  # type: ignore[assignment]
            normalisation_of(copied)
        )
    return copied


def labels_of(patches: Patches, y: Any) -> Labels:
    """Return the labels of `patches`, or raise `InputError`."""
    labels = as_labels(y)
    if len(labels) != len(patches):
        raise InputError(
            "y", f"must have one label for each of the {len(patches)} patches", found=len(labels)
        )
    return labels


def classifier_of(
    trained: Trained, patches: Patches, labels: Labels, device: torch.device
) -> FoundationClassifier:
    """Wrap what was trained on `patches` and `labels`."""
    return FoundationClassifier(
        encoder=trained.encoder,
        head=trained.head,
        classes=labels.classes,
        loss_history=trained.loss_history,
        val_accuracy_history=trained.val_accuracy_history,
        config=trained.settings.config(),
        feature_dim=trained.feature_dim,
        head_type=trained.settings.head,
        freeze_backbone=trained.settings.freeze_backbone,
        device=device.type,
        in_channels=patches.channels,
        patch_size=list(patches.shape[2:]),
        class_counts=labels.counts(),
        ordered=labels.ordered,
        overlapping=patches.overlapping,
    )

"""Ways of fine-tuning: `foundation_fine_tune()` and `foundation_finetune_classifier()`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag, number, whole
from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.classifier import fit_classifier
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import parting_in
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.errors import InputError, renamed
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.fits.run import fit_checked
from edaphos_bridge.training.decoder_settings import DecoderSettings
from edaphos_bridge.training.groups import encoder_groups
from edaphos_bridge.training.phase import HEAD_ALONE, Phase, foundation_phase
from edaphos_bridge.training.progress import ACCURACY, console
from edaphos_bridge.training.settings import AnyHead, HeadSettings, RecipeSettings

RECIPES = ("lp_ft", "gradual", "layerwise")
# Of fastai's optimiser and schedule.
_FASTAI: dict[str, Any] = {
    "schedule": "one_cycle",
    "weight_decay": 0.01,
    "decoupled": True,
    "decay_norms": False,
    "betas": (0.9, 0.99),
    "eps": 1e-5,
    "norms": "train",
}


@plain
def foundation_fine_tune(
    encoder_or_fit: Any,
    x: Any,
    y: Any,
    epochs: int = 5,
    base_lr: float = 2e-3,
    freeze_epochs: int = 1,
    lr_mult: float = 100.0,
    pct_start: float = 0.3,
    div: float = 5.0,
    *,
    weight_decay: float = 0.01,
    head: str | nn.Module | Callable[[int, int], nn.Module] = "linear",
    hidden: int | Sequence[int] = (512,),
    dropout: float | Sequence[float] = 0.5,
    split: Any = None,
    batch_size: int = 64,
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
) -> FoundationFit:
    """Fine-tune as fastai's ``fine_tune()`` does: the head alone first, then everything.

    Two one-cycle phases of AdamW: `freeze_epochs` of the head at `base_lr`, while the encoder's
    BatchNorm trains on; then `epochs` of all groups, at half of it for the head, and rates that
    fall from there in a geometric series to ``base_lr / 2 / lr_mult`` for the first block.

    Parameters
    ----------
    encoder_or_fit : torch.nn.Module or fit
        As in `foundation_fit_classifier`. A fit, of any task, is gone on from with its own head:
        `y` may have no other classes, labels or targets than its own.
    x, y : as in `foundation_fit_classifier`
    epochs, freeze_epochs : int
        Of all together, and before that of the head alone; `freeze_epochs` may be 0.
    base_lr : float
        Highest rate of the head in the first phase.
    lr_mult : float
        From the head's rate to that of the first block.
    pct_start, div : float
        Of the second phase; see `foundation_phase`.
    weight_decay : float
        Decoupled, of all but norm layers and biases.
    head, hidden, dropout : as in `foundation_fit_classifier`
        ``head="concat_pool"`` is fastai's, for encoders that show their feature maps. Of no use
        where a fit is gone on from.
    split : sequence of sequences of str, or callable, optional
        The groups of the encoder: names of its submodules for each, input first; or a function
        that gives their modules. By default its own ``groups()``, else its top-level parts.
    batch_size, val_split, device, seed, verbose : as in `foundation_fit_classifier`
    class_weight, label_smoothing, patience, augment : as in `foundation_fit_classifier`
    groups, blocks, block_size, buffer, folds, fold, validation, checkpoint_dir : as in
        `foundation_fit_classifier`

    Returns
    -------
    FoundationFit
        Of the class of the fit that was gone on from; from an encoder a `FoundationClassifier`.

    Raises
    ------
    InputError
        If an argument cannot be used; before any training.
    TrainingError
        If training diverges.

    References
    ----------
    Howard, J. and Gugger, S. (2020). fastai: a layered API for deep learning. Information 11.
    Recorded runs of fastai 2.8 are replayed in the tests.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_encoder, foundation_fine_tune
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = ["Oxisol", "Ultisol", "Inceptisol"] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> fit = foundation_fine_tune(encoder, x, y, epochs=2, seed=1)
    >>> len(fit.loss_history)
    3
    """
    settings = fine_tune_settings(
        epochs=epochs,
        base_lr=base_lr,
        freeze_epochs=freeze_epochs,
        lr_mult=lr_mult,
        pct_start=pct_start,
        div=div,
        weight_decay=weight_decay,
        head=head,
        hidden=hidden,
        dropout=dropout,
        batch_size=batch_size,
        val_split=val_split,
        seed=seed,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        patience=patience,
        augment=augment,
    )
    parting = parting_in(locals())
    folder = folder_or_none("checkpoint_dir", checkpoint_dir)
    how = {"parting": parting, "grouping": split, "checkpoint_dir": folder}
    with console("fine-tuning", flag("verbose", verbose), score_of(encoder_or_fit)) as events:
        return finetuned(encoder_or_fit, Patches(x), y, settings, device, events, **how)


@plain
def foundation_finetune_classifier(
    fit: Any,
    x: Any,
    y: Any,
    *,
    recipe: str | Sequence[Phase] = "lp_ft",
    epochs: int = 10,
    lr: float = 1e-4,
    lr_mult: float = 10.0,
    weight_decay: float = 0.0,
    split: Any = None,
    batch_size: int = 32,
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
) -> FoundationFit:
    """Go on from a fit: train its encoder together with its head, by a recipe.

    Parameters
    ----------
    fit : FoundationFit
        Of any task; is left as it is. Of a linear probe, "lp_ft" is linear probing, then
        fine-tuning.
    x, y : as in `foundation_fit_classifier`
        `y` may have no other classes, labels or targets than the fit's.
    recipe : {"lp_ft", "gradual", "layerwise"} or sequence of Phase
        What trains, in which order:

        * ``"lp_ft"``: all groups, the encoder at ``lr / lr_mult``;
        * ``"gradual"``: `epochs` for the last block of the encoder and the head, as many with one
          more block, and so on down to the first;
        * ``"layerwise"``: all groups, with rates that fall in a geometric series from `lr` of the
          head to ``lr / lr_mult`` of the first block;
        * phases of your own, by `foundation_phase`.
    epochs : int
        Of each phase; phases of your own have theirs.
    lr, lr_mult, weight_decay : float
        See `recipe`; Adam with coupled decay.
    split : as in `foundation_fine_tune`
    batch_size, val_split, device, seed, verbose : as in `foundation_fit_classifier`
    class_weight, label_smoothing, patience, augment : as in `foundation_fit_classifier`
    groups, blocks, block_size, buffer, folds, fold, validation, checkpoint_dir : as in
        `foundation_fit_classifier`

    Returns
    -------
    FoundationFit
        Of the class of the fit that was gone on from.

    Raises
    ------
    InputError
        If an argument cannot be used; before any training.
    TrainingError
        If training diverges.

    References
    ----------
    Kumar, A. et al. (2022). Fine-tuning can distort pretrained features and underperform
    out-of-distribution. ICLR. (lp_ft)
    Howard, J. and Ruder, S. (2018). Universal language model fine-tuning for text
    classification. ACL. (gradual, layerwise)

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_encoder, foundation_finetune_classifier
    >>> from edaphos_bridge import foundation_fit_classifier
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = ["Oxisol", "Ultisol", "Inceptisol"] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> probe = foundation_fit_classifier(encoder, x, y, epochs=3, seed=1)
    >>> fit = foundation_finetune_classifier(probe, x, y, recipe="layerwise", epochs=2, seed=1)
    >>> len(fit.loss_history)
    2
    """
    module = as_module(fit, "fit")
    settings = recipe_settings(
        len(encoder_groups(module, split)),
        recipe=recipe,
        epochs=epochs,
        lr=lr,
        lr_mult=lr_mult,
        weight_decay=weight_decay,
        batch_size=batch_size,
        val_split=val_split,
        seed=seed,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        patience=patience,
        augment=augment,
    )
    start = as_fit(fit)
    parting = parting_in(locals())
    folder = folder_or_none("checkpoint_dir", checkpoint_dir)
    how = {"parting": parting, "grouping": split, "checkpoint_dir": folder}
    with console("fine-tuning", flag("verbose", verbose), score_of(start)) as events:
        return finetuned(start, Patches(x), y, settings, device, events, **how)


def score_of(start: Any) -> tuple[str, str]:
    """Return the name of the score of what is gone on from, and how it is shown."""
    is_fit = isinstance(start, FoundationFit)
    return (start.score_name, start.task.score_format) if is_fit else ACCURACY


def as_fit(fit: Any) -> FoundationFit:
    """Return a fit, or raise `InputError`."""
    if isinstance(fit, FoundationFit):
        return fit
    raise InputError(
        "fit",
        "must be a fit of foundation_fit_classifier() or its sisters",
        found=type(fit).__name__,
        hint="foundation_fine_tune() begins with an encoder.",
    )


def fine_tune_settings(
    *,
    epochs: Any,
    base_lr: Any,
    freeze_epochs: Any,
    lr_mult: Any,
    pct_start: Any,
    div: Any,
    weight_decay: Any,
    **common: Any,
) -> RecipeSettings:
    """Return the settings of fastai's recipe, or raise `InputError`."""
    base_lr = number("base_lr", base_lr, above=0)
    lr_mult = number("lr_mult", lr_mult, above=0)
    freeze_epochs = whole("freeze_epochs", freeze_epochs, minimum=0)
    fastai = {**_FASTAI, "weight_decay": weight_decay}
    phases = []
    if freeze_epochs:
        frozen = foundation_phase(freeze_epochs, slice(base_lr), pct_start=0.99, **fastai)
        phases.append(replace(frozen, freeze_to=HEAD_ALONE))
    rates = (base_lr / 2 / lr_mult, base_lr / 2)
    phases.append(foundation_phase(epochs, rates, pct_start=pct_start, div=div, **fastai))
    return RecipeSettings.checked(recipe="fine_tune", phases=phases, **common)


def recipe_settings(
    n_blocks: int,
    *,
    recipe: Any,
    epochs: Any,
    lr: Any,
    lr_mult: Any,
    weight_decay: Any,
    **common: Any,
) -> RecipeSettings:
    """Return the settings of a recipe for an encoder of `n_blocks`, or raise `InputError`."""
    head = {"head": "linear", "hidden": (), "dropout": 0.0}  # the fit's takes its place
    if isinstance(recipe, Sequence) and not isinstance(recipe, str):
        wrong = [type(phase).__name__ for phase in recipe if not isinstance(phase, Phase)]
        if wrong or not recipe:
            raise InputError(
                "recipe",
                "must be phases",
                found=", ".join(wrong) or "none",
                hint="foundation_phase() makes one.",
            )
        return RecipeSettings.checked(recipe="phases", phases=recipe, **head, **common)
    if not isinstance(recipe, str) or recipe not in RECIPES:
        names = ", ".join(map(repr, RECIPES))
        raise InputError(
            "recipe",
            f"must be one of {names}, or a list of phases",
            found=recipe,
            hint="foundation_phase() makes one.",
        )
    name = str(recipe)
    epochs, lr = whole("epochs", epochs), number("lr", lr, above=0)
    lr_mult = number("lr_mult", lr_mult, above=0)
    rates = (lr / lr_mult, lr)
    usual = foundation_phase(epochs, rates, weight_decay=weight_decay)
    phases = [usual]
    if name == "lp_ft":
        phases = [replace(usual, lr=lr, backbone_lr_mult=1 / lr_mult)]
    elif name == "gradual":
        phases = [replace(usual, freeze_to=first) for first in reversed(range(n_blocks))]
    return RecipeSettings.checked(recipe=name, phases=phases, **head, **common)


def finetuned(
    start: Any, patches: Patches, y: Any, settings: RecipeSettings, *run: Any, **how: Any
) -> FoundationFit:
    """Train a classifier from an encoder, or go on from a fit of any task with its head.

    `run` and `how` are further arguments of `fit_checked`.
    """
    if not isinstance(start, FoundationFit):
        return fit_classifier(as_module(start, "encoder_or_fit"), patches, y, settings, *run, **how)
    head = _head_of(start)
    how = {"head": own_copy(start.head).requires_grad_(True), **how}
    with renamed("masks", "y"):
        return fit_checked(
            type(start),
            lambda: start.learnt_again(patches, y, settings),
            start.encoder,
            patches,
            replace(settings, head=head),
            *run,
            **how,
        )


def _head_of(fit: FoundationFit) -> AnyHead:
    """Return which head a fit has."""
    if fit.task.has_masks:
        return DecoderSettings(fit.head_type)
    dropout = fit.config["dropout"]
    shares = tuple(dropout) if isinstance(dropout, list) else dropout
    return HeadSettings(fit.head_type, tuple(fit.config["hidden"]), shares)

"""Regressors: `foundation_fit_regressor()` and the fit that it returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, flag
from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import parting_in
from edaphos_bridge.data.targets import Targets, as_targets
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.fits.run import fit_checked
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tasks.regression import LOSSES, Regression
from edaphos_bridge.training.progress import console
from edaphos_bridge.training.settings import FitSettings, RecipeSettings, no_class_weight


@plain
def foundation_fit_regressor(
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
    loss: str = "mse",
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
) -> FoundationRegressor:
    """Train a regression head on an encoder against patches with measured numbers.

    Targets are centred and scaled inside, by their mean and standard deviation (with N - 1) over
    all rows, and predictions are scaled back: they are in the unit of `y`. Everything else is
    as in `foundation_fit_classifier`. Nothing that is given is changed.

    Parameters
    ----------
    encoder, x
        As in `foundation_fit_classifier`.
    y : array-like, Series, DataFrame or torch.Tensor of real numbers, shape (N,) or (N, T)
        The target of each patch, or T targets of each, which one head learns together: the
        columns of a table. Those without names are called y1, y2 and so on.
    freeze_backbone, head, hidden, dropout, epochs, batch_size, lr, weight_decay
        As in `foundation_fit_classifier`.
    backbone_lr_mult, val_split, device, seed
        As in `foundation_fit_classifier`.
    loss : {"mse", "huber"}
        Of the scaled targets: the mean squared error, or Huber's, which grows with the absolute
        error where that is more than one standard deviation, so that outliers weigh less. The
        mean over targets where there are several.
    verbose : bool
        Print loss and root mean squared error of epoch 1, every 10th and the last. Otherwise a
        progress bar shows in a terminal.

    patience, augment, groups, blocks, block_size, buffer, folds, fold, validation, \
checkpoint_dir
        As in `foundation_fit_classifier`; `patience` watches the score of the validation rows.

    Returns
    -------
    FoundationRegressor

    Raises
    ------
    InputError
        If an argument cannot be used, a target is missing or infinite, or one is constant; before
        any training.
    TrainingError
        If training diverges.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35, 73-101.

    Examples
    --------
    >>> from edaphos_bridge import foundation_encoder, foundation_fit_regressor
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> clay = 30 + 20 * x[:, 0].mean(axis=(1, 2))
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> fit = foundation_fit_regressor(encoder, x, clay, epochs=3, seed=1)
    >>> fit.predict(x[:2]).shape
    (2,)
    >>> table = pd.DataFrame({"clay": clay, "sand": 90 - clay})
    >>> fit = foundation_fit_regressor(encoder, x, table, epochs=3, seed=1)
    >>> fit.predict(x[:2]).columns.tolist()
    ['clay', 'sand']
    """
    settings = FitSettings.among(locals())
    parting = parting_in(locals())
    folder = folder_or_none("checkpoint_dir", checkpoint_dir)
    with console("regressor", flag("verbose", verbose), RMSE) as events:
        return fit_regressor(
            encoder,
            Patches(x),
            y,
            loss,
            settings,
            device,
            events,
            parting=parting,
            checkpoint_dir=folder,
        )


def fit_regressor(
    encoder: Any,
    patches: Patches,
    y: Any,
    loss: Any,
    settings: FitSettings,
    *run: Any,
    **how: Any,
) -> FoundationRegressor:
    """Check the data and train; `run` and `how` are further arguments of `fit_checked`."""
    loss_fn = choice("loss", loss, tuple(LOSSES))

    def learn() -> tuple[Regression, torch.Tensor]:
        targets = targets_of(patches, y)
        task = Regression.of(targets, loss_fn)
        return task, task.scaled(targets)

    return fit_checked(FoundationRegressor, learn, encoder, patches, settings, *run, **how)


def targets_of(patches: Patches, y: Any) -> Targets:
    """Return the targets of `patches`, or raise `InputError`."""
    targets = as_targets(y)
    if len(targets) != len(patches):
        raise InputError(
            "y", f"must have one row for each of the {len(patches)} patches", found=len(targets)
        )
    return targets


class FoundationRegressor(FoundationFit):
    """A trained encoder and regression head, as returned by `foundation_fit_regressor`.

    Attributes
    ----------
    encoder, head, feature_dim, head_type, freeze_backbone, device, in_channels, patch_size, \
overlapping
        As in `FoundationClassifier`.
    targets : list of str or None
        Names of several targets, or of one that was given in a table; None of one without.
    y_mean, y_sd : float, or list of float
        Mean and standard deviation of the target over all rows, validation rows included; a list
        where there are several.
    loss_fn : {"mse", "huber"}
    loss_history, val_rmse_history : list of float
        One value an epoch: the mean loss of scaled targets, and the root mean squared error on
        the validation rows in the target's unit, NaN when ``val_split=0``. Of several targets
        the mean of theirs, each in its own unit.
    config : dict
        The settings of the fit, with `loss` and the seed used.
    """

    task: Regression
    task_class = Regression
    title = "edaphos_foundation_regressor"
    score_name = "val_rmse"

    @property
    def targets(self) -> list[str] | None:
        """Names of several targets, or of one that was given in a table."""
        return self.task.names

    @property
    def y_mean(self) -> float | list[float]:
        """Mean of the target, or of each, over all rows."""
        return self.task.means[0] if self.targets is None else self.task.means

    @property
    def y_sd(self) -> float | list[float]:
        """Standard deviation of the target, or of each, over all rows."""
        return self.task.sds[0] if self.targets is None else self.task.sds

    @property
    def loss_fn(self) -> str:
        """Which loss of scaled targets was minimised."""
        return self.task.loss_fn

    @property
    def val_rmse_history(self) -> list[float]:
        """Root mean squared error on the validation rows, one value an epoch."""
        return self.score_history

    def learnt_again(
        self, patches: Patches, y: Any, settings: RecipeSettings
    ) -> tuple[Regression, torch.Tensor]:
        """Return task and targets of other numbers, scaled as this fit's were."""
        no_class_weight(settings)
        targets = targets_of(patches, y)
        if targets.names != self.targets:
            own = "one without a name" if self.targets is None else ", ".join(self.targets)
            raise InputError("y", f"must have the targets of the fit: {own}", found=targets.names)
        task = replace(self.task, n=len(targets))
        return task, task.scaled(targets)

    @plain
    def predict(
        self,
        x: Any,
        type: str = "response",
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.float64] | pd.DataFrame:
        """Predict the targets of patches, in their own units, in batches.

        Parameters
        ----------
        x, device, coords, dataset
            As in `FoundationClassifier.predict`.
        type : {"response"}
            There is nothing else to predict.

        Returns
        -------
        numpy.ndarray, shape (N,), float64, or pandas.DataFrame (N, T)
            A table where targets have names. Missing for points outside the raster or without
            data in any band.

        Raises
        ------
        InputError
            As `FoundationClassifier.predict`.
        """
        choice("type", type, ("response",))
        values = self.values(x, device, coords, dataset)
        return values[:, 0] if self.targets is None else pd.DataFrame(values, columns=self.targets)

    def about_task(self) -> dict[str, Any]:
        """Return what printing says of the targets and the loss."""
        names = self.targets or ["target"]
        spread = [
            f"{name} {mean:.4g} (sd {sd:.4g})"
            for name, mean, sd in zip(names, self.task.means, self.task.sds, strict=True)
        ]
        what = "target" if self.targets is None else "targets"
        text = ", ".join(spread).removeprefix("target ")
        return {what: text, "loss": self.loss_fn}

    @property
    def columns(self) -> list[str] | None:
        """Names of what is predicted of a patch: the targets."""
        return self.targets

    def n_patches(self) -> int:
        """Return on how many patches it was fitted."""
        return self.task.n


RMSE = (FoundationRegressor.score_name, Regression.score_format)

"""A regressor of scikit-learn: `FoundationRegressorEstimator`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.interrupts import held
from edaphos_bridge.regressor import FoundationRegressor, foundation_fit_regressor
from edaphos_bridge.sklearn.estimator import PatchEstimator, Self

with held():
    from sklearn.base import RegressorMixin


class FoundationRegressorEstimator(RegressorMixin, PatchEstimator):
    """`foundation_fit_regressor` as a regressor of scikit-learn.

    Parameters
    ----------
    encoder, patch_shape, random_state
        As in `FoundationClassifierEstimator`.
    freeze_backbone, head, hidden, dropout, epochs, batch_size, lr, weight_decay, \
backbone_lr_mult, loss, val_split, device, verbose, patience, augment
        As in `foundation_fit_regressor`.

    Attributes
    ----------
    fit_ : FoundationRegressor
        The fit, with its `save`, histories and modules.
    n_features_in_, feature_names_in_
        As in `FoundationClassifierEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge.sklearn import FoundationRegressorEstimator
    >>> x = np.random.default_rng(1).normal(size=(30, 4, 9, 9))
    >>> clay = 30 + 20 * x[:, 0].mean(axis=(1, 2))
    >>> FoundationRegressorEstimator(epochs=2, random_state=1).fit(x, clay).predict(x[:5]).shape
    (5,)
    """

    fit_: FoundationRegressor

    def __init__(
        self,
        encoder: Any = None,
        *,
        patch_shape: Sequence[int] | None = None,
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
        random_state: Any = None,
        verbose: bool = False,
        patience: int | None = None,
        augment: bool | Mapping[str, float] = False,
    ) -> None:
        self.encoder = encoder
        self.patch_shape = patch_shape
        self.freeze_backbone = freeze_backbone
        self.head = head
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.backbone_lr_mult = backbone_lr_mult
        self.loss = loss
        self.val_split = val_split
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.patience = patience
        self.augment = augment

    def fit(self: Self, X: Any, y: Any, groups: Any = None) -> Self:
        """Train on patches and numbers.

        Parameters
        ----------
        X, groups
            As in `FoundationClassifierEstimator.fit`.
        y : array-like of real numbers, shape (N,) or (N, T)
            One target of each patch, or T of them.

        Returns
        -------
        FoundationRegressorEstimator
            Itself.

        Raises
        ------
        InputError
            As in `FoundationClassifierEstimator.fit`.
        """
        patches, y = self._training_data(X, y, multi_output=True, y_numeric=True)
        self.fit_ = foundation_fit_regressor(y=y, **self._arguments(patches, groups))
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the targets in their units, shape (N,), or (N, T) as `y` had."""
        patches = self._patches(X)
        return np.asarray(self.fit_.predict(patches))

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn that there may be several targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, Any]:
        """Say the same to scikit-learn before 1.6."""
        return {"multioutput": True}

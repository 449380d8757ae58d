"""A classifier of scikit-learn: `FoundationClassifierEstimator`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.interrupts import held
from edaphos_bridge.classifier import FoundationClassifier, foundation_fit_classifier
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.sklearn.estimator import PatchEstimator, Self

with held():
    from sklearn.base import ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets


class FoundationClassifierEstimator(ClassifierMixin, PatchEstimator):
    """`foundation_fit_classifier` as a classifier of scikit-learn.

    Parameters
    ----------
    encoder : torch.nn.Module or a fit with an ``encoder``, optional
        As in `foundation_fit_classifier`. None makes an untrained
        ``foundation_encoder("simclr", C)`` for patches of C channels.
    patch_shape : tuple of three int, optional
        ``(C, H, W)`` of patches whose cells stand in the columns of a table, the last
        dimension fastest, so that steps such as ``StandardScaler`` may come before. One of the
        three may be -1, which is then what the columns leave. None: `X` are the patches.
    freeze_backbone, head, hidden, dropout, epochs, batch_size, lr, weight_decay, \
backbone_lr_mult, val_split, device, verbose, label_smoothing, patience, augment
        As in `foundation_fit_classifier`.
    class_weight : str or mapping from classes to float, optional
        As in `foundation_fit_classifier`; classes may also be named as they stand in `y`.
    random_state : int, numpy.random.RandomState, optional
        The seed of `foundation_fit_classifier`: with an int every fit is that of ``seed=``. From a
        RandomState each fit draws one, and from NumPy's global one for None.

    Attributes
    ----------
    fit_ : FoundationClassifier
        The fit, with its `save`, histories and modules.
    classes_ : numpy.ndarray, shape (n_classes,)
        The classes, sorted as scikit-learn has them: the order of columns.
    n_features_in_ : int
        Columns of `X`, with `patch_shape` only.
    feature_names_in_ : numpy.ndarray of str
        Their names, where `X` is a table with names.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from edaphos_bridge.sklearn import FoundationClassifierEstimator
    >>> x = np.random.default_rng(1).normal(size=(30, 4, 9, 9))
    >>> y = np.array(["Oxisol", "Ultisol", "Inceptisol"] * 10)
    >>> estimator = FoundationClassifierEstimator(epochs=2, random_state=1)
    >>> cross_val_score(estimator, x, y, cv=3).shape
    (3,)
    """

    fit_: FoundationClassifier
    classes_: NDArray[Any]

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
        val_split: float = 0.2,
        device: str = "cpu",
        random_state: Any = None,
        verbose: bool = False,
        class_weight: str | Mapping[Any, float] | None = None,
        label_smoothing: float = 0.0,
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
        self.val_split = val_split
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.patience = patience
        self.augment = augment

    def fit(self: Self, X: Any, y: Any, groups: Any = None) -> Self:
        """Train on patches and labels.

        Parameters
        ----------
        X : array-like, shape (N, C, H, W), or (N, C * H * W) with `patch_shape`
            Patches: whatever `foundation_fit_classifier` takes, or a table.
        y : array-like of str, int or bool, shape (N,)
            Labels. The order of a Categorical counts for nothing here.
        groups : array-like, shape (N,), optional
            Rows of a group stand on one side of the split of `val_split`.

        Returns
        -------
        FoundationClassifierEstimator
            Itself.

        Raises
        ------
        InputError
            If something given cannot be used; a ValueError. What scikit-learn finds in a table is a
            ValueError or TypeError of its own.
        """
        patches, y = self._training_data(X, y)
        if self.patch_shape is not None:
            check_classification_targets(y)
        labels = as_labels(_whole_numbers(y))
        given = np.array(labels.classes)[labels.codes.numpy()]
        self.classes_, codes = np.unique(given, return_inverse=True)
        target = pd.Categorical.from_codes(codes, categories=self.classes_.tolist())
        arguments = self._arguments(patches, groups)
        if isinstance(self.class_weight, Mapping):
            weights = self.class_weight.items()
            arguments["class_weight"] = {str(_whole(label)): weight for label, weight in weights}
        self.fit_ = foundation_fit_classifier(y=target, **arguments)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each patch, shape (N,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (N, n_classes), with columns as in `classes_`."""
        patches = self._patches(X)
        return self.fit_.predict_proba(patches)


def _whole(label: Any) -> Any:
    """Return the name of a class as `_whole_numbers` makes it."""
    is_whole = isinstance(label, float | np.floating) and float(label).is_integer()
    return int(label) if is_whole else label


def _whole_numbers(y: Any) -> Any:
    """Return labels such as 0.0 and 1.0, which scikit-learn takes for classes, as integers."""
    if getattr(getattr(y, "dtype", None), "kind", "") != "f":
        return y
    values = np.asarray(y)
    is_whole = np.isfinite(values).all() and (values == np.trunc(values)).all()
    return values.astype(np.int64) if is_whole else y

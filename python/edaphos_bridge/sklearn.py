"""The verbs as estimators of scikit-learn: for its pipelines, splits, searches and scores.

They need the package scikit-learn: ``pip install scikit-learn``.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.basics.interrupts import held
from edaphos_bridge.classifier import FoundationClassifier, foundation_fit_classifier
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.foundation import foundation_encoder
from edaphos_bridge.errors import InputError

try:
    with held():
        from sklearn.base import BaseEstimator, ClassifierMixin
        from sklearn.utils import check_random_state
        from sklearn.utils import validation as sklearn_validation
        from sklearn.utils.multiclass import check_classification_targets
except ImportError as error:
    raise ImportError(
        "Estimators need the package scikit-learn. Install it with `pip install scikit-learn`."
    ) from error

Self = TypeVar("Self", bound="FoundationClassifierEstimator")

_OWN_SETTINGS = ("encoder", "patch_shape", "random_state")
_MOST_OF_SEEDS = 2**31 - 1
_LARGEST_SEED = 2**53


class _PatchEstimator(BaseEstimator):
    """What the estimators share: `X` becomes patches, and settings the arguments of a verb.

    A constructor has the settings of its verb, under their names, beside `_OWN_SETTINGS`.
    """

    encoder: Any
    patch_shape: Sequence[int] | None
    random_state: Any

    def _training_data(self, X: Any, y: Any, **how: Any) -> tuple[Any, Any]:
        """Return patches and targets; those of a table are checked as scikit-learn does."""
        if self.patch_shape is None:
            return _four_dimensional(X), y
        X, y = _validated(self, X, y, ensure_min_samples=2, **how)
        return _as_patches(X, self.patch_shape), y

    def _patches(self, X: Any) -> Any:
        """Return patches to predict, of the kind that was learnt from."""
        sklearn_validation.check_is_fitted(self)
        if self.patch_shape is None:
            return _four_dimensional(X)
        return _as_patches(_validated(self, X, reset=False), self.patch_shape)

    def _arguments(self, patches: Any) -> dict[str, Any]:
        """Return encoder and settings of a fit, with a seed that is drawn for it."""
        seed = _seed(self.random_state)
        settings = self.get_params(deep=False)
        settings = {name: settings[name] for name in settings if name not in _OWN_SETTINGS}
        encoder = self.encoder
        if encoder is None:
            encoder = foundation_encoder("simclr", Patches(patches).channels, seed=seed)
        return {"encoder": encoder, "seed": seed, **settings}

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn that `X` is no table, but with `patch_shape`."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.patch_shape is not None
        return tags


class FoundationClassifierEstimator(ClassifierMixin, _PatchEstimator):
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
backbone_lr_mult, val_split, device, verbose
        As in `foundation_fit_classifier`.
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
        random_state: Any = None,
        verbose: bool = False,
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
        split = {} if groups is None else {"groups": groups}
        arguments = self._arguments(patches)
        self.fit_ = foundation_fit_classifier(x=patches, y=target, **arguments, **split)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each patch, shape (N,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (N, n_classes), with columns as in `classes_`."""
        patches = self._patches(X)
        return self.fit_.predict_proba(patches)


def _validated(estimator: Any, X: Any, *y: Any, **how: Any) -> Any:
    """Return tables as scikit-learn checks them, which notes their columns in `estimator`."""
    if hasattr(sklearn_validation, "validate_data"):
        return sklearn_validation.validate_data(estimator, X, *y, **how)
    return estimator._validate_data(X, *y, **how)  # before scikit-learn 1.6


def _four_dimensional(X: Any) -> Any:
    """Return `X`, or raise `InputError` where it is a table."""
    if getattr(X, "ndim", 4) == 2:
        raise InputError(
            "X",
            "must have the four dimensions (N, C, H, W): patches, channels, height, width",
            found=list(X.shape),
            hint="For a table give `patch_shape`, the (C, H, W) of its rows.",
        )
    Patches(X, allow_empty=True, argument="X")
    return X


def _as_patches(X: NDArray[Any], patch_shape: Any) -> NDArray[Any]:
    """Return the rows of a table as patches, or raise `InputError` if they have no such shape."""
    problem = "must be three whole numbers (C, H, W), one of which may be -1"
    if isinstance(patch_shape, str | bytes) or not isinstance(patch_shape, Iterable):
        raise InputError("patch_shape", problem, found=patch_shape)
    extents = list(patch_shape)
    known = [whole("patch_shape", extent) for extent in extents if extent != -1]
    if len(extents) != 3 or len(known) < 2:
        raise InputError("patch_shape", problem, found=extents)
    columns, cells = X.shape[1], int(np.prod(known))
    if columns != cells if len(known) == 3 else columns % cells:
        raise InputError(
            "patch_shape", f"must be of as many cells as `X` has columns, {columns}", found=extents
        )
    return X.reshape(len(X), *map(int, extents))


def _whole_numbers(y: Any) -> Any:
    """Return labels such as 0.0 and 1.0, which scikit-learn takes for classes, as integers."""
    if getattr(getattr(y, "dtype", None), "kind", "") != "f":
        return y
    values = np.asarray(y)
    is_whole = np.isfinite(values).all() and (values == np.trunc(values)).all()
    return values.astype(np.int64) if is_whole else y


def _seed(random_state: Any) -> int:
    """Return the seed of a fit: `random_state` itself, or one drawn from it."""
    if isinstance(random_state, numbers.Integral):
        bounds = {"minimum": -_LARGEST_SEED, "maximum": _LARGEST_SEED}
        kind = "whole number between -2^53 and 2^53"
        return whole("random_state", random_state, kind=kind, **bounds)
    return int(check_random_state(random_state).randint(_MOST_OF_SEEDS))

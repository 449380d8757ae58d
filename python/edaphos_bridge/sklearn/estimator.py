"""What the estimators share: tables or patches, an encoder, a seed, and the settings of a verb."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.basics.interrupts import held
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.foundation import foundation_encoder
from edaphos_bridge.errors import InputError

with held():
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_random_state
    from sklearn.utils import validation as sklearn_validation

Self = TypeVar("Self", bound="PatchEstimator")

_OWN_SETTINGS = ("encoder", "patch_shape", "random_state")
_MOST_OF_SEEDS = 2**31 - 1
_LARGEST_SEED = 2**53


class PatchEstimator(BaseEstimator):
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

    def _arguments(self, patches: Any, groups: Any) -> dict[str, Any]:
        """Return the arguments of a fit but for its targets, with a seed that is drawn for it."""
        seed = _seed(self.random_state)
        settings = self.get_params(deep=False)
        settings = {name: settings[name] for name in settings if name not in _OWN_SETTINGS}
        encoder = self.encoder
        if encoder is None:
            encoder = foundation_encoder("simclr", Patches(patches).channels, seed=seed)
        split = {} if groups is None else {"groups": groups}
        return {"encoder": encoder, "x": patches, "seed": seed, **settings, **split}

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn that `X` is no table, but with `patch_shape`."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.patch_shape is not None
        return tags


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


def _seed(random_state: Any) -> int:
    """Return the seed of a fit: `random_state` itself, or one drawn from it."""
    if isinstance(random_state, numbers.Integral):
        bounds = {"minimum": -_LARGEST_SEED, "maximum": _LARGEST_SEED}
        kind = "whole number between -2^53 and 2^53"
        return whole("random_state", random_state, kind=kind, **bounds)
    return int(check_random_state(random_state).randint(_MOST_OF_SEEDS))

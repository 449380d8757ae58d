"""Calls that fit regressors, and the object that R gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.interop.calls.fits import fit_fields
from edaphos_bridge.interop.calls.held import encoder_behind, patches
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.interop.calls.splits import kept_in, parting_of
from edaphos_bridge.regressor import RMSE, FoundationRegressor, fit_regressor
from edaphos_bridge.training.settings import FitSettings


@plain
def regress(
    encoder: Any,
    x: Any,
    targets: dict[str, Any],
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    """``foundation_fit_regressor()``: the fit as plain values.

    `targets` has ``values``, an array of doubles (N,) or (N, T), and the ``names`` of columns.
    """
    loss = settings.pop("loss")
    parting = parting_of(settings.pop("parting", None))
    checked = FitSettings.checked(**settings)
    flag("verbose", verbose)
    values, names = targets["values"], targets["names"]
    fitted = fit_regressor(
        encoder_behind(encoder),
        patches(x),
        values if names is None else pd.DataFrame(values, columns=names),
        loss,
        checked,
        place["device"],
        ToldToR("regressor", on_epoch, RMSE),
        draw,
        parting=parting,
        **kept_in(place),
    )
    return regressor_fields(fitted)


def regressor_fields(fitted: FoundationRegressor) -> dict[str, Any]:
    """Return the elements of the R object."""
    return fit_fields(
        fitted,
        targets=fitted.targets,
        y_mean=fitted.y_mean,
        y_sd=fitted.y_sd,
        loss_fn=fitted.loss_fn,
        n_patches=fitted.n_patches(),
        val_rmse_history=fitted.val_rmse_history,
    )

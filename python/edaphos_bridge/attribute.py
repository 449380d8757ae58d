"""What a fit looks at in patches: `foundation_attribute()`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, number, whole
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.data.labels import of_label
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.interpretation.attribution import (
    attributed,
    captum,
    grad_cam,
    integrated_gradients,
)
from edaphos_bridge.interpretation.attribution_result import FoundationAttribution
from edaphos_bridge.interpretation.outputs import (
    CLASSIFICATION,
    REGRESSION,
    as_fit,
    as_patches,
    band_names,
    target_names,
    values_of,
)

COARSE = 16
"""Patches of fewer cells a side have feature maps of so few that Grad-CAM says little."""


@plain
def foundation_attribute(
    fit: Any,
    x: Any,
    method: str | None = None,
    target: Any = None,
    *,
    baseline: Any = 0.0,
    n_steps: int = 50,
) -> FoundationAttribution:
    """Attribute an output of a fit to the cells and bands of patches, by captum.

    Grad-CAM works on the encoder's last feature map, which has a quarter of the patch's cells or
    fewer: of a patch of 9 x 9 cells a MoCo encoder keeps 5 x 5. So for patches under 16 cells a
    side it is coarse, and integrated gradients, which tell each cell of each band, are the default.

    Parameters
    ----------
    fit : FoundationClassifier, FoundationRegressor or FoundationProbeSweep
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches, as in `foundation_fit_classifier`; all are held in memory.
    method : {"grad_cam", "integrated_gradients"}, optional
        By default "integrated_gradients" for patches under 16 cells a side, else "grad_cam".
    target : class, or name of a target, optional
        Whose output is attributed (of a class its logit); by default the class predicted for each
        patch, of a regressor its first target.
    baseline : float or sequence of C floats
        For integrated gradients: what stands for no information, of all bands or of each. Of
        patches with zero mean, 0 is the mean.
    n_steps : int
        For integrated gradients: steps of the integral.

    Returns
    -------
    FoundationAttribution
        With ``values``, ``as_table()`` and ``plot()``.

    Raises
    ------
    InputError
        If an argument cannot be used; before anything is attributed.
    EdaphosError
        If captum is not there.

    References
    ----------
    Selvaraju, R. R. et al. (2017). Grad-CAM. ICCV.
    Sundararajan, M., Taly, A. and Yan, Q. (2017). Axiomatic attribution for deep networks. ICML.
    """
    return attribute(fit, x, method, target, baseline, n_steps)


def attribute(
    fit: Any,
    x: Any,
    method: Any,
    target: Any,
    baseline: Any,
    n_steps: Any,
    *,
    first_band: int = 0,
) -> FoundationAttribution:
    """Do what `foundation_attribute` does; bands without names are counted from `first_band`."""
    known = as_fit(fit, CLASSIFICATION, REGRESSION)
    patches = as_patches(x)
    if method is None:
        method = "integrated_gradients" if min(patches.shape[2:]) < COARSE else "grad_cam"
    choice("method", method, ("grad_cam", "integrated_gradients"))
    names = known.task.classes if known.task.name == CLASSIFICATION else target_names(known)
    wanted = None if target is None else _position(target, names)
    without = _baseline(baseline, patches.channels)
    steps = whole("n_steps", n_steps)
    captum()  # or it is said that it is not there
    values = values_of(known, patches)  # checks that the patches fit
    codes = _codes(known, values, wanted)
    device = resolve_device(known.device)
    encoder, head = (copy.deepcopy(part).to(device).eval() for part in (known.encoder, known.head))
    cells = patches.tensor().numpy()
    if method == "grad_cam":
        attribution = grad_cam(encoder, head, torch.from_numpy(cells[:1]).to(device))
    else:
        attribution = integrated_gradients(Model(encoder, head), without.to(device), steps)
    is_classifier = known.task.name == CLASSIFICATION
    return FoundationAttribution(
        values=attributed(attribution, cells, codes, device),
        method=method,
        target=[names[code] for code in codes],
        prediction=(
            [names[code] for code in values.argmax(axis=1)]
            if is_classifier
            else values[np.arange(len(codes)), codes].tolist()
        ),
        patches=cells,
        bands=band_names(known, first_band),
    )


def _codes(fit: FoundationFit, values: NDArray[np.float64], wanted: int | None) -> NDArray[np.intp]:
    """Return which output is attributed, for each patch."""
    if wanted is None and fit.task.name == CLASSIFICATION:
        return values.argmax(axis=1)
    return np.full(len(values), wanted or 0, dtype=np.intp)


def _position(target: Any, names: list[Any]) -> int:
    positions = {str(name): position for position, name in enumerate(names)}
    is_whole = isinstance(target, float) and target.is_integer()  # as R has numbers
    position = of_label(positions, int(target) if is_whole else target)
    if position is None:
        raise InputError("target", f"must be one of {', '.join(positions)}", found=target)
    return position


def _baseline(baseline: Any, channels: int) -> torch.Tensor:
    """Return the patch without information, shape (1, C, 1, 1)."""
    is_one = np.ndim(baseline) == 0
    values = [baseline] * channels if is_one else list(baseline)
    if len(values) != channels:
        raise InputError(
            "baseline",
            f"must be one number, or one for each of {channels} bands",
            found=len(values),
        )
    found = [number("baseline", value) for value in values]
    return torch.tensor(found, dtype=torch.float32)[None, :, None, None]

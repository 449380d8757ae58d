"""Temperature scaling: one number that makes probabilities as sure as they are right."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.interpretation.outputs import outputs_of

Fit = TypeVar("Fit", bound=FoundationFit)

LOWEST, HIGHEST = 0.01, 100.0
_HALVINGS = 60  # of the way between them: to the last digit of a double
_CHECKED = 64
_SAME = 1e-4


def temperature_of(logits: NDArray[np.float64], codes: NDArray[Any]) -> float:
    """Return the temperature T that minimises the mean cross-entropy of ``softmax(logits / T)``.

    Parameters
    ----------
    logits, codes : numpy.ndarray, shapes (N, K) and (N,)

    Warns
    -----
    EdaphosWarning
        If the loss falls towards a temperature of 0 or infinity: one of the bounds 0.01 and 100 is
        taken then.
    """
    rows = np.arange(len(codes))

    def slope(t: float) -> float:
        """Of the loss over 1 / T, in which it is convex: rising, it asks for a larger T."""
        p = torch.from_numpy(logits / t).softmax(dim=1).numpy()
        return float(((p * logits).sum(axis=1) - logits[rows, codes]).mean())

    if slope(HIGHEST) >= 0:
        return _bound(HIGHEST, "are no better than chance")
    if slope(LOWEST) <= 0:
        return _bound(LOWEST, "are classified right, nearly all of them")
    low, high = math.log(LOWEST), math.log(HIGHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(math.exp(middle)) > 0 else (low, middle)
    return math.exp((low + high) / 2)


def _bound(t: float, what: str) -> float:
    warn(
        f"no temperature is best for these patches, which {what}; {t:g} is taken. Give more "
        "patches, or others, that the classifier was not trained on."
    )
    return t


def calibrated(fit: Fit, x: Patches, codes: NDArray[Any]) -> Fit:
    """Return a copy of a classifier whose logits are divided by the temperature best for `x`.

    Raises
    ------
    InputError
        If its head does not end in a linear layer.
    """
    _last_layer(fit.head)
    temperature = temperature_of(outputs_of(fit, x), codes)
    new = copy.copy(fit)
    new.encoder, new.head = copy.deepcopy(fit.encoder), copy.deepcopy(fit.head)
    with torch.no_grad():
        for weight in _last_layer(new.head).parameters():
            weight.div_(temperature)
    # temperatures of a fit that was calibrated before multiply
    new.config = {**fit.config, "temperature": temperature * fit.config.get("temperature", 1.0)}
    some = Patches(x.read(0, _CHECKED))
    expected = outputs_of(fit, some) / temperature
    if np.abs(outputs_of(new, some) - expected).max() > _SAME * max(1, np.abs(expected).max()):
        raise _no_linear_end(fit.head)
    return new


def _last_layer(head: nn.Module) -> nn.Linear:
    layers = [part for part in head.modules() if not list(part.children())]
    if not layers or not isinstance(layers[-1], nn.Linear):
        raise _no_linear_end(head)
    return layers[-1]


def _no_linear_end(head: nn.Module) -> InputError:
    return InputError(
        "fit", "must have a head that ends in a linear layer", found=type(head).__name__
    )

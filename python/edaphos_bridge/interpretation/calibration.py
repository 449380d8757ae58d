"""Temperature scaling: one number that makes probabilities as sure as they are right."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.interpretation.outputs import outputs_of
from edaphos_bridge.optim.adam import load_optimisers

Fit = TypeVar("Fit", bound=FoundationFit)

LOWEST, HIGHEST = 0.01, 100.0
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
    outputs, targets = torch.from_numpy(logits), torch.from_numpy(codes.astype(np.int64))
    log_t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    load_optimisers()
    optimiser = torch.optim.LBFGS(
        [log_t], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss_at(t: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(outputs / t, targets)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        # bounded, so that a loss without a minimum ends somewhere
        loss = loss_at(log_t.clamp(math.log(LOWEST), math.log(HIGHEST)).exp())
        loss.backward()
        return loss

    optimiser.step(closure)
    found = log_t.detach().exp().clamp(LOWEST, HIGHEST)
    losses = {t: float(loss_at(found.new_tensor(t))) for t in (LOWEST, HIGHEST)}
    bound = min(losses, key=losses.__getitem__)
    if losses[bound] > float(loss_at(found)):
        return float(found)
    what = "are no better than chance" if bound > 1 else "are classified right, nearly all of them"
    warn(
        f"no temperature is best for these patches, which {what}; {bound:g} is taken. Give more "
        "patches, or others, that the classifier was not trained on."
    )
    return bound


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

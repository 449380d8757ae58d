"""Linear heads by L-BFGS: multinomial logistic regression along a path of penalties.

The objective is that of scikit-learn's ``LogisticRegression``,

    1/2 |W|^2 + C sum_i -log p[i, t_i]      p = softmax(x W' + b)

with weights W (K, D) and a bias b (K,) without penalty, also for two classes. Divided by C n, the
mean loss is what it is at every C.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.errors import warn
from edaphos_bridge.optim.adam import load_optimisers

_ITERATIONS = 500
_TOLERANCE = 1e-7  # of the largest gradient of the mean loss, with features near unit variance


@dataclass(frozen=True)
class Solution:
    """A head at one C.

    Attributes
    ----------
    weight, bias : torch.Tensor, shapes (K, D) and (K,), float32
    loss_history : list of float
        Mean cross-entropy, without the penalty, at each evaluation of the gradient; the last is
        that of the solution.
    converged : bool
        Whether the gradient has become small.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    loss_history: list[float]
    converged: bool


def logistic_path(
    features: torch.Tensor, targets: torch.Tensor, n_classes: int, path: Sequence[float]
) -> list[Solution]:
    """Return the heads at each C of `path`, in its order.

    Each but the smallest C starts from the solution of the next smaller one; the smallest starts
    from zero. The objective is convex, so the start changes only how long it takes.

    Parameters
    ----------
    features, targets : torch.Tensor, shapes (n, D) and (n,)
        Features and class codes.
    path : sequence of float
        Inverse penalties C.

    References
    ----------
    Liu, D. C. and Nocedal, J. (1989). On the limited memory BFGS method for large scale
    optimization. Mathematical Programming 45.
    """
    x = features.double()
    mean = x.mean(dim=0)
    x = x - mean
    # About the curvature of the mean loss along each weight, where all classes are as likely.
    curvature = x.square().mean(dim=0) * (n_classes - 1) / n_classes**2
    weight, bias = x.new_zeros((n_classes, x.shape[1])), x.new_zeros(n_classes)
    found: dict[float, Solution] = {}
    for c in sorted(set(path)):
        # Another unit for each feature, and so for its weights, which the penalty follows: then
        # features far from unit variance take no longer.
        penalty = 1 / (c * len(x))
        unit = (curvature + penalty).rsqrt()
        scaled = functional.pad(x * unit, (0, 1), value=1.0)
        penalties = functional.pad(penalty * unit**2, (0, 1))
        weights = torch.cat([weight / unit, bias[:, None]], dim=1)
        losses = _minimise(weights, scaled, targets, penalties)
        # A line search may have looked at another point last.
        loss, gradient = _mean_loss(weights, scaled, targets, penalties)
        weight, bias = weights[:, :-1] * unit, weights[:, -1]
        found[c] = Solution(
            weight.float(),
            (bias - weight @ mean).float(),
            [*losses, loss.item()],
            bool(gradient.abs().max() <= 10 * _TOLERANCE),
        )
    return [found[c] for c in path]


def standardised(known: torch.Tensor, asked: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features ``(n, D)`` and ``(M, D)`` by the mean and sd of the former, in double.

    A penalty then means the same whatever units features have.
    """
    known, asked = known.double(), asked.double()
    mean, sd = known.mean(dim=0), known.std(dim=0, correction=0)
    sd = torch.where(sd > 0, sd, torch.ones_like(sd))
    return (known - mean) / sd, (asked - mean) / sd


def warn_about_unfinished(path: Collection[float]) -> None:
    """Warn of each C in `path`, where L-BFGS has not converged."""
    if path:
        warn(
            f"L-BFGS stopped before it converged at C = {', '.join(map(str, sorted(path)))}. "
            "Leave out the largest."
        )


def _minimise(
    weights: torch.Tensor, x: torch.Tensor, targets: torch.Tensor, penalties: torch.Tensor
) -> list[float]:
    """Minimise in place; return the mean losses on the way."""
    load_optimisers()
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=_ITERATIONS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )
    losses: list[float] = []

    def closure() -> torch.Tensor:
        pause()
        loss, weights.grad = _mean_loss(weights, x, targets, penalties)
        losses.append(loss.item())
        return loss + (penalties * weights**2).sum() / 2

    with torch.no_grad():
        optimizer.step(closure)
    weights.grad = None
    return losses


def _mean_loss(
    weights: torch.Tensor, x: torch.Tensor, targets: torch.Tensor, penalties: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean cross-entropy, and the gradient of it and the penalty."""
    log_p = (x @ weights.T).log_softmax(dim=1)
    picked = targets[:, None]
    loss = -log_p.gather(1, picked).mean()
    delta = log_p.exp_().scatter_add_(1, picked, log_p.new_tensor(-1.0).expand(picked.shape))
    gradient = delta.T @ x / len(x)
    gradient += penalties * weights
    return loss, gradient

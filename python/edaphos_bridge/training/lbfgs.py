"""Linear heads by L-BFGS: multinomial logistic regression along a path of penalties.

The objective is that of scikit-learn's ``LogisticRegression``,

    1/2 |W|^2 + C sum_i -log p[i, t_i]      p = softmax(x W' + b)

with weights W (K, D) and a bias b (K,) without penalty, also for two classes. Divided by C n, the
mean loss is what it is at every C.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from edaphos_bridge.errors import EdaphosWarning

_ITERATIONS = 500
_TOLERANCE = 1e-7  # of the largest gradient of the mean loss


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
    x = torch.nn.functional.pad(features.double(), (0, 1), value=1.0)
    weights = x.new_zeros((n_classes, x.shape[1]))
    found: dict[float, Solution] = {}
    for c in sorted(set(path)):
        penalty = 1 / (c * len(x))
        losses = _minimise(weights, x, targets, penalty)
        # A line search may have looked at another point last.
        loss, gradient = _mean_loss(weights, x, targets, penalty)
        found[c] = Solution(
            weights[:, :-1].float(),
            weights[:, -1].float(),
            [*losses, loss.item()],
            bool(gradient.abs().max() <= 10 * _TOLERANCE),
        )
    return [found[c] for c in path]


def warn_about_unfinished(path: Collection[float], stacklevel: int) -> None:
    """Warn of each C in `path`, where L-BFGS has not converged."""
    if path:
        warnings.warn(
            f"L-BFGS stopped before it converged at C = {', '.join(map(str, sorted(path)))}. "
            "Leave out the largest, or bring the features to unit variance.",
            EdaphosWarning,
            stacklevel=stacklevel + 1,
        )


def _minimise(
    weights: torch.Tensor, x: torch.Tensor, targets: torch.Tensor, penalty: float
) -> list[float]:
    """Minimise in place; return the mean losses on the way."""
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=_ITERATIONS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )
    losses: list[float] = []

    def closure() -> torch.Tensor:
        loss, weights.grad = _mean_loss(weights, x, targets, penalty)
        losses.append(loss.item())
        return loss + penalty / 2 * (weights[:, :-1] ** 2).sum()

    with torch.no_grad():
        optimizer.step(closure)
    weights.grad = None
    return losses


def _mean_loss(
    weights: torch.Tensor, x: torch.Tensor, targets: torch.Tensor, penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean cross-entropy, and the gradient of it and the penalty."""
    log_p = (x @ weights.T).log_softmax(dim=1)
    picked = targets[:, None]
    loss = -log_p.gather(1, picked).mean()
    delta = log_p.exp_().scatter_add_(1, picked, log_p.new_tensor(-1.0).expand(picked.shape))
    gradient = delta.T @ x / len(x)
    gradient[:, :-1] += penalty * weights[:, :-1]
    return loss, gradient

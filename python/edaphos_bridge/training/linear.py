"""Training linear heads on cached features, many at once, with the gradient in closed form.

For a batch of features ``x`` (B, D) with class codes ``t``, a head with weights ``W`` (K, D) and
bias ``b`` (K,) has the loss and gradient of cross-entropy

    p = softmax(x W' + b)      loss = -mean(log p[i, t_i])
    d = (p - onehot(t)) / B    dW = d' x      db = sum(d)

and takes a step of Adam with coupled weight decay (Kingma and Ba 2015, algorithm 1). Written out
so, a step is a dozen calls of torch; autograd and `torch.optim.Adam` need many times that, which
for a layer this small is nearly all of the time.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.files.schema import require_form
from edaphos_bridge.heads.registry import LinearHead

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8
# Features are gathered for this many steps at once: one call instead of many, little memory.
_STEPS = 64


class LinearHeads:
    """S x G linear heads on the same features, trained side by side.

    The S heads of one column have the same settings and see different rows in each step; the G
    heads of one row differ in their settings and see the same rows.

    Parameters
    ----------
    features : torch.Tensor, shape (N, D), float32
        Cached features of all rows.
    targets : torch.Tensor, shape (N,), int64
        Class codes.
    weight, bias : torch.Tensor, shapes (S, G, K, D) and (S, G, K)
        Initial weights; not changed.
    lr, weight_decay : torch.Tensor, shape (G,)
        Settings of Adam, on the cpu.
    """

    def __init__(
        self,
        features: torch.Tensor,
        targets: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        lr: torch.Tensor,
        weight_decay: torch.Tensor,
    ) -> None:
        self._shape = weight.shape
        splits, heads, classes, width = self._shape
        with torch.inference_mode():
            # A column of ones makes the bias one more weight.
            self._features = torch.nn.functional.pad(features, (0, 1), value=1.0)
            self._targets = targets
            joined = torch.cat([weight, bias[..., None]], dim=-1)
            self._weights = joined.reshape(splits, heads * classes, width + 1).clone()
            # Adam's moments lie together, and so do what they move towards: g and g squared.
            self._moments = self._weights.new_zeros((2, *self._weights.shape))
            self._towards = torch.empty_like(self._moments)
            self._shares = self._weights.new_tensor([1 - _BETA1, 1 - _BETA2])[:, None, None, None]
            rates, decays = (
                setting.to(self._weights).repeat_interleave(classes)[None, :, None]
                for setting in (lr, weight_decay)
            )
            self._rate = rates
            self._decay = decays if bool(weight_decay.any()) else None
            self._minus_one = torch.tensor(-1.0, device=features.device)
        self._steps = 0

    @property
    def weight(self) -> torch.Tensor:
        """Weights, shape (S, G, K, D)."""
        return self._weights[..., :-1].reshape(self._shape).clone()

    @property
    def bias(self) -> torch.Tensor:
        """Biases, shape (S, G, K)."""
        return self._weights[..., -1].reshape(self._shape[:-1]).clone()

    @torch.inference_mode()
    def epoch(self, rows: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Take one step on each batch of `rows` (S, n) and return the losses (steps, S, G)."""
        losses = []
        for part in rows.split(batch_size * _STEPS, dim=1):
            pause()
            features, targets = self._gather(part)
            log_p = torch.empty(targets.shape, device=features.device)
            batches = (tensor.split(batch_size, dim=1) for tensor in (features, targets, log_p))
            for x, target, out in zip(*batches, strict=True):
                self._step(x, target, out)
            losses += _batch_means(-log_p[..., 0], batch_size)
        return torch.cat(losses)

    @torch.inference_mode()
    def correct(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how many of `rows` (S, n) each head classifies correctly, shape (S, G)."""
        counts = torch.zeros(self._shape[:2], dtype=torch.int64, device=rows.device)
        for part in rows.split(4096, dim=1):
            pause()
            features, targets = self._gather(part)
            counts += (self.logits(features).argmax(dim=3) == targets[..., 0]).sum(dim=1)
        return counts

    @torch.inference_mode()
    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of each head on `rows` (S, n), shape (S, G), on the cpu."""
        sums = torch.zeros(self._shape[:2], dtype=torch.float64)  # not every device has double
        for part in rows.split(4096, dim=1):
            pause()
            features, targets = self._gather(part)
            log_p = self.logits(features).log_softmax(dim=3).gather(3, targets)
            sums -= log_p[..., 0].sum(dim=1).cpu()
        return sums / rows.shape[1]

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits (S, B, G, K) of features (S, B, D + 1) with the column of ones."""
        products = torch.bmm(features, self._weights.transpose(1, 2))
        return products.view(*features.shape[:2], *self._shape[1:3])

    def state(self) -> dict[str, torch.Tensor]:
        """Return what the next step depends on."""
        steps = torch.tensor(self._steps)
        return {"weights": self._weights, "moments": self._moments, "steps": steps}

    @torch.inference_mode()
    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a state.

        Raises
        ------
        WeightsError
            If it is that of other heads.
        """
        require_form("heads", self.state(), state)
        self._weights.copy_(state["weights"])
        self._moments.copy_(state["moments"])
        self._steps = int(state["steps"])

    def is_finite(self) -> torch.Tensor:
        """Return which heads have only finite weights, shape (S, G)."""
        return self._weights.unflatten(1, self._shape[1:3]).isfinite().all(dim=3).all(dim=2)

    def _gather(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features (S, n, D + 1) and class codes (S, n, G, 1)."""
        flat = rows.reshape(-1)
        features = self._features.index_select(0, flat).unflatten(0, rows.shape)
        targets = self._targets.index_select(0, flat).view(*rows.shape, 1, 1)
        return features, targets.expand(-1, -1, self._shape[1], -1)

    def _step(self, x: torch.Tensor, target: torch.Tensor, out: torch.Tensor) -> None:
        """Take a step on x (S, B, D + 1); log-probabilities of the target classes go to `out`."""
        log_p = self.logits(x).log_softmax(dim=3)
        torch.gather(log_p, 3, target, out=out)
        delta = log_p.exp_().scatter_add_(3, target, self._minus_one.expand(target.shape))
        delta = delta.view(*x.shape[:2], -1).transpose(1, 2)
        gradient, square = self._towards.unbind()
        torch.baddbmm(gradient, delta, x, beta=0, alpha=1 / x.shape[1], out=gradient)
        if self._decay is not None:
            gradient.addcmul_(self._weights, self._decay)
        torch.mul(gradient, gradient, out=square)
        self._moments.lerp_(self._towards, self._shares)
        mean, square = self._moments.unbind()
        self._steps += 1
        # Both moments are divided by what they lack at the start, here in one factor.
        root = (1 - _BETA2**self._steps) ** 0.5
        factor = root / (1 - _BETA1**self._steps)
        self._weights.addcdiv_(mean * self._rate, square.sqrt().add_(_EPS * root), value=-factor)


def _batch_means(losses: torch.Tensor, batch_size: int) -> list[torch.Tensor]:
    """Return the means of losses (S, n, G) over whole batches, and over the rest, (steps, S, G)."""
    whole = losses.shape[1] // batch_size * batch_size
    means = losses[:, :whole].unflatten(1, (-1, batch_size)).mean(dim=2).transpose(0, 1)
    rest = losses[:, whole:].mean(dim=1, keepdim=True).transpose(0, 1)
    return [means] if whole == losses.shape[1] else [means, rest]


class LinearLearner:
    """One linear head on cached features, for the training loop.

    Parameters
    ----------
    head : LinearHead
        Trained in place.
    features, targets : torch.Tensor, shapes (N, D) and (N,)
        Cached features and class codes, on the head's device.
    """

    def __init__(
        self,
        head: LinearHead,
        features: torch.Tensor,
        targets: torch.Tensor,
        lr: float,
        weight_decay: float,
    ) -> None:
        self.model = head
        self.heads = LinearHeads(
            features,
            targets,
            head.weight.detach()[None, None],
            head.bias.detach()[None, None],
            torch.tensor([lr]),
            torch.tensor([weight_decay]),
        )

    def epoch(self, rows: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Take one step on each batch and return their losses."""
        losses = self.heads.epoch(rows[None], batch_size).flatten()
        with torch.no_grad():
            self.model.weight.copy_(self.heads.weight[0, 0])
            self.model.bias.copy_(self.heads.bias[0, 0])
        return losses

    def score(self, rows: torch.Tensor) -> float:
        """Return the accuracy on `rows`."""
        return self.heads.correct(rows[None]).item() / len(rows)

    def state(self) -> dict[str, torch.Tensor]:
        """Return what the next step depends on beside the head."""
        return self.heads.state()

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a state."""
        self.heads.restore(state)

    def is_finite(self) -> bool:
        """Return whether all weights are finite."""
        return bool(self.heads.is_finite().all())

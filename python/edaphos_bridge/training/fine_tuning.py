"""Fine-tuning a MoCo encoder with its head on the cpu: gradients without autograd's graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.adam import GivenGradients
from edaphos_bridge.encoders.folding import FoldedBackbone
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.training_pass import TrainingPass
from edaphos_bridge.heads import LinearHead
from edaphos_bridge.interrupts import pause
from edaphos_bridge.seeding import Randomness
from edaphos_bridge.training.backprop import accuracy

aten = torch.ops.aten
_MEAN = 1  # over the batch, as kernels name it
_NO_CLASS = -100  # the code of rows without a class: there are none


class FineTuning:
    """A MoCo encoder and a head, trained together with cross-entropy.

    Parameters
    ----------
    encoder : MoCoEncoder
        One that can be written out; its backbone is trained in place.
    head : torch.nn.Module
        From features ``(B, D)`` to logits ``(B, n_classes)``; trained in place.
    inputs : callable
        ``inputs(rows)`` gives those patches, ``(len(rows), C, H, W)``.
    targets : torch.Tensor, shape (N,), int64
        Class codes.
    lr, backbone_lr : float
        Learning rates of the head and of the backbone.
    weight_decay : float
        Coupled weight decay of both.
    eval_batch_size : int
        Rows at once in validation.
    randomness : Randomness
        What the head's dropout draws from.
    """

    def __init__(
        self,
        encoder: MoCoEncoder,
        head: nn.Module,
        inputs: Callable[[torch.Tensor], torch.Tensor],
        targets: torch.Tensor,
        *,
        lr: float,
        backbone_lr: float,
        weight_decay: float,
        eval_batch_size: int,
        randomness: Randomness,
    ) -> None:
        self._encoder = encoder
        self._head = head
        self._inputs = inputs
        self._targets = targets
        self._eval_batch_size = eval_batch_size
        self._draws = draws_of(head, randomness)
        self._passes = TrainingPass(encoder.backbone)
        self._adam = GivenGradients(
            [(list(head.parameters()), lr), (self._passes.weights, backbone_lr)], weight_decay
        )

    @torch.no_grad()
    def epoch(self, rows: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Take one step on each batch and return their losses."""
        self._head.train()
        losses = [self._step(batch) for batch in rows.split(batch_size)]
        self._passes.count_batches()
        return torch.stack(losses)

    def _step(self, rows: torch.Tensor) -> torch.Tensor:
        pause()
        features, layers = self._passes.forward(self._inputs(rows))
        targets = self._targets.index_select(0, rows)
        with self._draws:
            loss, of_features, of_head = _gradients(self._head, features, targets)
        self._adam.step([of_head, self._passes.backward(of_features, layers)])
        return loss

    def accuracy(self, rows: torch.Tensor) -> float:
        """Return the accuracy on `rows`, in eval mode."""
        model = nn.Sequential(FoldedBackbone(self._encoder.backbone), self._head)
        return accuracy(model, self._inputs, self._targets, rows, self._eval_batch_size)

    def is_finite(self) -> bool:
        """Return whether all weights are finite."""
        weights = [*self._passes.weights, *self._head.parameters()]
        return all(bool(torch.isfinite(weight).all()) for weight in weights)


def _gradients(
    head: nn.Module, features: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Return the loss, its gradient for the features, and those for the head's parameters."""
    if isinstance(head, LinearHead):
        return _linear_gradients(head, features, targets)
    with torch.enable_grad():
        loss = functional.cross_entropy(head(features.requires_grad_()), targets)
    of_features, *of_head = torch.autograd.grad(loss, [features, *head.parameters()])
    return loss.detach(), of_features, of_head


def _linear_gradients(
    head: LinearHead, features: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Return what autograd returns, bit for bit, from the same kernels."""
    log_p = functional.linear(features, head.weight, head.bias).log_softmax(dim=1)
    nll = (targets, None, _MEAN, _NO_CLASS)
    loss, n = aten.nll_loss_forward.default(log_p, *nll)
    of_log_p = aten.nll_loss_backward.default(torch.ones_like(loss), log_p, *nll, n)
    of_logits = aten._log_softmax_backward_data.default(of_log_p, log_p, 1, log_p.dtype)
    return loss, of_logits @ head.weight, [of_logits.t() @ features, of_logits.sum(dim=0)]

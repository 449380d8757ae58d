"""SwAV: the codes of one view are predicted from the others, across two sensors where there are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.data.augmentations import Augmentations
from edaphos_bridge.encoders.contrastive import l2_normalise
from edaphos_bridge.encoders.sensors import SensorEncoder
from edaphos_bridge.errors import warn
from edaphos_bridge.pretrain.encoder import Projected, Projecting, with_projection
from edaphos_bridge.pretrain.method import Method
from edaphos_bridge.pretrain.settings import SwAVSettings
from edaphos_bridge.pretrain.sinkhorn import sinkhorn

ENTROPY = "prototype_entropy"


class SwAV(Method):
    """An encoder with prototypes, unit vectors that its projections are compared with.

    Of two sensors, where `settings` say whether these share a stem, the encoder is a
    `SensorEncoder`, and batches have the channels of both: the first view is of sensor a, the
    second of sensor b. Else there are two views of the same patches. Both are assigned to
    prototypes; small crops, if any, only predict what these are assigned to.
    """

    encoder: Projecting
    queue: torch.Tensor | None

    def __init__(self, encoder: nn.Module, settings: SwAVSettings) -> None:
        super().__init__(with_projection(encoder, settings.feature_dim, settings.proj_dim))
        self.settings = settings
        width, device = settings.proj_dim, device_of(encoder)
        prototypes = l2_normalise(torch.randn(settings.n_prototypes, width))
        self.prototypes = nn.Parameter(prototypes.to(device))
        size = settings.queue_size
        queue = torch.zeros((2, size, width), device=device) if size else None
        self.register_buffer("queue", queue)
        self.watched = {ENTROPY: torch.zeros((), device=device)}

    @property
    def _of_both(self) -> SensorEncoder | None:
        """The encoder of two sensors; None of one."""
        inner = self.encoder.encoder if isinstance(self.encoder, Projected) else self.encoder
        two = self.settings.shared_stem is not None
        return inner if two and isinstance(inner, SensorEncoder) else None

    def views(
        self,
        patches: torch.Tensor,
        rows: torch.Tensor,
        augmentations: Augmentations,
        generator: torch.Generator,
    ) -> list[torch.Tensor]:
        """Return the two views that are assigned, then the small crops, sensor by sensor."""
        both = self._of_both
        sensors = [patches] if both is None else list(patches.split(both.channels, dim=1))
        views = [
            augmentations.view(x, generator) for x in sensors for _ in range(2 // len(sensors))
        ]
        small = dataclasses.replace(augmentations, crop_ratio=self.settings.small_crop_ratio)
        for size in self.settings.crop_sizes(*patches.shape[2:]):
            for x in sensors:
                views += [small.view(x, generator, size) for _ in range(self.settings.small_crops)]
        return views

    def loss(self, views: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the loss of swapped assignments; the first two views are assigned."""
        with torch.no_grad():
            self.prototypes.copy_(l2_normalise(self.prototypes))
        embedded = self._embedded(views[:2])
        self._latest = torch.stack(embedded).detach()
        if len(views) > 2:
            embedded += self._embedded(views[2:])
        frozen = self.steps_taken < self.settings.freeze_prototypes_steps
        prototypes = self.prototypes.detach() if frozen else self.prototypes
        scores = [z @ prototypes.T for z in embedded]
        self.watched = {ENTROPY: entropy_of_use(torch.cat(scores[:2]))}
        others = None
        if self.queue is not None and self._entered() >= self.settings.queue_size:
            others = [(z @ prototypes.T).detach() for z in self.queue]
        return swapped_assignment(
            scores,
            others,
            temperature=self.settings.temperature,
            epsilon=self.settings.epsilon,
            iterations=self.settings.sinkhorn_iterations,
        )

    def after_step(self, done: float) -> None:
        """Let the embeddings of the step enter the queue, where the oldest leave it."""
        if self.queue is not None and self.steps_taken >= self.settings.queue_start:
            size = self.settings.queue_size
            self.queue = torch.cat([self.queue, self._latest], dim=1)[:, -size:]

    def ended(self, course: Mapping[str, Sequence[float]]) -> None:
        """Warn if the last epoch used fewer than two prototypes: embeddings are nearly the same."""
        used = math.exp(course[ENTROPY][-1])
        if used < 2:
            warn(
                f"SwAV uses {used:.2g} of its {self.settings.n_prototypes} prototypes in the last "
                "epoch: the embeddings of patches have collapsed, or have not come apart yet. More "
                "steps, a smaller epsilon (0.03), a smaller lr and freeze_prototypes_steps help."
            )

    def _embedded(self, views: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the projections of views of one size, unit vectors ``(B, proj_dim)``."""
        both, half = self._of_both, len(views) // 2
        if both is None:
            features = self.encoder(torch.cat([*views]))
        else:
            features = both.features(torch.cat([*views[:half]]), torch.cat([*views[half:]]))
        return list(self.encoder.project(features).chunk(len(views)))

    def _entered(self) -> int:
        """Return how many embeddings of each view have entered the queue so far."""
        steps = max(0, self.steps_taken - self.settings.queue_start)
        return steps * self.settings.batch_size


def swapped_assignment(
    scores: Sequence[torch.Tensor],
    queued: Sequence[torch.Tensor] | None = None,
    *,
    temperature: float,
    epsilon: float,
    iterations: int,
) -> torch.Tensor:
    """Return the mean cross-entropy of the codes of two views and what the others predict of them.

    Codes are those of `sinkhorn`, and have no gradient. A view's prediction is the softmax of its
    scores over the temperature; each of the first two views is predicted by all others.

    Parameters
    ----------
    scores : sequence of torch.Tensor, shape (B, K)
        Cosines of each view's embeddings and the prototypes; the first two views are assigned.
    queued : sequence of two torch.Tensor, shape (Q, K), optional
        Scores of earlier embeddings, which are assigned together with those of each of the two.

    References
    ----------
    Caron, M., Misra, I., Mairal, J., Goyal, P., Bojanowski, P. and Joulin, A. (2020). Unsupervised
    learning of visual features by contrasting cluster assignments. NeurIPS 2020.
    """
    predicted = [(own / temperature).log_softmax(dim=1) for own in scores]
    total = torch.zeros((), device=scores[0].device)
    for view in (0, 1):
        together = scores[view].detach()
        if queued is not None:
            together = torch.cat([together, queued[view]])
        codes = sinkhorn(together, epsilon, iterations)[: len(scores[view])]
        others = [p for other, p in enumerate(predicted) if other != view]
        total = total - sum((codes * p).sum(dim=1).mean() for p in others) / len(others)
    return total / 2


@torch.no_grad()
def entropy_of_use(scores: torch.Tensor) -> torch.Tensor:
    """Return the entropy, in nats, of how often each prototype is the nearest one.

    Codes would not show a collapse: equal embeddings get equal codes, which use all prototypes.
    """
    numbers = torch.arange(scores.shape[1], device=scores.device)
    is_nearest = scores.argmax(dim=1, keepdim=True) == numbers
    return torch.special.entr(is_nearest.float().mean(dim=0)).sum()

"""A probe beside a run: when it looks, what it has found, and which encoder was the best one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from edaphos_bridge.encoders.copying import freeze, own_copy
from edaphos_bridge.files.container import prefixed, without_prefix
from edaphos_bridge.files.schema import require_form
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.training.loop import Best


class Watch:
    """Looks at the encoder of a run after each ``probe.every`` epochs; without a probe, never.

    It looks at a frozen copy, which is made before the first step and gets the weights anew each
    time: the run itself is the same with and without it, to the last bit. With patience the run is
    over after so many looks without a better score, and `end` puts the best weights back.

    Attributes
    ----------
    scores : list of float
        One a look.
    """

    def __init__(self, encoder: nn.Module, probe: Probe | None = None) -> None:
        self._encoder, self._probe = encoder, probe
        self._seen = encoder if probe is None else freeze(own_copy(encoder))
        self._best = Best(encoder, highest_is_best=True)
        self.scores: list[float] = []

    def due(self, epoch: int) -> bool:
        """Return whether it looks after `epoch`, counted from 1."""
        return self._probe is not None and epoch % self._probe.every == 0

    def look(self) -> None:
        """Score the encoder as it is."""
        assert self._probe is not None
        self._seen.load_state_dict(self._encoder.state_dict())
        self.scores.append(self._probe.score(self._seen))
        if self._probe.patience is not None:
            self._best.look(self.scores[-1])

    @property
    def latest(self) -> float | None:
        """The score of the last look; None before the first."""
        return self.scores[-1] if self.scores else None

    @property
    def is_over(self) -> bool:
        """Whether patience is at its end, and with it the run."""
        patience = None if self._probe is None else self._probe.patience
        return patience is not None and self._best.since >= patience

    def end(self) -> None:
        """Put the best weights back, with patience."""
        self._best.restore()

    def state(self) -> dict[str, torch.Tensor]:
        """Return what a later look depends on; nothing without a probe."""
        if self._probe is None:
            return {}
        scores = torch.tensor(self.scores, dtype=torch.float64)
        return {"scores": scores, **prefixed("best", self._best.weights)}

    def form_of_state(self, epochs: int) -> dict[str, torch.Tensor]:
        """Return tensors as `state` has them after `epochs`."""
        if self._probe is None:
            return {}
        looks = epochs // self._probe.every
        keeps_best = self._probe.patience is not None and looks
        best = self._encoder.state_dict() if keeps_best else {}
        return {"scores": torch.zeros(looks, dtype=torch.float64), **prefixed("best", best)}

    def restore(self, state: Mapping[str, torch.Tensor], epochs: int) -> None:
        """Go on from a state after `epochs`, or raise `WeightsError` if it is none."""
        require_form("probe", self.form_of_state(epochs), state)
        if self._probe is not None:
            self.scores = state["scores"].tolist()
        self._best.weights = dict(without_prefix("best", state))
        if self._best.weights:
            self._best.score = max(self.scores)
            self._best.since = len(self.scores) - 1 - self.scores.index(self._best.score)

    def history(self) -> dict[str, Any] | None:
        """Return the epochs of the looks and their scores; None without a probe."""
        if self._probe is None:
            return None
        epochs = [self._probe.every * (look + 1) for look in range(len(self.scores))]
        return {"epoch": epochs, "score": self.scores}

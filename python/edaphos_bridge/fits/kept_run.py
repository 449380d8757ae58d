"""Where a fit stands after each epoch, in a folder: a run that was killed goes on from there."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.digest import layers_of
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.container import prefixed, without_prefix
from edaphos_bridge.files.schema import require_form
from edaphos_bridge.training.checkpoint import Checkpoints, Progress, unreadable
from edaphos_bridge.training.loop import Best, History, Keeper, Learner
from edaphos_bridge.training.plan import Plan

KIND = "checkpoint of a fit"


@contextlib.contextmanager
def opened(folder: Path | None, identity: Mapping[str, Any]) -> Iterator[KeptRun | None]:
    """Yield what keeps a run in `folder`, locked meanwhile, or None without one.

    Raises
    ------
    InputError
        If the folder cannot be used, or holds the checkpoint of another run.
    WeightsError
        If the checkpoint that it holds is damaged.
    """
    if folder is None:
        yield None
        return
    with Checkpoints(folder, 1, dict(identity), KIND) as checkpoints:
        yield KeptRun(checkpoints)


class KeptRun:
    """Where a run stood, and where it stands.

    Attributes
    ----------
    seed : int or None
        Of the run that is gone on from.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._found = checkpoints.load()
        self.seed: int | None = checkpoints.identity["seed"]

    def start(self, seed: int, model: nn.Module, plan: Plan, randomness: Randomness) -> None:
        """Take what the run is made of, and put the model where the run stood.

        Raises
        ------
        InputError
            If that run had other rows.
        """
        self._checkpoints.identity["seed"] = seed
        self._model, self._randomness = model, randomness
        self._rows = {"train": plan.train_rows.cpu(), "val": plan.val_rows.cpu()}
        digest = hashlib.sha256(layers_of(model).encode()).digest()
        self._layers = torch.frombuffer(bytearray(digest), dtype=torch.uint8)
        if self._found is None:
            self._checkpoints.rehearse(self._model.state_dict(), 0)
            return
        with self._readable():
            tensors = self._found.tensors
            rows = without_prefix("rows", tensors)
            if any(not torch.equal(rows[name], own) for name, own in self._rows.items()):
                raise InputError(
                    "checkpoint_dir",
                    "holds the checkpoint of another run: other rows train or validate there",
                    found=str(self._found.path),
                    hint="Give another folder, or delete that file to start anew.",
                )
            if not torch.equal(tensors["layers"], self._layers):
                raise InputError(
                    "checkpoint_dir",
                    "holds the checkpoint of another run: the encoder or the head has "
                    "other layers there",
                    found=str(self._found.path),
                    hint="Give another folder, or delete that file to start anew.",
                )
            state = without_prefix("model", tensors)
            require_form("model", model.state_dict(), state)
            model.load_state_dict(state)

    def phase(self, number: int, before: History) -> Keeper:
        """Return what keeps a phase; `before` is the record of those before it."""
        return _KeptPhase(self, number, before)

    @property
    def phase_reached(self) -> int:
        """Number of the phase that the run was in, from 0."""
        if self._found is None:
            return 0
        with self._readable():
            return int(self._found.tensors["phase"][0])

    def history_of_phases_before(self) -> History:
        """Return the record of the phases that are over."""
        if self._found is None:
            return History([], [])
        with self._readable():
            return self._history()[0]

    def begun(self, number: int, learner: Learner, best: Best) -> History:
        """Return the record of the phase so far, and put its learner where it stood."""
        if self._found is None or number != self.phase_reached:
            return History([], [])
        with self._readable():
            tensors = self._found.tensors
            learner.restore(without_prefix("learner", tensors))
            score, since = tensors["best_score"].tolist()
            best.weights, best.since = dict(without_prefix("best", tensors)), int(since)
            if best.weights:
                require_form("best weights", learner.model.state_dict(), best.weights)
                best.score = score
            self._randomness.restore(self._found.rng, without_prefix("rng", tensors))
        return self._history()[1]

    def keep(
        self, number: int, before: History, learner: Learner, best: Best, history: History
    ) -> None:
        """Write where the run stands."""
        whole = before + history
        score = best.score if math.isfinite(best.score) else 0.0
        cpu, others = self._randomness.states()
        tensors = {
            **prefixed("model", self._model.state_dict()),
            **prefixed("learner", learner.state()),
            **prefixed("best", best.weights),
            **prefixed("rows", self._rows),
            **prefixed("rng", others),
            "layers": self._layers,
            "best_score": torch.tensor([score, float(best.since)], dtype=torch.float64),
            "phase": torch.tensor([number, len(before.losses)]),
        }
        if len(self._rows["val"]):
            scores = torch.tensor(whole.scores, dtype=torch.float64)
            tensors["scores"] = scores.view(torch.int64)  # NaN is a score, and no damage
        tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        self._checkpoints.save(Progress(len(whole.losses), whole.losses, tensors, cpu))

    def _history(self) -> tuple[History, History]:
        assert self._found is not None
        losses, tensors = self._found.losses, self._found.tensors
        scores = [math.nan] * len(losses)
        if "scores" in tensors:
            scores = tensors["scores"].view(torch.float64).tolist()
        cut = int(tensors["phase"][1])
        return History(losses[:cut], scores[:cut]), History(losses[cut:], scores[cut:])

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """Say of which checkpoint it is that something in it is wrong."""
        assert self._found is not None
        try:
            yield
        except (KeyError, RuntimeError, ValueError, WeightsError) as error:
            if isinstance(error, InputError):
                raise
            cause = error if isinstance(error, WeightsError) else WeightsError(f"{error!r}.")
            raise unreadable(self._found.path, cause) from error


class _KeptPhase(Keeper):
    def __init__(self, run: KeptRun, number: int, before: History) -> None:
        self._run, self._number, self._before = run, number, before

    def begin(self, learner: Learner, best: Best) -> History:
        return self._run.begun(self._number, learner, best)

    def keep(self, learner: Learner, best: Best, history: History) -> None:
        self._run.keep(self._number, self._before, learner, best, history)

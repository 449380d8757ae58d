"""A grid of linear probes on the same cached features, trained as one stack."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch.nn import functional

from edaphos_bridge.basics.arguments import number, seed_number, whole
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.registry import LinearHead
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.events import EpochReport, Events
from edaphos_bridge.training.lbfgs import logistic_path, warn_about_unfinished
from edaphos_bridge.training.linear import LinearHeads
from edaphos_bridge.training.plan import Plan, draw_plan
from edaphos_bridge.training.settings import FitSettings, SolveSettings

_T = TypeVar("_T")


@dataclass(frozen=True)
class ProbeGrid:
    """The arguments of a sweep other than the data and the encoder, checked."""

    adam: list[tuple[float, float]]
    path: list[float]
    seeds: list[int]
    epochs: int
    batch_size: int
    val_split: float

    @classmethod
    def checked(
        cls,
        *,
        lr: Any,
        weight_decay: Any,
        C: Any,  # noqa: N803
        seeds: Any,
        epochs: Any,
        batch_size: Any,
        val_split: Any,
    ) -> ProbeGrid:
        """Return the grid, or raise `InputError` for the first that cannot be used."""
        rates = _values("lr", lr, lambda value: number("lr", value, above=0))
        decays = _values(
            "weight_decay", weight_decay, lambda value: number("weight_decay", value, minimum=0)
        )
        path = _values("C", C, lambda value: number("C", value, above=0))
        wanted = _values("seeds", seeds, _seed)
        if not rates and not path:
            raise InputError("lr", "must not be empty where `C` is empty too", found=[])
        if rates and not decays:
            raise InputError("weight_decay", "must name at least one value", found=[])
        if not wanted:
            raise InputError("seeds", "must name at least one whole number", found=[])
        return cls(
            adam=list(itertools.product(rates, decays)),
            path=path,
            seeds=wanted,
            epochs=whole("epochs", epochs),
            batch_size=whole("batch_size", batch_size),
            val_split=number("val_split", val_split, above=0, below=1),
        )

    def config(self) -> dict[str, Any]:
        """Return the settings by the names of the arguments."""
        return {
            "lr": list(dict.fromkeys(lr for lr, _ in self.adam)),
            "weight_decay": list(dict.fromkeys(decay for _, decay in self.adam)),
            "C": list(self.path),
            "seeds": list(self.seeds),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "val_split": self.val_split,
        }

    def fit_settings(self, best: Mapping[str, Any]) -> FitSettings | SolveSettings:
        """Return the settings of the single fit with the best setting, on all rows."""
        seed, hidden = self.seeds[0], (64, 32)
        if best["solver"] == "lbfgs":
            return SolveSettings(float(best["C"]), seed, hidden)
        return FitSettings.checked(
            freeze_backbone=True,
            head="linear",
            hidden=hidden,
            dropout=0.0,
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=float(best["lr"]),
            weight_decay=float(best["weight_decay"]),
            backbone_lr_mult=0.1,
            val_split=0.0,
            seed=seed,
        )


def _values(argument: str, given: Any, check: Callable[[Any], _T]) -> list[_T]:
    """Return each of the values given, checked; a single number is one value."""
    if isinstance(given, str | bytes):
        raise InputError(argument, "must be a number or a sequence of numbers", found=given)
    try:
        found = list(given)
    except Exception:  # no sequence, or none that can be read
        found = [given]
    values = [check(value) for value in found]
    if len(set(values)) < len(values):
        raise InputError(argument, "must name each value once", found=values)
    return values


def _seed(value: Any) -> int:
    try:
        return seed_number(value)
    except InputError:
        raise InputError(
            "seeds", "must be whole numbers between -2^53 and 2^53", found=value
        ) from None


def fit_grid(
    features: torch.Tensor,
    task: Classification,
    codes: torch.Tensor,
    grid: ProbeGrid,
    events: Events,
) -> list[dict[str, Any]]:
    """Return a row for each setting and seed: the setting, ``seed``, losses and accuracy.

    `events` are told, for each epoch of Adam, the lowest loss and the highest accuracy of all.

    Parameters
    ----------
    features : torch.Tensor, shape (N, D)
        Cached features of all patches.
    codes : torch.Tensor, shape (N,)
        Their class codes, on the cpu.
    """
    n_classes = task.n_outputs
    starts = [_Start.drawn(seed, features, n_classes, grid.val_split) for seed in grid.seeds]
    for start in starts:
        task.learnt_from(codes, start.plan.to(torch.device("cpu")))
    targets = codes.to(features.device)
    return [
        *(_by_adam(features, targets, starts, grid, events) if grid.adam else []),
        *(_by_lbfgs(features, targets, starts, grid) if grid.path else []),
    ]


@dataclass(frozen=True)
class _Start:
    """What a seed draws: split, initial head, and the orders of rows, as in a single fit."""

    seed: int
    plan: Plan
    head: LinearHead

    @classmethod
    def drawn(cls, seed: int, features: torch.Tensor, n_classes: int, val_split: float) -> _Start:
        n, feature_dim = features.shape
        randomness = Randomness(seed)
        plan = draw_plan(n, val_split, randomness.generator)
        with randomness.everywhere():
            head = LinearHead(feature_dim, n_classes)
        return cls(seed, plan.to(features.device), head.to(features.device))


def _by_adam(
    features: torch.Tensor,
    targets: torch.Tensor,
    starts: list[_Start],
    grid: ProbeGrid,
    events: Events,
) -> list[dict[str, Any]]:
    """Train all of the grid as one stack of heads; return a row for each."""
    n_settings = len(grid.adam)
    weight = torch.stack([start.head.weight.detach() for start in starts])[:, None]
    bias = torch.stack([start.head.bias.detach() for start in starts])[:, None]
    rates, decays = (torch.tensor(values) for values in zip(*grid.adam, strict=True))
    heads = LinearHeads(
        features,
        targets,
        weight.expand(-1, n_settings, -1, -1),
        bias.expand(-1, n_settings, -1),
        rates,
        decays,
    )
    val_rows = torch.stack([start.plan.val_rows for start in starts])
    # As in a single fit, a loss that is not finite ends it; the others go on. Double is on the cpu,
    # since not every device has it.
    usable = torch.ones((len(starts), n_settings), dtype=torch.bool)
    for epoch in range(grid.epochs):
        rows = torch.stack([start.plan.epoch_rows(epoch) for start in starts])
        losses = heads.epoch(rows, grid.batch_size).cpu().double().mean(dim=0)
        usable &= losses.isfinite()
        if not usable.any():
            break
        accuracy = heads.correct(val_rows).cpu().double() / val_rows.shape[1]
        loss, best = losses[usable].min().item(), accuracy[usable].max().item()
        events.on_epoch(EpochReport(epoch + 1, grid.epochs, loss, best))
    usable &= heads.is_finite().cpu()
    table = {
        "train_loss": losses,
        "val_loss": heads.loss(val_rows),
        "val_accuracy": heads.correct(val_rows).cpu().double() / val_rows.shape[1],
    }
    columns = {name: np.where(usable, values, np.nan) for name, values in table.items()}
    return [
        {
            **{"solver": "adam", "lr": lr, "weight_decay": decay, "C": np.nan},
            "seed": start.seed,
            **{name: float(values[i, j]) for name, values in columns.items()},
        }
        for j, (lr, decay) in enumerate(grid.adam)
        for i, start in enumerate(starts)
    ]


def _by_lbfgs(
    features: torch.Tensor, targets: torch.Tensor, starts: list[_Start], grid: ProbeGrid
) -> list[dict[str, Any]]:
    """Solve along the path of C for each split; return a row for each."""
    features, targets = features.cpu(), targets.cpu()  # in double, which not every device has
    rows = []
    unfinished: set[float] = set()
    for start in starts:
        train_rows, val_rows = start.plan.train_rows.cpu(), start.plan.val_rows.cpu()
        n_classes = len(start.head.weight)
        path = logistic_path(features[train_rows], targets[train_rows], n_classes, grid.path)
        for c, solution in zip(grid.path, path, strict=True):
            logits = functional.linear(features[val_rows], solution.weight, solution.bias)
            right = logits.argmax(dim=1) == targets[val_rows]
            rows.append(
                {
                    **{"solver": "lbfgs", "lr": np.nan, "weight_decay": np.nan, "C": c},
                    "seed": start.seed,
                    "train_loss": solution.loss_history[-1],
                    "val_loss": functional.cross_entropy(logits.double(), targets[val_rows]).item(),
                    "val_accuracy": right.double().mean().item(),
                }
            )
            if not solution.converged:
                unfinished.add(c)
    warn_about_unfinished(unfinished)
    return sorted(rows, key=lambda row: grid.path.index(row["C"]))

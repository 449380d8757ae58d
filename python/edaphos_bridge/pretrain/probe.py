"""Probes: what an encoder is worth for labelled patches, asked now and then in a pretraining."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from edaphos_bridge.basics.arguments import number, seed_number, whole
from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.patches import Patches, warn_of_overlap
from edaphos_bridge.data.splits import Split, read_split
from edaphos_bridge.encoders.copying import freeze, own_copy
from edaphos_bridge.encoders.features import check_channels, check_size, find_feature_dim
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.errors import InputError
from edaphos_bridge.training.checkpoint import digest_of
from edaphos_bridge.training.plan import draw_plan


class Probe(ABC):
    """What looks at the encoder of a run, and what it looks at: the same rows every time.

    It learns from some rows and scores the others, always the same ones. A new one is a file of its
    own beside `linear_probe.py`. Raises `InputError` if a setting cannot be used, or a patch holds
    missing values.

    Parameters
    ----------
    x : patches (N, C, H, W)
        As a verb takes them, or checked already.
    every : int
        Epochs between two looks.
    patience : int or None
        Looks in a row without a better score after which the run ends.
    val_split : float
        Share of the rows that is scored, where `parting` does not say which.
    seed : int
        Of the draw of those rows, and of what a probe draws itself.
    parting : mapping
        Arguments of `read_split`. Under "validation" may be a split that is read already.

    Attributes
    ----------
    plan : Plan
        The rows that it learns from and those that it scores.
    """

    name: ClassVar[str]
    """What it is called in files, and where it is shown."""
    score_name: ClassVar[str]
    """What it measures; more is better."""

    def __init__(
        self,
        x: Any,
        *,
        every: Any,
        patience: Any,
        val_split: Any,
        seed: Any,
        parting: Mapping[str, Any],
    ) -> None:
        self.every = whole("every", every)
        self.patience = None if patience is None else whole("patience", patience)
        self.val_split = number("val_split", val_split, above=0, below=1)
        self.seed = seed_number(seed)
        self.patches = x if isinstance(x, Patches) else Patches(x)
        n, validation = len(self.patches), parting.get("validation")
        is_read = isinstance(validation, Split)
        self._split = validation if is_read else read_split(n, **parting)
        if self._split is None:
            warn_of_overlap(self.patches.overlapping, n)
        self.plan = draw_plan(n, self.val_split, Randomness(self.seed).generator, self._split)
        self.patches.check()

    @abstractmethod
    def score(self, encoder: nn.Module) -> float:
        """Return the score of the held-out rows under a frozen encoder, a finite number."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what is its own of its settings, as JSON values."""

    @abstractmethod
    def learnt(self) -> dict[str, torch.Tensor]:
        """Return what is known of the rows, by names that say what it means."""

    def check(self, encoder: nn.Module, shape: Sequence[int], epochs: int) -> None:
        """Raise `InputError` if it cannot look at a run of `encoder`, which is not changed.

        The run has so many `epochs` on patches of `shape` (N, C, H, W).
        """
        try:
            if self.every > epochs:
                raise InputError("every", f"must be at most `epochs`, {epochs}", found=self.every)
            self.try_on(freeze(own_copy(encoder)), shape)
        except InputError as error:
            raise InputError(
                "probe",
                f"cannot look at this run: its `{error.argument}` {error.problem}",
                found=error.found,
                rows=error.rows,
                hint=error.hint,
            ) from error

    def try_on(self, encoder: nn.Module, shape: Sequence[int]) -> None:
        """Raise `InputError` unless a frozen encoder of patches of `shape` takes these as well."""
        check_channels(shape[1], self.patches.channels)
        self.patches.read_for(encoder, training=False)
        device = device_of(encoder)
        with draws_of(encoder, Randomness(self.seed, device)):
            width = find_feature_dim(encoder, torch.zeros((1, *shape[1:]), device=device))
            check_size(encoder, self.patches.read(0, 1), list(shape[2:]), width)

    def describe(self) -> dict[str, Any]:
        """Return what it is and how it looks, as JSON values."""
        n_train, n_held_out = len(self.plan.train_rows), len(self.plan.val_rows)
        return {
            "name": self.name,
            "score": self.score_name,
            "every": self.every,
            "patience": self.patience,
            **self.settings(),
            "val_split": self.val_split,
            "seed": self.seed,
            **({} if self._split is None else {"split": self._split.describe()}),
            "n_train": n_train,
            "n_validation": n_held_out,
        }

    def identity(self) -> str:
        """Return what a run must share with the checkpoint that it goes on from."""
        rows = {"train": self.plan.train_rows, "held out": self.plan.val_rows}
        return f"{self!r} of {self.patches.fingerprint()}-{digest_of({**self.learnt(), **rows})}"

    def __repr__(self) -> str:
        known = self.describe()
        values = ", ".join(
            f"{name}={value!r}" for name, value in known.items() if name not in ("name", "score")
        )
        return f"{type(self).__name__}({values})"


def as_probe(probe: Any) -> Probe | None:
    """Return the probe of a run, or raise `InputError` if it is none."""
    if probe is None or isinstance(probe, Probe):
        return probe
    raise InputError(
        "probe",
        "must be a probe",
        found=probe if isinstance(probe, type) else type(probe).__name__,
        hint="LinearProbe() and SegmentationProbe() are some, in R linear_probe() and so on.",
    )

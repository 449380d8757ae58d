"""Checkpoints of a pretraining run: where it stands, in one file that is whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edaphos_bridge.arguments import whole
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.weights.container import pack, prefixed, unpack, without_prefix
from edaphos_bridge.weights.container import write_atomically as write

FILE = "checkpoint.safetensors"
STEPS_BETWEEN = 100


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` steps.

    `tensors` is the state of the method, `rng` that of the cpu's generator, `losses` has one
    value a step.
    """

    step: int
    losses: list[float]
    tensors: Mapping[str, torch.Tensor]
    rng: torch.Tensor


class Checkpoints:
    """The checkpoint file of one run.

    Parameters
    ----------
    folder : path-like
        Made if it does not exist.
    every : int, optional
        Steps between two checkpoints, 100 by default; there is always one at the end.
    identity : mapping
        JSON values that a run must share with the checkpoint it goes on from. A None under
        "seed" goes with any seed.
    """

    def __init__(
        self, folder: str | os.PathLike[str], every: int | None, identity: Mapping[str, Any]
    ) -> None:
        self._path = Path(folder) / FILE
        self._every = STEPS_BETWEEN if every is None else every
        self.identity = dict(identity)

    def due(self, step: int) -> bool:
        """Return whether a checkpoint belongs after `step`."""
        return step % self._every == 0

    def save(self, progress: Progress) -> None:
        """Write the file, in place of the one before."""
        tensors = {
            **prefixed("method", progress.tensors),
            "rng": progress.rng,
            "losses": torch.tensor(progress.losses, dtype=torch.float64),
        }
        metadata = {"step": progress.step, "identity": self.identity}
        write(self._path, pack("pretraining checkpoint", tensors, metadata))

    def load(self) -> Progress | None:
        """Return where an earlier run stopped, or None where there was none; take up its seed.

        Raises
        ------
        InputError
            If the checkpoint is of a run with other settings or other patches.
        WeightsError
            If the file is damaged.
        """
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                "checkpoint_dir",
                f"cannot be made or is no folder ({error.strerror})",
                found=str(folder),
            ) from error
        for left_behind in folder.glob(f".{FILE}.*"):  # by a run killed while writing
            left_behind.unlink(missing_ok=True)
        try:
            tensors, metadata = unpack("pretraining checkpoint", self._path.read_bytes())
            identity = dict(metadata["identity"])
            progress = Progress(
                int(metadata["step"]),
                tensors["losses"].tolist(),
                without_prefix("method", tensors),
                tensors["rng"],
            )
        except FileNotFoundError:
            return None
        except (WeightsError, KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f"The checkpoint {self._path} cannot be read: {error} Delete it to start anew."
            ) from error
        self._require_same(identity)
        self.identity = identity
        return progress

    def _require_same(self, found: Mapping[str, Any]) -> None:
        other = [
            f"{name} = {found.get(name)!r} there, {value!r} here"
            for name, value in self.identity.items()
            if found.get(name) != value and not (name == "seed" and value is None)
        ]
        if other:
            raise InputError(
                "checkpoint_dir",
                f"holds the checkpoint of another run ({'; '.join(other)})",
                found=str(self._path),
                hint="Give another folder, or delete that file to start anew.",
            )


def checked_interval(folder: Any, every: Any) -> int | None:
    """Return `checkpoint_every` if both arguments can be used."""
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise InputError("checkpoint_dir", "must be the path of a folder", found=folder)
    if every is not None and folder is None:
        raise InputError(
            "checkpoint_every", "needs a `checkpoint_dir` for the checkpoints", found=every
        )
    return None if every is None else whole("checkpoint_every", every)

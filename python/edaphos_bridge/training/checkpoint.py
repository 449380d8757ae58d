"""Checkpoints of a run: where it stands, in one file that is whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.container import pack, prefixed, require_finite, unpack, without_prefix
from edaphos_bridge.files.disk import MOST_OF_A_FIT, read_file
from edaphos_bridge.files.disk import write_atomically as write
from edaphos_bridge.files.folder_lock import InUseError, locked
from edaphos_bridge.files.schema import check, damaged_description, is_table, is_whole, require

FILE = "checkpoint.safetensors"
STEPS_BETWEEN = 100
PRETRAINING = "pretraining checkpoint"
# What a checkpoint takes beside its tensors.
_SPARE_BYTES = 2**16


@dataclass(frozen=True)
class Progress:
    """Where a run stands after `step` steps.

    `tensors` is the state of the method, `rng` that of the cpu's generator, `losses` has one
    value a step, `scores` one an epoch where a method has any, `path` is the file they came from.
    """

    step: int
    losses: list[float]
    tensors: Mapping[str, torch.Tensor]
    rng: torch.Tensor
    path: Path | None = None
    scores: Sequence[float] = ()


class Checkpoints:
    """The checkpoint file of one run, in a folder that is made, and locked while the run lasts.

    There is one after `every` steps (100 by default), and always one at the end. `identity` has the
    JSON values that a run must share with the checkpoint it goes on from; see `read_checkpoint`.
    `kind` is that of the run, as files say it.
    """

    def __init__(
        self, folder: Path, every: int | None, identity: dict[str, Any], kind: str = PRETRAINING
    ) -> None:
        self._kind = kind
        self._path = folder / FILE
        self._every = STEPS_BETWEEN if every is None else every
        self.identity = identity
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Checkpoints:
        """Make and lock the folder, or raise `InputError`."""
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                "checkpoint_dir",
                f"cannot be made or is no folder ({error.strerror})",
                found=str(folder),
            ) from error
        try:
            self._held.enter_context(locked(folder))
        except InUseError as error:
            raise InputError(
                "checkpoint_dir",
                "is in use by another run",
                found=str(folder),
                hint="Wait for its end, or give another folder.",
            ) from error
        except OSError as error:
            raise self._not_writable(error) from error
        for left_behind in folder.glob(f".{FILE}.*"):  # by a run killed while writing
            with contextlib.suppress(OSError):
                left_behind.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.close()

    def due(self, step: int) -> bool:
        """Return whether a checkpoint belongs after `step`."""
        return step % self._every == 0

    def load(self) -> Progress | None:
        """Return where an earlier run stopped, or None where there was none; see below."""
        return read_checkpoint("checkpoint_dir", self._path, self.identity, self._kind)

    def rehearse(self, tensors: Mapping[str, torch.Tensor], steps: int) -> None:
        """Write and remove a file of the size of the last checkpoint.

        Raises `InputError` if that fails: the folder is read-only, or the disk is full.
        """
        sizes = {name: tensor.numel() * tensor.element_size() for name, tensor in tensors.items()}
        size = sum(sizes.values()) + 8 * steps + _SPARE_BYTES
        if not any(name.startswith("optimizer.") for name in sizes):  # Adam's moments will come
            trained = ("encoder.", "head.")
            size += 2 * sum(sizes[name] for name in sizes if name.startswith(trained))
        temporary = self._path.with_name(f".{FILE}.{secrets.token_hex(8)}")
        try:
            try:
                with temporary.open("xb") as file:
                    for start in range(0, size, 2**20):
                        file.write(bytes(min(2**20, size - start)))
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error

    def save(self, progress: Progress) -> None:
        """Write the file, in place of the one before, or raise `InputError`."""
        tensors = {
            **prefixed("method", progress.tensors),
            "rng": progress.rng,
            "losses": torch.tensor(progress.losses, dtype=torch.float64),
        }
        if progress.scores:
            tensors["scores"] = torch.tensor(progress.scores, dtype=torch.float64)
        metadata = {"step": progress.step, "identity": self.identity}
        data = pack(self._kind, tensors, metadata)
        try:
            write(self._path, data)
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> InputError:
        return InputError(
            "checkpoint_dir",
            f"cannot be written to ({error.strerror or error})",
            found=str(self._path.parent),
            hint="Make room or give another folder; a checkpoint that is there stays as it was.",
        )


def read_checkpoint(
    argument: str, path: Path, identity: dict[str, Any], kind: str = PRETRAINING
) -> Progress | None:
    """Return where the run with a checkpoint in `path` stopped, or None where there is none.

    The checkpoint must say the same `identity` of its run. A None under "seed" goes with any seed,
    and is replaced by the checkpoint's. Where no step depends on the number of steps, that is
    without a momentum schedule, "epochs" may differ, as long as the run that is asked for is not
    over before the checkpoint. Raises `InputError` if the checkpoint is of a run with other
    settings or other patches, and `WeightsError` if the file is damaged.
    """
    try:
        data = read_file(argument, path, MOST_OF_A_FIT)
    except FileNotFoundError:
        return None
    try:
        progress, found = _unpacked(path, data, kind)
    except WeightsError as error:
        raise unreadable(path, error) from error
    _require_same(argument, path, identity, found, progress.step)
    identity["seed"] = found["seed"]
    return progress


def unreadable(path: Path | None, error: WeightsError) -> WeightsError:
    """Return the error for a checkpoint that is damaged."""
    return WeightsError(f"The checkpoint {path} cannot be read: {error} Delete it to start anew.")


def _unpacked(path: Path, data: bytes, kind: str) -> tuple[Progress, dict[str, Any]]:
    tensors, metadata = unpack(kind, data)
    values = check(metadata, {"step": is_whole, "identity": is_table})
    step, identity = values["step"], values["identity"]
    check(identity, {"seed": lambda seed: type(seed) is int})
    losses, rng = tensors.get("losses"), tensors.get("rng")
    if losses is None or rng is None:
        raise WeightsError("This checkpoint lacks its losses or its random generator.")
    require_finite("checkpoint", tensors, with_masks=kind != PRETRAINING)
    require(
        losses.dtype == torch.float64 and losses.shape == (step,),
        "its losses are of another number",
    )
    scores = tensors.get("scores", torch.empty(0, dtype=torch.float64))
    require(scores.dtype == torch.float64 and scores.ndim == 1, "its scores are none")
    with damaged_description():
        torch.Generator().set_state(rng)  # not the one in use: only whether it is a state
    state = without_prefix("method", tensors)
    return Progress(step, losses.tolist(), state, rng, path, scores.tolist()), identity


def _require_same(
    argument: str, path: Path, wanted: Mapping[str, Any], found: Mapping[str, Any], step: int
) -> None:
    extends = wanted.get("momentum_schedule") is None
    other = [
        f"{name} = {found.get(name)!r} there, {wanted.get(name)!r} here"
        for name in {**wanted, **found}  # a setting that is not in use may be in neither
        if found.get(name) != wanted.get(name)
        and not (name == "seed" and wanted.get(name) is None)
        and not (name == "epochs" and extends)
    ]
    hint = "Give another folder, or delete that file to start anew."
    if len(other) == 1 and found.get("epochs") != wanted.get("epochs") and not extends:
        hint = (
            "With a momentum schedule every step depends on the number of steps, so a run cannot "
            f"be made longer or shorter. {hint}"
        )
    if other:
        raise InputError(
            argument,
            f"holds the checkpoint of another run ({'; '.join(other)})",
            found=str(path),
            hint=hint,
        )
    steps = wanted.get("epochs", math.inf) * wanted.get("steps_per_epoch", 1)
    if step > steps:
        raise InputError(
            argument,
            f"holds the checkpoint of a longer run: {step} steps there, {steps} here",
            found=str(path),
            hint=hint,
        )


def digest_of(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a digest of names and values."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(
            tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()[:16]

"""What a fit is: trained modules that predict, print themselves and live in files."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.basics.counted import counted
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.encoders.known_modules import only_reads
from edaphos_bridge.errors import InputError
from edaphos_bridge.files.disk import MOST_OF_A_FIT, read_file, save_file
from edaphos_bridge.fits import file
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.prediction import asked, predicted
from edaphos_bridge.fits.standalone import StandaloneModel
from edaphos_bridge.heads.decoders import FROM_SCRATCH
from edaphos_bridge.heads.registry import CUSTOM, reads_of
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tasks.task import Task

Self = TypeVar("Self", bound="FoundationFit")


@dataclass(eq=False, repr=False)
class FoundationFit:
    """A trained encoder and head; the class of each task below this one says what its values are.

    `score_history` has the task's score of the validation rows after each epoch.
    """

    task: Any
    encoder: nn.Module
    head: nn.Module
    loss_history: list[float]
    score_history: list[float]
    config: dict[str, Any]
    feature_dim: int
    head_type: str
    freeze_backbone: bool
    device: str
    in_channels: int
    patch_size: list[int]
    overlapping: int | None = None

    task_class: ClassVar[type[Task]]
    title: ClassVar[str]
    score_name: ClassVar[str]

    of_task: ClassVar[dict[str, type[FoundationFit]]] = {}
    """The leaf classes by the names of their tasks: a file says which one it is of."""

    def __init_subclass__(cls) -> None:
        """Let `load` of the parent class know this one."""
        if "task_class" in vars(cls):
            FoundationFit.of_task[cls.task_class.name] = cls

    @property
    def normalisation(self) -> Normalisation | None:
        """How raw raster cells become the encoder's input, if it was pretrained on a raster."""
        return normalisation_of(self.encoder)

    def learnt_again(self, patches: Patches, y: Any, settings: Any) -> tuple[Any, torch.Tensor]:
        """Return task and targets of what else it is to learn; each task says how."""
        raise InputError(
            "fit", "is of a task that cannot be gone on from", found=type(self).__name__
        )

    def values(
        self,
        x: Any,
        device: str | None,
        coords: Any,
        dataset: FoundationTileDataset | None,
        **how: Any,
    ) -> NDArray[np.float64]:
        """Return the values that the task predicts; arguments as in a leaf class' `predict`."""
        return values_of([self], x, device, coords, dataset, **how)

    def complete(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what users see of the `values` of the task, of members or draws too."""
        return values

    def only_reads(self) -> bool:
        """Return whether the model is known not to write to patches.

        A head gets what the encoder gives of them, which may be a view.
        """
        head_reads = self.head_type != CUSTOM or only_reads(self.head)
        return head_reads and only_reads(self.encoder)

    @plain
    def module(self, *, values: bool = False) -> nn.Module:
        """Return encoder and head as one module: a copy in eval mode, where the fit lies.

        `torch.export.export` takes it, for use without this package. So does `torch.jit.trace`,
        which warns of checks that it leaves out.

        Parameters
        ----------
        values : bool
            Whether it gives what `predict` is made of, float64 (class probabilities, predictions
            in the units of the target), or the outputs of the head, float32 (logits).

        Returns
        -------
        torch.nn.Module
            From float32 patches ``(B, C, H, W)``, as `predict` takes them, to ``(B, n_outputs)``.

        Raises
        ------
        InputError
            If `values` is not a single true/false value.
        """
        of_task = self.task.values if flag("values", values) else None
        return StandaloneModel(own_copy(Model(self.encoder, self.head)), of_task).eval()

    @plain
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to one safetensors file, atomically.

        An encoder of your own is saved as weights; `load` then asks for the module.

        Raises
        ------
        InputError
            If there can be no such file, or it cannot be written.
        WeightsError
            If the encoder's state dict holds something that a file cannot hold, or a weight is
            not finite.
        """
        save_file("path", path, self.to_bytes())

    @classmethod
    @plain
    def load(
        cls: type[Self],
        path: str | os.PathLike[str],
        encoder: nn.Module | None = None,
        head: nn.Module | None = None,
    ) -> Self:
        """Read a fit written by `save`.

        Parameters
        ----------
        path : path-like
            The file.
        encoder : torch.nn.Module, optional
            For a fit around a module of your own: that module, built anew. A copy of
            it gets the saved weights.
        head : torch.nn.Module, optional
            For a fit with a head of your own, the same.

        Raises
        ------
        WeightsError
            If the file is damaged or of another kind, if the encoder is needed and missing,
            or if it does not fit.
        InputError
            If the path is that of a folder, a pipe or a device.
        FileNotFoundError
            If there is no such file.
        """
        return cls.from_bytes(read_file("path", path, MOST_OF_A_FIT), encoder=encoder, head=head)

    @plain
    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        return file.pack_fit(*self.parts())

    def parts(self) -> tuple[Task, nn.Module, nn.Module, dict[str, Any]]:
        """Return what stands in a file: task, encoder, head and the record of training."""
        values = {name: getattr(self, name) for name in _plain_fields()}
        return self.task, self.encoder, self.head, values

    @classmethod
    @plain
    def from_bytes(
        cls: type[Self],
        data: bytes,
        encoder: nn.Module | None = None,
        head: nn.Module | None = None,
    ) -> Self:
        """Return the fit whose `to_bytes` gave `data`; see `load`."""
        given = None if encoder is None else as_module(encoder)
        known = {name: leaf for name, leaf in cls.of_task.items() if issubclass(leaf, cls)}
        known = known or {cls.task_class.name: cls}  # a class of the user's below a leaf
        tasks = {name: leaf.task_class for name, leaf in known.items()}
        found = file.unpack_fit(tasks, data, given, head)
        made: Self = known[found["task"].name](**found)
        return made

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        regime = "linear probing" if self.freeze_backbone else "full fine-tuning"
        if self.freeze_backbone and self.head_type != "linear":
            regime = "frozen backbone"
        if self.head_type == FROM_SCRATCH:
            regime = "from scratch"
        best, top = "NA", self.best_score
        if "recipe" in self.config:
            regime = f"{self.config['recipe']}, {counted(len(self.config['phases']), 'phase')}"
        if not math.isnan(top):
            first = self.score_history.index(top) + 1
            form = self.task.score_format
            which = "kept" if "patience" in self.config else f"at the end {self.kept_score:{form}}"
            best = f"{top:{form}} (epoch {first}), {which}"
        return [
            f"<{self.title}>",
            *lines(self.about_task()),
            *lines(
                {
                    "feature_dim": self.feature_dim,
                    "decoder" if self.task.has_masks else "head": self.head_type,
                    "regime": regime,
                    **self.about_calibration(),
                    "device": self.device,
                    **self.about_split(),
                    "final loss": f"{self.loss_history[-1]:.4f}",
                    f"best {self.score_name}": best,
                }
            ),
            *([] if math.isnan(top) else self.about_overlap()),
        ]

    @property
    def best_score(self) -> float:
        """The best score of the validation rows; NaN without any."""
        known = [value for value in self.score_history if not math.isnan(value)]
        best = max if self.task.highest_is_best else min
        return best(known, default=math.nan)

    @property
    def kept_score(self) -> float:
        """That of the weights kept: of the last epoch, with patience of the best one."""
        return self.best_score if "patience" in self.config else self.score_history[-1]

    def about_calibration(self) -> dict[str, str]:
        """Return what printing says of the temperature that probabilities were calibrated by."""
        temperature = self.config.get("temperature")
        return {} if temperature is None else {"temperature": f"{temperature:.4g}"}

    def about_task(self) -> dict[str, Any]:
        """Return what printing says of the task."""
        return {}

    @property
    def columns(self) -> list[Any] | None:
        """Names of what is predicted of a patch; None where that is one number."""
        return None

    def about_split(self) -> dict[str, Any]:
        """Return what printing says of the rows that validate, where they were not drawn singly."""
        split = self.config.get("split")
        if split is None:
            return {}
        by = {"folds": f"fold {split.get('fold')}", "validation": "rows given"}
        text = by.get(split["by"], f"whole {split['by']}")
        left_out = f", {split['n_left_out']} left out" if split["n_left_out"] else ""
        validating = counted(split["n_validation"], "row")
        n_rows = f"{validating} beside {split['n_train']} that train{left_out}"
        return {"validation": f"{text}: {n_rows}"}

    def n_patches(self) -> int | None:
        """Return on how many patches it was fitted, where that is known."""
        return None

    def about_overlap(self) -> list[str]:
        """Return the line that speaks of patches that share cells, if any do."""
        if not self.overlapping or "split" in self.config:  # of a random split it is told
            return []
        total = self.n_patches()
        of = "" if total is None else f" of {total}"
        text = f"{self.overlapping}{of} patches share cells, so {self.score_name} says little"
        return lines({"overlap": text})

    def __repr__(self) -> str:
        """Return what the R original's ``print()`` shows."""
        return "\n".join(self.describe())


def values_of(
    fits: Sequence[FoundationFit],
    x: Any,
    device: str | None,
    coords: Any,
    dataset: FoundationTileDataset | None,
    *,
    task: Task | None = None,
    **how: Any,
) -> NDArray[np.float64]:
    """Return what fits of one task and one kind of patches predict.

    Arguments are those of a leaf class' `predict`; `how` are further ones of `predicted`. `task`
    stands for the fits' own, where something else is to become of the outputs.
    """
    first = fits[0]
    target = resolve_device(first.device if device is None else device)
    with asked(
        first.encoder,
        x,
        coords,
        dataset,
        target,
        in_channels=first.in_channels,
        patch_size=first.patch_size,
        feature_dim=first.feature_dim,
        reads=reads_of(first.head),
        borrow=all(fit.only_reads() for fit in fits),
    ) as (n, size, batches):
        members = [Model(fit.encoder, fit.head) for fit in fits]
        return predicted(task or first.task, members, n, size, batches, target, **how)


def lines(values: dict[str, Any]) -> list[str]:
    """Return a line for each value, under its name."""
    return [f"  {name + ':':<15}{value}" for name, value in values.items()]


def _plain_fields() -> list[str]:
    modules = ("task", "encoder", "head")
    return [field.name for field in fields(FoundationFit) if field.name not in modules]

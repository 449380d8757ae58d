"""Deep ensembles: `foundation_finetune_ensemble()` and what it returns."""

from __future__ import annotations

import inspect
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, read_once, whole
from edaphos_bridge.basics.paths import folder_or_none
from edaphos_bridge.classifier import foundation_fit_classifier
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError, WeightsError, renamed
from edaphos_bridge.files.disk import MOST_OF_A_FIT, read_file, save_file
from edaphos_bridge.fits import file
from edaphos_bridge.fits.result import FoundationFit, lines, values_of
from edaphos_bridge.multi_label import foundation_fit_multilabel
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.regressor import foundation_fit_regressor
from edaphos_bridge.segmenter import foundation_fit_segmenter

MEMBERS: dict[str, Callable[..., FoundationFit]] = {
    "classification": foundation_fit_classifier,
    "regression": foundation_fit_regressor,
    "multilabel": foundation_fit_multilabel,
    "segmentation": foundation_fit_segmenter,
}
"""What fits a member, by the name of its task."""

_LARGEST_SEED = 2**53


@plain
def foundation_finetune_ensemble(
    encoder: Any,
    x: Any,
    y: Any,
    task: str = "classification",
    K_ens: int = 5,  # noqa: N803
    base_seed: int = 301,
    **settings: Any,
) -> FoundationEnsemble:
    """Fit the same model several times, from different seeds (Lakshminarayanan et al. 2017).

    Each member is a fit of its own, with its own split, initial head and order of rows: what they
    differ in shows what a single one owes to chance. Nothing that is given is changed.

    Parameters
    ----------
    encoder, x, y
        As in the function of the task.
    task : {"classification", "regression", "multilabel", "segmentation"}
        What fits the members: `foundation_fit_classifier`, `foundation_fit_regressor`,
        `foundation_fit_multilabel` or `foundation_fit_segmenter`.
    K_ens : int
        Members, at least two.
    base_seed : int
        Seed of the first member; that of the next is one more, and so on.
    **settings
        Further arguments of that function, `seed` excepted. Of a `checkpoint_dir` each member has
        a folder of its own.

    Returns
    -------
    FoundationEnsemble

    Raises
    ------
    InputError
        If an argument cannot be used; before any training.
    TrainingError
        If training of a member diverges.

    References
    ----------
    Lakshminarayanan, B., Pritzel, A. and Blundell, C. (2017). Simple and scalable predictive
    uncertainty estimation using deep ensembles. NeurIPS.

    Examples
    --------
    >>> from edaphos_bridge import foundation_encoder, foundation_finetune_ensemble
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> clay = 30 + 20 * x[:, 0].mean(axis=(1, 2))
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> ensemble = foundation_finetune_ensemble(
    ...     encoder, x, clay, task="regression", K_ens=3, epochs=2
    ... )
    >>> ensemble.predict(x[:5]).shape
    (3, 5)
    >>> ensemble.predict(x[:5], type="sd").shape
    (5,)
    """
    seeds = seeds_of(task, K_ens, base_seed)
    fit_member = MEMBERS[task]
    _check_names(fit_member, settings)
    y = read_once(y)  # every member reads it
    settings = {name: read_once(value) for name, value in settings.items()}
    folder = folder_or_none("checkpoint_dir", settings.pop("checkpoint_dir", None))
    members = []
    for seed in seeds:
        own = None if folder is None else folder / f"member-{seed}"
        with renamed("masks", "y"):
            members.append(fit_member(encoder, x, y, seed=seed, checkpoint_dir=own, **settings))
    return FoundationEnsemble(members)


def seeds_of(task: Any, K_ens: Any, base_seed: Any) -> range:  # noqa: N803
    """Return the seed of each member, all three arguments checked."""
    choice("task", task, tuple(MEMBERS))
    number = whole("K_ens", K_ens, minimum=2, kind="whole number of members, at least 2")
    first = whole(
        "base_seed",
        base_seed,
        minimum=-_LARGEST_SEED,
        maximum=_LARGEST_SEED - number,
        kind="whole number between -2^53 and 2^53",
    )
    return range(first, first + number)


def _check_names(fit_member: Callable[..., Any], settings: dict[str, Any]) -> None:
    known = [*inspect.signature(fit_member).parameters][3:]
    known.remove("seed")
    for name in settings:
        if name not in known:
            hint = f"It takes {', '.join(known)}."
            if name == "seed":
                hint = "Members have the seeds base_seed, base_seed + 1 and so on."
            problem = f"is no argument of an ensemble by {fit_member.__name__}()"
            raise InputError(name, problem, hint=hint)


@dataclass(eq=False, repr=False)
class FoundationEnsemble:
    """Fits of one task that differ in their seed, as `foundation_finetune_ensemble` returns them.

    Attributes
    ----------
    members : list of FoundationFit
        At least two, trained on the same patches.
    task : {"classification", "regression", "multilabel", "segmentation"}
    K_ens : int
        How many members.
    encoder : torch.nn.Module or None
        The frozen encoder, which members share; None where each has tuned its own.
    final_losses : list of float
        The last training loss of each member.
    loss_histories : list of list of float
        The losses of each member, one value an epoch.
    config : dict
        `task`, and `base_seed`, the seed of the first member.
    """

    members: list[FoundationFit]

    def __post_init__(self) -> None:
        """Let members share a frozen encoder: it stands once in memory and in files."""
        first, *others = self.members
        if all(member.freeze_backbone for member in self.members):
            state = first.encoder.state_dict()
            for member in others:
                if _equal(member.encoder.state_dict(), state):
                    member.encoder = first.encoder

    @property
    def task(self) -> str:
        """What members learnt."""
        return self.members[0].task_class.name

    @property
    def K_ens(self) -> int:  # noqa: N802
        """How many members there are."""
        return len(self.members)

    @property
    def encoder(self) -> nn.Module | None:
        """The encoder that members share, if they do."""
        first = self.members[0].encoder
        return first if all(member.encoder is first for member in self.members) else None

    @property
    def final_losses(self) -> list[float]:
        """The last training loss of each member."""
        return [member.loss_history[-1] for member in self.members]

    @property
    def loss_histories(self) -> list[list[float]]:
        """The losses of each member."""
        return [member.loss_history for member in self.members]

    @property
    def config(self) -> dict[str, Any]:
        """The task, and the seed of the first member."""
        return {"task": self.task, "base_seed": self.members[0].config["seed"]}

    @plain
    def predict(
        self,
        x: Any,
        type: str = "members",
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.float64] | pd.DataFrame:
        """Predict with every member, in batches.

        Parameters
        ----------
        x, device, coords, dataset
            As in `FoundationClassifier.predict`.
        type : {"members", "mean", "sd"}
            What each member predicts, or the mean or the standard deviation (with K - 1) over
            members.

        Returns
        -------
        numpy.ndarray or pandas.DataFrame, float64
            For "members" an array (K, N) of a target without a name, else (K, N, n): the
            probabilities of classes or labels, or the targets in their units. For "mean" and "sd"
            an array (N,), or a table (N, n) with their names. Of segmenters arrays (K, N, n, H, W)
            and (N, n, H, W). Missing for points outside the raster or without data in any band.

        Raises
        ------
        InputError
            As `FoundationClassifier.predict`.
        """
        choice("type", type, ("members", "mean", "sd"))
        each = type != "mean"
        first = self.members[0]
        values = first.complete(values_of(self.members, x, device, coords, dataset, each=each))
        columns = first.columns
        if columns is None:
            values = values[..., 0]
        if type == "members":
            return values
        if type == "sd":
            values = values.std(axis=0, ddof=1)
        return pd.DataFrame(values, columns=columns) if columns and values.ndim == 2 else values

    @plain
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all members to one safetensors file, atomically; see `FoundationFit.save`."""
        save_file("path", path, self.to_bytes())

    @classmethod
    @plain
    def load(
        cls,
        path: str | os.PathLike[str],
        encoder: nn.Module | None = None,
        head: nn.Module | None = None,
    ) -> FoundationEnsemble:
        """Read an ensemble written by `save`; arguments and errors are those of a fit's `load`."""
        return cls.from_bytes(read_file("path", path, MOST_OF_A_FIT), encoder, head)

    @plain
    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        return file.pack_members([member.parts() for member in self.members])

    @classmethod
    @plain
    def from_bytes(
        cls, data: bytes, encoder: nn.Module | None = None, head: nn.Module | None = None
    ) -> FoundationEnsemble:
        """Return the ensemble whose `to_bytes` gave `data`; see `load`."""
        given = None if encoder is None else as_module(encoder)
        known = FoundationFit.of_task
        tasks = {name: leaf.task_class for name, leaf in known.items()}
        found = file.unpack_members(tasks, data, given, head)
        members = [known[elements["task"].name](**elements) for elements in found]
        forms = [(fit.task, fit.in_channels, fit.patch_size) for fit in members]
        if len(members) < 2 or any(form != forms[0] for form in forms):
            raise WeightsError("This file is damaged: its members are not fits of one task.")
        return cls(members)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        first, losses = self.members[0], self.final_losses
        seeds = [member.config["seed"] for member in self.members]
        scores = [member.kept_score for member in self.members]
        form = first.task.score_format
        return [
            "<edaphos_foundation_ensemble>",
            *lines(
                {
                    "task": self.task,
                    "K_ens": f"{self.K_ens} (seeds {seeds[0]} to {seeds[-1]})",
                    **first.about_task(),
                    "final losses": _spread(losses, ".4g"),
                    first.score_name: _spread(scores, form),
                }
            ),
        ]

    def __repr__(self) -> str:
        return "\n".join(self.describe())


def _spread(values: list[float], form: str) -> str:
    if any(np.isnan(values)):
        return "NA"
    middle = statistics.median(values)
    return f"{min(values):{form}} to {max(values):{form}}, median {middle:{form}}"


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return list(one) == list(other) and all(
        isinstance(one[name], torch.Tensor) and torch.equal(one[name], other[name]) for name in one
    )

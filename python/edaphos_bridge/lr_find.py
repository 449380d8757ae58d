"""The learning rate finder: `foundation_lr_find()`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag, number, whole
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import EdaphosError, InputError, TrainingError
from edaphos_bridge.recipes import finetuned
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.phase import HEAD_ALONE, foundation_phase
from edaphos_bridge.training.settings import RecipeSettings

_SMOOTHING = 0.98  # of the mean that moves with the losses
_DIVERGED = 4.0  # times the lowest loss ends the search


@plain
def foundation_lr_find(
    encoder_or_fit: Any,
    x: Any,
    y: Any,
    *,
    freeze_backbone: bool = False,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_it: int = 100,
    head: str | nn.Module | Callable[[int, int], nn.Module] = "linear",
    hidden: int | Sequence[int] = (64, 32),
    dropout: float | Sequence[float] = 0.0,
    weight_decay: float = 0.0,
    batch_size: int = 32,
    split: Any = None,
    device: str = "cpu",
    seed: int | None = None,
) -> LRFind:
    """Train on copies at rates that grow from step to step, and look where the loss falls.

    Parameters
    ----------
    encoder_or_fit, x, y : as in `foundation_fine_tune`
        Are left as they are.
    freeze_backbone : bool
        Whether the head trains alone.
    start_lr, end_lr : float
        First and last rate; the same for all groups.
    num_it : int
        Steps, at most: it ends where the smoothed loss is four times its lowest value.
    head, hidden, dropout, weight_decay, batch_size, split, device, seed : as in
        `foundation_fine_tune`

    Returns
    -------
    LRFind

    Raises
    ------
    InputError
        If an argument cannot be used; before any training.

    References
    ----------
    Smith, L. N. (2017). Cyclical learning rates for training neural networks. WACV.
    fastai 2.8, ``lr_find``: smoothing and the suggestions "valley", "steep" and "minimum".

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_encoder, foundation_lr_find
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = ["Oxisol", "Ultisol", "Inceptisol"] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> found = foundation_lr_find(encoder, x, y, num_it=20, seed=1)
    >>> list(found.table.columns)
    ['lr', 'loss', 'smoothed']
    """
    return lr_found(
        encoder_or_fit,
        Patches(x),
        y,
        freeze_backbone=freeze_backbone,
        start_lr=start_lr,
        end_lr=end_lr,
        num_it=num_it,
        weight_decay=weight_decay,
        head=head,
        hidden=hidden,
        dropout=dropout,
        batch_size=batch_size,
        device=device,
        seed=seed,
        split=split,
    )


def lr_found(
    start: Any,
    patches: Patches,
    y: Any,
    *,
    freeze_backbone: Any,
    start_lr: Any,
    end_lr: Any,
    num_it: Any,
    weight_decay: Any,
    batch_size: Any,
    device: str,
    split: Any = None,
    draw: Callable[[], int] = draw_seed,
    **common: Any,
) -> LRFind:
    """Search, from checked or unchecked settings: what all entrances have in common."""
    first, last = number("start_lr", start_lr, above=0), number("end_lr", end_lr, above=0)
    if last <= first:
        raise InputError("end_lr", f"must be greater than `start_lr`, {first:g}", found=last)
    steps = whole("num_it", num_it, minimum=2)
    freeze_to = HEAD_ALONE if flag("freeze_backbone", freeze_backbone) else 0
    size = whole("batch_size", batch_size)
    an_epoch = math.ceil(len(patches) / size)
    epochs = math.ceil(steps / an_epoch)
    heard = _Search(steps)
    try:
        growth = (last / first) ** ((epochs * an_epoch - 1) / (steps - 1))
    except OverflowError:
        growth = math.inf
    if math.isinf(growth):
        raise InputError(
            "num_it",
            f"is too few steps for {an_epoch} batches an epoch",
            found=steps,
            hint="Give more steps, or a larger `batch_size`.",
        )
    phase = foundation_phase(
        epochs,
        first,
        freeze_to=freeze_to,
        schedule="exponential",
        final_div=growth,
        weight_decay=weight_decay,
    )
    settings = RecipeSettings.checked(
        recipe="lr_find", phases=[phase], batch_size=size, val_split=0.0, **common
    )
    with contextlib.suppress(_Over, TrainingError):  # a rate that diverges ends it too
        finetuned(start, patches, y, settings, device, heard, draw, grouping=split)
    return heard.found()


class _Over(Exception):  # noqa: N818
    """The search has seen enough."""


class _Search(Events):
    """Notes rate and loss of each step."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._lr: list[float] = []
        self._losses: list[float] = []
        self._smoothed: list[float] = []
        self._mean = 0.0

    def on_rates(self, groups: list[dict[str, Any]]) -> None:
        self._lr.append(groups[0]["lr"])

    def on_step(self, loss: torch.Tensor) -> None:
        value = loss.item()
        if not math.isfinite(value):
            raise _Over
        self._losses.append(value)
        self._mean = _SMOOTHING * self._mean + (1 - _SMOOTHING) * value
        self._smoothed.append(self._mean / (1 - _SMOOTHING ** len(self._losses)))
        diverged = self._smoothed[-1] > _DIVERGED * min(self._smoothed)
        if diverged or len(self._losses) == self._steps:
            raise _Over

    def found(self) -> LRFind:
        n = len(self._losses)
        if not n:
            raise TrainingError.diverged("The loss is not finite in the first step.")
        table = {"lr": self._lr[:n], "loss": self._losses, "smoothed": self._smoothed}
        # as fastai: the first steps are noise, the last diverge
        part = slice(n // 10, -5) if n > 15 else slice(None)
        found = suggestions(self._lr[:n][part], self._smoothed[part])
        return LRFind(pd.DataFrame(table), found)


@dataclass
class LRFind:
    """Losses over learning rates, as `foundation_lr_find` returns them.

    Attributes
    ----------
    table : pandas.DataFrame
        ``lr``, ``loss`` and ``smoothed`` loss of each step.
    suggestion : dict of str to float
        ``valley``: two thirds down the longest way on which the loss falls; ``steep``: where it
        falls fastest; ``minimum``: a tenth of the rate of the lowest loss. NaN where the loss
        never falls.
    """

    table: pd.DataFrame
    suggestion: dict[str, float]

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        table = self.table
        lines = [
            "<edaphos_bridge learning rate finder>",
            f"  steps:         {len(table)}, from {table['lr'].iloc[0]:.3g} to "
            f"{table['lr'].iloc[-1]:.3g}",
        ]
        return lines + [f"  {name + ':':<15}{lr:.3g}" for name, lr in self.suggestion.items()]

    def __repr__(self) -> str:
        """Return what printing shows."""
        return "\n".join(self.describe())

    def plot(self) -> Any:
        """Draw the smoothed loss over the rate with the suggestions; return matplotlib's axes."""
        try:
            plt = imported("matplotlib.pyplot")
        except ImportError as error:
            raise EdaphosError(
                "Plots need the package matplotlib. Install it with `pip install matplotlib`."
            ) from error
        _, axes = plt.subplots()
        axes.plot(self.table["lr"], self.table["smoothed"], color="0.2")
        for place, (name, lr) in enumerate(self.suggestion.items()):
            if math.isfinite(lr):
                loss = np.interp(lr, self.table["lr"], self.table["smoothed"])
                axes.plot(lr, loss, "o", color=f"C{place}", label=f"{name}: {lr:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
        return axes


def suggestions(lrs: Sequence[float], losses: Sequence[float]) -> dict[str, float]:
    """Return fastai's suggestions from rates and smoothed losses of n steps.

    >>> suggestions([0.1, 0.2, 0.4, 0.8], [3.0, 2.0, 1.0, 4.0])["minimum"]
    0.04
    """
    lr, loss = np.array(lrs, dtype=float), np.array(losses, dtype=float)
    if len(lr) < 2 or not (np.diff(loss) < 0).any():
        return dict.fromkeys(("valley", "steep", "minimum"), math.nan)
    start, end = _longest_fall(loss)
    section = (end - start) / 3
    valley = lr[max(0, start + int(section) + int(section / 2))]
    steep = lr[int((np.diff(loss) / np.diff(np.log(lr))).argmin())]
    return {
        "valley": float(valley),
        "steep": float(steep),
        "minimum": float(lr[loss.argmin()] / 10),
    }


def _longest_fall(loss: NDArray[np.float64]) -> tuple[int, int]:
    """Return first and last step of the longest way on which losses fall, as fastai counts.

    The first is the step before, -1 where losses fall from the start.
    """
    length = [1] * len(loss)
    for i in range(len(loss)):
        for j in range(i):
            if loss[i] < loss[j]:
                length[i] = max(length[i], length[j] + 1)
    end = int(np.argmax(length))
    return end - length[end], end

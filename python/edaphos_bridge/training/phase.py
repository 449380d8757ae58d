"""Phases: the parts of a fit, one after the other. Only weights cross from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edaphos_bridge.basics.arguments import choice, flag, number, whole
from edaphos_bridge.errors import InputError
from edaphos_bridge.training.schedule import SCHEDULES

HEAD_ALONE = -1


@dataclass(frozen=True)
class Phase:
    """Epochs of mini-batches with an Adam of its own. `foundation_phase` makes one.

    Its attributes are the arguments of `foundation_phase`; `batch_size` is None until the fit
    that it is part of says one.
    """

    epochs: int
    lr: float | tuple[float, ...]
    backbone_lr_mult: float = 1.0
    freeze_to: int = 0
    schedule: str = "constant"
    pct_start: float = 0.25
    div: float = 25.0
    final_div: float = 1e5
    momentum: tuple[float, float] | None = (0.95, 0.85)
    batch_size: int | None = None
    weight_decay: float = 0.0
    decoupled: bool = False
    decay_norms: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    norms: str = "lock"

    def first_trained(self, n_groups: int) -> int:
        """Return the number of the first of `n_groups` groups that trains; the head is the last."""
        first = self.freeze_to if self.freeze_to >= 0 else n_groups + self.freeze_to
        return min(max(first, 0), n_groups - 1)

    def is_probe(self, n_groups: int) -> bool:
        """Return whether nothing below the head changes, so that features can be kept."""
        return self.first_trained(n_groups) == n_groups - 1 and self.norms == "lock"

    def rates(self, n_groups: int) -> list[float]:
        """Return one learning rate a group, the head's last.

        Raises
        ------
        InputError
            If `lr` has another number of rates.
        """
        if isinstance(self.lr, float):
            return [self.lr * self.backbone_lr_mult] * (n_groups - 1) + [self.lr]
        if len(self.lr) == n_groups:
            return list(self.lr)
        if len(self.lr) == 2:
            return [float(rate) for rate in np.geomspace(*self.lr, n_groups)]
        raise InputError(
            "lr",
            f"must be one rate, the first and the last, or one for each of {n_groups} groups",
            found=list(self.lr),
            hint="The groups are the encoder's blocks, input first, and the head.",
        )

    def describe(self) -> dict[str, Any]:
        """Return JSON values, the arguments of `foundation_phase`."""
        values = asdict(self)
        return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}


@dataclass(frozen=True)
class Solve:
    """A linear head at the minimum of its penalised loss, by L-BFGS, on a frozen encoder.

    Attributes
    ----------
    C : float
        Inverse penalty, in scikit-learn's notation.
    """

    C: float

    def is_probe(self, n_groups: int) -> bool:
        """Return True: nothing below the head changes."""
        return True

    def rates(self, n_groups: int) -> list[float]:
        """Return no rates."""
        return []


AnyPhase = Phase | Solve


def foundation_phase(
    epochs: int,
    lr: float | Sequence[float] | slice = 1e-3,
    *,
    backbone_lr_mult: float = 1.0,
    freeze_to: int = 0,
    schedule: str = "constant",
    pct_start: float = 0.25,
    div: float = 25.0,
    final_div: float = 1e5,
    momentum: tuple[float, float] | None = (0.95, 0.85),
    batch_size: int | None = None,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    decay_norms: bool = True,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    norms: str = "lock",
) -> Phase:
    """Describe a phase of training, for the ``recipe`` of `foundation_finetune_classifier`.

    What trains are groups: the blocks of the encoder, input first, then the head. Every phase
    begins with a fresh optimiser; only weights cross from one to the next.

    Parameters
    ----------
    epochs : int
        Passes over the training rows.
    lr : float, pair, sequence of float, or slice
        Learning rate of all groups; of the first and the last group, with a geometric series
        between; or one a group. ``slice(a, b)`` is the pair, ``slice(b)`` fastai's ``b / 10`` for
        all groups but the head, and b for it.
    backbone_lr_mult : float
        Where `lr` is one number: its factor for all groups but the head.
    freeze_to : int
        First group that trains, counted from 0; negative from the end: -1 trains the head alone,
        and so does a number beyond the last group.
    schedule : {"constant", "one_cycle", "cosine", "exponential"}
        ``one_cycle`` rises from ``lr / div`` by a half cosine over the share `pct_start` of the
        steps, and falls to ``lr / final_div``; ``cosine`` falls from lr to ``lr / final_div``;
        ``exponential`` grows from lr to ``lr * final_div``.
    momentum : pair of float or None
        With ``one_cycle``: Adam's beta1 at its highest and lowest, against the rate. None keeps
        that of `betas`.
    batch_size : int, optional
        Instead of the fit's.
    weight_decay : float
        Coupled (added to the gradient), or with `decoupled` taken off the weights (AdamW).
    decay_norms : bool
        Whether norm layers and biases decay too.
    betas, eps : pair of float, float
        Of Adam.
    norms : {"lock", "train"}
        Whether norm layers of frozen groups are as frozen as the rest, running statistics
        included, or train on at their group's rate, as fastai's do (``train_bn``).

    Returns
    -------
    Phase

    Raises
    ------
    InputError
        If a value cannot be used.

    References
    ----------
    Howard, J. and Gugger, S. (2020). fastai: a layered API for deep learning. Information 11.
    Smith, L. N. and Topin, N. (2019). Super-convergence. SPIE 11006.
    Loshchilov, I. and Hutter, F. (2019). Decoupled weight decay regularization. ICLR.

    Examples
    --------
    >>> from edaphos_bridge import foundation_phase
    >>> foundation_phase(2, freeze_to=-1).freeze_to
    -1
    """
    if isinstance(lr, slice):
        lr, backbone_lr_mult = _of_slice(lr, backbone_lr_mult)
    return Phase(
        epochs=whole("epochs", epochs),
        lr=_rates("lr", lr),
        backbone_lr_mult=number("backbone_lr_mult", backbone_lr_mult, minimum=0),
        freeze_to=whole("freeze_to", freeze_to, minimum=-1000, maximum=1000, kind="whole number"),
        schedule=choice("schedule", schedule, SCHEDULES),
        pct_start=number("pct_start", pct_start, above=0, below=1),
        div=number("div", div, above=0),
        final_div=number("final_div", final_div, above=0),
        momentum=None if momentum is None else _pair("momentum", momentum),
        batch_size=None if batch_size is None else whole("batch_size", batch_size),
        weight_decay=number("weight_decay", weight_decay, minimum=0),
        decoupled=flag("decoupled", decoupled),
        decay_norms=flag("decay_norms", decay_norms),
        betas=_pair("betas", betas),
        eps=number("eps", eps, above=0),
        norms=choice("norms", norms, ("lock", "train")),
    )


def _of_slice(lr: slice, mult: float) -> tuple[Any, float]:
    if lr.step is not None or lr.stop is None:
        raise InputError("lr", "must be slice(last) or slice(first, last)", found=lr)
    return (lr.stop, 0.1) if lr.start is None else ((lr.start, lr.stop), mult)


def _rates(argument: str, value: Any) -> float | tuple[float, ...]:
    if not _is_several(value):
        return number(argument, value, above=0)
    rates = tuple(number(argument, rate, above=0) for rate in value)
    if not rates:
        raise InputError(argument, "must name at least one rate", found=[])
    return rates if len(rates) > 1 else rates[0]


def _is_several(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    return is_array or (isinstance(value, Sequence) and not isinstance(value, str | bytes))


def _pair(argument: str, value: Any) -> tuple[float, float]:
    if not _is_several(value):
        raise InputError(argument, "must be two numbers in [0, 1)", found=value)
    pair = tuple(number(argument, part, minimum=0, below=1) for part in value)
    if len(pair) != 2:
        raise InputError(argument, "must be two numbers in [0, 1)", found=list(pair))
    return pair

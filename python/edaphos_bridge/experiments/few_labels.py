"""Experiments with few labels: draws of labels, ways of learning from them, what comes of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.workers import one_thread
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.beside import done_beside
from edaphos_bridge.experiments.carried import (
    Carried,
    arrived,
    carried,
    carried_patches,
    problem_of,
    require_crossing,
)
from edaphos_bridge.experiments.folds import drawn_in_all, drawn_per_class, scale_of, scaled
from edaphos_bridge.experiments.measures import measures_of_classes

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Pretraining = Callable[..., Any]

WHAT = "few-label experiment"


@dataclass(frozen=True)
class Arm:
    """A way from labelled patches to the classes of others.

    Attributes
    ----------
    name : str
        The method in the table.
    start : str or None
        With whose encoder it begins; None is with none.
    learn : callable
        ``learn(encoder, x, y, test, labels=, seed=)`` gives the probabilities ``(n_test, K)`` of
        patches `test`, from patches `x` with class codes `y` from 0 to K - 1, all of which occur.
        Importable, where there are other processes.
    """

    name: str
    start: str | None
    learn: Callable[..., NDArray[np.float64]]


@dataclass(frozen=True)
class Design:
    """Which rows train and test, and with how many labels: everything random about the data.

    Repeat r, from 0 on, has the seed ``seed + r`` and the fold ``r`` modulo their number.

    Attributes
    ----------
    codes : numpy.ndarray, shape (N,)
        Class codes of all patches; -1 is unlabelled.
    folds : sequence of Fold
        What trains, labelled or not, and what is tested: its labelled rows.
    labels : sequence of float
        How many labels are drawn, in all or of each class; infinity is all there are.
    scales : sequence or None
        Mean and standard deviation of the bands of what trains in each fold, where patches are
        standardised by them.
    """

    codes: Rows
    folds: Sequence[Fold]
    labels: Sequence[float]
    per_class: bool
    repeats: int
    seed: int
    scales: Sequence[tuple[Any, Any]] | None = None

    @classmethod
    def of(cls, x: Floats, folds: Sequence[Fold], standardise: bool, **values: Any) -> Design:
        """Return the design of patches ``(N, C, H, W)``; folds that no repeat needs are left out.

        Raises
        ------
        InputError
            If a fold has too few labels for the draws, or a band is constant.
        """
        used = folds[: values["repeats"]]
        scales = [scale_of(x, fold.train) for fold in used] if standardise else None
        design = cls(folds=used, scales=scales, **values)
        for place, fold in enumerate(used):
            if not len(design.tested(place)):
                raise InputError("folds", f"holds out no labelled row in fold {fold.name}")
            if len(np.unique(design.codes[fold.train])) - (design.codes[fold.train] < 0).any() < 2:
                raise InputError(
                    "folds", f"leaves less than two classes to learn in fold {fold.name}"
                )
        for repeat, labels in product(range(design.repeats), design.labels):
            design.drawn(repeat, labels)
        return design

    def place(self, repeat: int) -> int:
        """Return the place of a repeat's fold."""
        return repeat % len(self.folds)

    def tested(self, place: int) -> Rows:
        """Return the rows that are tested."""
        test = self.folds[place].test
        return test[self.codes[test] >= 0]

    def drawn(self, repeat: int, labels: float) -> Rows:
        """Return the labelled rows that train; a smaller draw is part of a larger one."""
        train = self.folds[self.place(repeat)].train
        known = train[self.codes[train] >= 0]
        number = None if np.isinf(labels) else int(labels)
        draw = drawn_per_class if self.per_class else drawn_in_all
        return draw(self.codes, known, number, self.seed + repeat)

    def patches(self, x: Floats, rows: Rows, place: int) -> Floats:
        """Return some patches as they are in a fold."""
        return (
            np.ascontiguousarray(x[rows])
            if self.scales is None
            else scaled(x[rows], self.scales[place])
        )


@contextmanager
def shared(x: Floats, n_jobs: int) -> Iterator[Any]:
    """Yield patches, or a file of them where there are other processes to read it."""
    with carried_patches(x) if n_jobs > 1 else nullcontext(x) as source:
        yield source


def _opened(source: Any) -> Floats:
    array: Floats = np.load(source, mmap_mode="r") if isinstance(source, str) else source
    return array


# --- encoders ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining function gave: an encoder, and how long that took."""

    encoder: nn.Module
    seconds: float


Place = tuple[str, int]
"""A method and the place of a fold."""


def pretrained(
    design: Design, source: Any, functions: Mapping[str, Pretraining], keys: Sequence[Place],
    n_jobs: int,
) -> Iterator[tuple[Place, Pretrained]]:  # fmt: skip
    """Yield what functions make of the patches that train in a fold, as it is made.

    What cannot be given to another process runs in this one.
    """
    apart = [key for key in keys if n_jobs > 1 and not problem_of(functions[key[0]])]
    if apart:
        jobs = {key: (source, design, functions[key[0]], key[1]) for key in apart}
        for key, (encoder, seconds) in done_beside(_pretrain_apart, jobs, n_jobs, WHAT):
            yield key, Pretrained(arrived(encoder), seconds)
    for key in keys:
        if key not in apart:
            pause()
            found = _pretrain(source, design, functions[key[0]], key[1])
            if n_jobs > 1:
                require_crossing(found.encoder, {})
            yield key, found


def _pretrain(source: Any, design: Design, function: Pretraining, place: int) -> Pretrained:
    patches = design.patches(_opened(source), design.folds[place].train, place)
    started = time.perf_counter()
    with one_thread():
        encoder = as_module(function(patches, seed=design.seed + place), "methods")
    return Pretrained(encoder, time.perf_counter() - started)


def _pretrain_apart(*job: Any) -> tuple[Carried, float]:
    found = _pretrain(*job)
    require_crossing(found.encoder, {})
    return carried(found.encoder), found.seconds


# --- fits -------------------------------------------------------------------------------------

Key = tuple[float, int, str]
"""Number of labels, repeat from 0 on, and name of the arm."""


def keys_of(design: Design, arms: Sequence[Arm]) -> list[Key]:
    """Return all fits, in the order of the table."""
    return list(product(design.labels, range(design.repeats), [arm.name for arm in arms]))


def results(
    design: Design, source: Any, arms: Sequence[Arm], encoders: Mapping[Place, nn.Module],
    keys: Sequence[Key], n_jobs: int,
) -> Iterator[tuple[Key, dict[str, Any]]]:  # fmt: skip
    """Yield a row of the table for each fit, as it ends; `encoders` are those of all starts."""
    named = {arm.name: arm for arm in arms}
    starts: dict[Place, Any] = dict(encoders)
    if n_jobs > 1:
        starts = {place: carried(encoder) for place, encoder in encoders.items()}
    jobs = {
        key: (source, design, named[key[2]], key, starts.get(_start(design, named, key)))
        for key in keys
    }
    if n_jobs > 1 and jobs:
        yield from done_beside(_fit_apart, jobs, n_jobs, WHAT)
        return
    for key, job in jobs.items():
        pause()
        yield key, _fit(*job)


def _start(design: Design, arms: Mapping[str, Arm], key: Key) -> Any:
    return arms[key[2]].start, design.place(key[1])


def _fit_apart(source: Any, design: Design, arm: Arm, key: Key, start: Any) -> dict[str, Any]:
    return _fit(source, design, arm, key, None if start is None else arrived(start))


def _fit(
    source: Any, design: Design, arm: Arm, key: Key, encoder: nn.Module | None
) -> dict[str, Any]:
    labels, repeat, _ = key
    place = design.place(repeat)
    rows, tested = design.drawn(repeat, labels), design.tested(place)
    present, codes = np.unique(design.codes[rows], return_inverse=True)
    x = _opened(source)
    train, test = (design.patches(x, some, place) for some in (rows, tested))
    started = time.perf_counter()
    with one_thread():
        found = arm.learn(encoder, train, codes, test, labels=labels, seed=design.seed + repeat)
    seconds = time.perf_counter() - started
    values = np.zeros((len(tested), int(design.codes.max()) + 1))
    values[:, present] = found  # of a class without a label nothing is known
    return {
        "method": arm.name,
        "labels": labels,
        "repeat": repeat + 1,
        "fold": design.folds[place].name,
        "n_train": len(rows),
        "n_test": len(tested),
        **measures_of_classes(design.codes[tested], values),
        "seconds": seconds,
    }

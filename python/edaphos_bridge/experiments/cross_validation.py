"""A recipe over folds: in this process or in several, and what each fold gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import imported, pause
from edaphos_bridge.basics.workers import one_thread
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError, renamed
from edaphos_bridge.experiments.beside import done_beside
from edaphos_bridge.experiments.carried import Carried, arrived, carried, carried_patches
from edaphos_bridge.experiments.measures import measures_of
from edaphos_bridge.fits.result import FoundationFit


@dataclass(frozen=True)
class Recipe:
    """What is fitted in each fold.

    `name` is that of a function of this package, where it is one; `fit` is that function or the
    user's own.
    """

    name: str | None
    fit: Callable[..., Any]
    settings: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class FoldResult:
    """What a fold gives.

    Attributes
    ----------
    n_train, n_test : int
        Rows that trained and that were held out.
    measures : dict of str to float
        How good the predictions of those are.
    values : numpy.ndarray, shape (n_test, n_outputs, ...), float64
        What was predicted for them, in ascending order of rows.
    columns : list of str, int or bool
        What the outputs are.
    task : str
        Its name.
    """

    n_train: int
    n_test: int
    measures: dict[str, float]
    values: NDArray[np.float64]
    columns: list[Any]
    task: str


def result_of(recipe: Recipe, encoder: Any, x: Any, y: Any, fold: Fold) -> FoldResult:
    """Fit on what trains in a fold, with its other rows as validation rows, and predict those."""
    with one_thread():
        with renamed("masks", "y"):
            fitted = recipe.fit(
                encoder, x, y, folds=[(fold.train, fold.test)], seed=recipe.seed, **recipe.settings
            )
        if not isinstance(fitted, FoundationFit):
            raise InputError(
                "fit", "must return a fit of edaphos_bridge", found=type(fitted).__name__
            )
        patches = Patches(x)
        if patches.normalisation is not None:  # of a tile data set
            patches.read_for(fitted.encoder, training=False)
        held_out = patches.rows(_as_tensor(fold.test))
        values = fitted.values(held_out, None, None, None)
        shown = fitted.complete(values)
    return FoldResult(
        n_train=len(fold.train),
        n_test=len(fold.test),
        measures=measures_of(fitted, y, fold.test, values, patches),
        values=shown,
        columns=_columns(fitted, shown),
        task=fitted.task.name,
    )


def results_here(
    recipe: Recipe, encoder: Any, x: Any, y: Any, folds: Mapping[int, Fold]
) -> Iterator[tuple[int, FoldResult]]:
    """Yield the place of each fold and its result, one after the other, in this process."""
    for place, fold in folds.items():
        pause()
        yield place, result_of(recipe, encoder, x, y, fold)


def results_beside(
    recipe: Recipe, encoder: Any, x: Any, y: Any, folds: Mapping[int, Fold], n_jobs: int
) -> Iterator[tuple[int, FoldResult]]:
    """Yield the same in the order in which they end, from up to `n_jobs` new processes.

    All must be as `require_crossing` wants it.

    Raises
    ------
    TrainingError
        If such a process was killed.
    """
    assert recipe.name is not None
    job = (recipe.name, dict(recipe.settings), recipe.seed, carried(encoder))
    with carried_patches(x) as carried_x:
        jobs = {place: (*job, carried_x, y, fold) for place, fold in folds.items()}
        yield from done_beside(_work, jobs, n_jobs, "cross-validation")


def _work(
    name: str, settings: Any, seed: int, encoder: Carried, x: Any, y: Any, fold: Fold
) -> FoldResult:
    """Do in another process what `result_of` does."""
    recipe = Recipe(name, getattr(imported("edaphos_bridge"), name), settings, seed)
    return result_of(recipe, arrived(encoder), x, y, fold)


def _as_tensor(rows: NDArray[np.int64]) -> Any:
    return imported("torch").from_numpy(rows)


def _columns(fitted: FoundationFit, values: NDArray[np.float64]) -> list[Any]:
    for name in ("columns", "classes", "targets", "labels"):
        names: Sequence[Any] | None = getattr(fitted, name, None)
        if names is not None and len(names) == values.shape[1]:
            return list(names)
    return [f"value_{number}" for number in range(1, values.shape[1] + 1)]

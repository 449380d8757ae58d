"""A recipe over folds: in this process or in several, and what each fold gives."""

from __future__ import annotations

import os
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge import errors
from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.interrupts import imported, pause
from edaphos_bridge.basics.workers import one_thread, without_main, workers
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.foundation import is_ours
from edaphos_bridge.errors import EdaphosError, EdaphosWarning, InputError, TrainingError, warn
from edaphos_bridge.experiments.measures import measures_of
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.weights.encoder_file import encoder_from_bytes, encoder_to_bytes

# Patches that are written at a time.
_BLOCK = 256


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
    values : numpy.ndarray, shape (n_test, n_outputs), float64
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
    return FoldResult(
        n_train=len(fold.train),
        n_test=len(fold.test),
        measures=measures_of(fitted, y, fold.test, values),
        values=values,
        columns=_columns(fitted, values),
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
    carried = _carried(encoder)
    with (
        _carried_patches(x) as carried_x,
        without_main(),
        workers(min(n_jobs, len(folds))) as pool,
    ):
        job = (recipe.name, dict(recipe.settings), recipe.seed, carried, carried_x, y)
        waiting: dict[Future[Any], int] = {
            pool.submit(_work, job, fold): place for place, fold in folds.items()
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            pause()
            for future in done:
                place = waiting.pop(future)
                try:
                    result, told = future.result()
                except BrokenExecutor as error:
                    raise TrainingError(
                        "A process of the cross-validation was killed; it may have needed more "
                        "memory than there is. Give a smaller `n_jobs`."
                    ) from error
                for category, message in told:
                    warn(message, getattr(errors, category, EdaphosWarning))
                yield place, result


@plain
def _work(job: tuple[Any, ...], fold: Fold) -> tuple[FoldResult, list[tuple[str, str]]]:
    """Do in another process what `result_of` does, and return what was warned of too."""
    name, settings, seed, carried, x, y = job
    recipe = Recipe(name, getattr(imported("edaphos_bridge"), name), settings, seed)
    kind, data = carried
    encoder = encoder_from_bytes(data) if kind is None else kind.from_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EdaphosWarning)
        result = result_of(recipe, encoder, x, y, fold)
    told = [
        (w.category.__name__, str(w.message))
        for w in caught
        if issubclass(w.category, EdaphosWarning)
    ]
    return result, told


# --- what crosses to another process --------------------------------------------------------


def _carried(encoder: Any) -> tuple[Any, bytes]:
    """Return an encoder, or a fit with one, as a class and bytes; None is an encoder alone."""
    is_fit = hasattr(encoder, "to_bytes") and hasattr(type(encoder), "from_bytes")
    if is_fit and not isinstance(encoder, nn.Module):
        return type(encoder), encoder.to_bytes()
    return None, encoder_to_bytes(as_module(encoder))


@contextmanager
def _carried_patches(x: Any) -> Iterator[Any]:
    """Yield patches as a path; a tile data set crosses as it is, with its raster's files by name.

    Raises
    ------
    InputError
        If they are none, or any holds a missing value.
    """
    if isinstance(x, FoundationTileDataset):
        yield x
        return
    patches = Patches(x)
    if isinstance(x, str | os.PathLike):
        yield os.path.abspath(Path(x).expanduser())
        return
    with tempfile.TemporaryDirectory(prefix="edaphos-bridge-") as folder:
        path = os.path.join(folder, "patches.npy")
        out = np.lib.format.open_memmap(path, "w+", np.float32, patches.shape)
        for rows, batch in patches.numbered_batches(_BLOCK):
            out[rows] = batch.numpy()
        out.flush()
        del out
        yield path


def require_crossing(encoder: Any, values: Mapping[str, Any]) -> None:
    """Raise `InputError` for what another process could not be given."""
    if not is_ours(as_module(encoder)):
        raise InputError(
            "n_jobs",
            "must be 1 for an encoder of your own: a module cannot be given to another process",
            hint="In this process anything can be an encoder.",
        )
    kind, data = _carried(encoder)
    try:
        if kind is not None:
            kind.from_bytes(data)
    except EdaphosError as error:  # of a head of the user's own
        raise InputError(
            "n_jobs", f"must be 1 for this fit, which no other process can read ({error})"
        ) from error
    for name, value in values.items():
        problem = "a module" if isinstance(value, nn.Module) else ""
        try:
            with without_main():
                pickle.dumps(value)
        except Exception as error:  # a function of the user's script, an open file
            problem = problem or f"{type(error).__name__}: {error}"
        if problem:
            raise InputError(
                name,
                f"cannot be given to another process ({problem})",
                found=type(value).__name__,
                hint="With n_jobs=1 it can stay in this one.",
            )


def _as_tensor(rows: NDArray[np.int64]) -> Any:
    return imported("torch").from_numpy(rows)


def _columns(fitted: FoundationFit, values: NDArray[np.float64]) -> list[Any]:
    for name in ("columns", "classes", "targets", "labels"):
        names: Sequence[Any] | None = getattr(fitted, name, None)
        if names is not None and len(names) == values.shape[1]:
            return list(names)
    return [f"value_{number}" for number in range(1, values.shape[1] + 1)]

"""`foundation_cross_validate()`: any recipe over folds, groups or blocks, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, flag, read_once, seed_number, whole
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.basics.seeding import draw_seed
from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.labels import as_labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import WAYS
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.carried import require_crossing
from edaphos_bridge.experiments.cross_validation import (
    FoldResult,
    Recipe,
    results_beside,
    results_here,
)
from edaphos_bridge.experiments.drawn_folds import folds_for
from edaphos_bridge.experiments.kept_folds import KeptFolds, identity_of
from edaphos_bridge.experiments.verbs import checked_settings, verb_of

# Of these the labels are classes, and folds that are drawn row by row get their share of each.
_OF_CLASSES = (
    "foundation_fit_classifier",
    "foundation_fine_tune",
    "foundation_finetune_classifier",
)


@plain
def foundation_cross_validate(
    fit: str | Callable[..., Any],
    encoder: Any,
    x: Any,
    y: Any = None,
    *,
    folds: Any = None,
    groups: Any = None,
    blocks: Any = None,
    block_size: float | None = None,
    buffer: float = 0.0,
    k: int | None = None,
    n_jobs: int = 1,
    checkpoint_dir: Any = None,
    seed: int | None = None,
    verbose: bool = False,
    **settings: Any,
) -> FoundationCrossValidation:
    """Fit once for each fold on the other rows, and judge the predictions of its rows.

    Each fit is ``fit(encoder, x, y, folds=folds, fold=..., seed=seed, **settings)``: the rows of
    a fold are its validation rows, no weight is learnt from them, and all fits have one seed. It
    runs in one thread, so that the numbers are the same whatever `n_jobs`. What is the same for
    all rows is not made anew in each fold: the classes, and the mean and standard deviation by
    which a regressor scales its targets.

    Parameters
    ----------
    fit : str or callable
        A function of this package that fits, or its name, such as ``"foundation_fit_classifier"``;
        with ``n_jobs=1`` also one of your own that takes ``(encoder, x, y, *, folds, seed)`` and
        returns a fit of this package.
    encoder, x, y
        As `fit` takes them. Where it goes on from a fit (`foundation_fine_tune`,
        `foundation_finetune_classifier`) and that has seen the rows of `x`, so have all folds, and
        the numbers are too good: it must come from other rows.
    folds : array-like of int, shape (N,), list of rows, or list of pairs of rows, optional
        As in `foundation_fit_classifier`; a row may be in several folds, or in none.
    groups : array-like, shape (N,), optional
        The group of each row: `k` folds of whole groups.
    blocks, block_size, buffer
        Where each row lies, as in `foundation_fit_classifier`: `k` folds of whole blocks, and
        rows nearer than `buffer` to a row that is held out do not train.
    k : int, optional
        How many folds are drawn from the seed, 5 by default. Of single rows, each fold gets its
        share of each class. Not with `folds`.
    n_jobs : int
        How many folds are computed at once, each in a process of its own. With more than 1, the
        encoder must be one of ours.
    checkpoint_dir : path-like, optional
        A folder for finished folds: a call that was stopped goes on from there, and computes none
        of them again. Folds of a call with other settings or data are refused.
    seed : int, optional
        The only source of randomness, of folds and of fits. None draws one, or takes that of
        `checkpoint_dir`; ``config["seed"]`` keeps it.
    verbose : bool
        Print a line for each fold. Otherwise a progress bar shows in a terminal.
    **settings
        Further arguments of `fit`, but for those that say which rows validate, `val_split` and
        `patience`.

    Returns
    -------
    FoundationCrossValidation

    Raises
    ------
    InputError
        If an argument cannot be used, or `checkpoint_dir` holds folds of another call.
    TrainingError
        If training diverges in a fold.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure. Ecography 40.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_cross_validate, foundation_encoder
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = ["Oxisol", "Ultisol", "Inceptisol"] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> field = np.arange(60) // 6
    >>> result = foundation_cross_validate(
    ...     "foundation_fit_classifier", encoder, x, y, groups=field, k=3, seed=1, epochs=3
    ... )
    >>> result.table[["fold", "n_train", "n_test"]].values.tolist()
    [[0, 36, 24], [1, 42, 18], [2, 42, 18]]
    >>> result.predictions.shape
    (60, 3)
    """
    with _console(flag("verbose", verbose)) as tell:
        return cross_validate(
            fit,
            encoder,
            x,
            y,
            settings,
            {
                "folds": folds,
                "groups": groups,
                "blocks": blocks,
                "block_size": block_size,
                "buffer": buffer,
            },
            k=k,
            n_jobs=n_jobs,
            checkpoint_dir=checkpoint_dir,
            seed=seed,
            tell=tell,
        )


@dataclass(eq=False, repr=False)
class FoundationCrossValidation:
    """What came of each fold, as returned by `foundation_cross_validate`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a fold: ``fold`` (its number in `folds`, or its place from 0), ``n_train``,
        ``n_test``, and how good the predictions of its rows are. Of a classifier ``accuracy``,
        ``balanced_accuracy`` (the mean over the classes that are there of the share that is
        right) and ``log_loss``; of a regressor ``rmse``, ``mae`` and ``r_squared``; of a segmenter
        ``iou`` and ``pixel_accuracy``; of another task its own score.
    predictions : pandas.DataFrame, shape (N, n_outputs), float64
        Aligned with the rows of `x`: probabilities of each class, or values, each predicted by a
        fit that did not train on that row. NaN for rows that were in no fold, the mean for those
        that were in several. Of a segmenter an array (N, K, H, W).
    config : dict
        ``fit``, ``k`` (the number of folds), ``by`` ("folds", "groups", "blocks" or "rows"),
        ``seed`` and ``settings``, those that were given.
    task : str
        "classification", for example.
    columns : list of str, int or bool
        What the outputs are: classes, for example.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame | NDArray[np.float64]
    config: dict[str, Any]
    task: str
    columns: list[Any]

    @property
    def measures(self) -> list[str]:
        """Names of the columns of `table` that say how good predictions are."""
        return [name for name in self.table.columns if name not in ("fold", "n_train", "n_test")]

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        by = {"rows": "single rows", "folds": "the folds given"}.get(
            self.config["by"], f"whole {self.config['by']}"
        )
        known = ~np.isnan(np.asarray(self.predictions, dtype=np.float64))
        tested = int(known.reshape(len(known), -1).all(axis=1).sum())
        lines = {
            "fit": self.config["fit"],
            "folds": f"{len(self.table)}, of {by}",
            "rows tested": f"{tested} of {len(self.predictions)}",
        }
        for name in self.measures:
            values = self.table[name]
            spread = f" (sd over folds {values.std():.3f})" if values.count() > 1 else ""
            lines[name] = f"{values.mean():.3f}{spread}" if values.count() else "NA"
        width = max(map(len, lines)) + 1
        shown = [f"  {name + ':':<{width}} {value}" for name, value in lines.items()]
        return ["<edaphos_cross_validation>", *shown]

    def __repr__(self) -> str:
        return "\n".join(self.describe())

    @plain
    def plot(self, measure: str | None = None, ax: Any = None) -> Any:
        """Draw one measure of each fold and its mean, and return the axes (needs matplotlib).

        Parameters
        ----------
        measure : str, optional
            One of `measures`; the first by default.
        ax : matplotlib.axes.Axes, optional
            Where to draw; new ones by default.
        """
        name = self.measures[0] if measure is None else choice("measure", measure, self.measures)
        if self.table[name].isna().all():  # R squared of one row
            raise InputError("measure", "has no value in any fold", found=name)
        if ax is None:
            _, ax = imported("matplotlib.pyplot").subplots()
        places = range(len(self.table))
        ax.plot(places, self.table[name], "o")
        ax.axhline(self.table[name].mean(), linestyle=":", color="grey")
        ax.set_xticks(list(places), [str(fold) for fold in self.table["fold"]])
        ax.set_xlabel("fold")
        ax.set_ylabel(name.replace("_", " "))
        return ax


@dataclass(frozen=True)
class FoldReport:
    """A fold that is finished: its name, and how many of all folds are now."""

    fold: int
    done: int
    total: int
    result: FoldResult

    def line(self) -> str:
        """Return the line that is printed of it."""
        shown = "  ".join(f"{name}={value:.3f}" for name, value in self.result.measures.items())
        return f"[cross-validation] fold {self.fold} ({self.done}/{self.total})  {shown}"


def cross_validate(
    fit: Any,
    encoder: Any,
    x: Any,
    y: Any,
    settings: Mapping[str, Any],
    parting: Mapping[str, Any],
    *,
    k: Any,
    n_jobs: Any,
    checkpoint_dir: Any,
    seed: Any,
    tell: Callable[[FoldReport], None],
    draw: Callable[[], int] = draw_seed,
    first: int = 0,
) -> FoundationCrossValidation:
    """Do what `foundation_cross_validate` does: what all entrances have in common.

    Parameters
    ----------
    parting : mapping
        ``folds``, ``groups``, ``blocks``, ``block_size`` and ``buffer``.
    first : int
        The name of the first fold of a list, or of those that are drawn.
    """
    name, function = verb_of(fit)
    y, settings = read_once(y), {key: read_once(value) for key, value in settings.items()}
    defaults = checked_settings(name, function, settings)
    processes = whole("n_jobs", n_jobs)
    if name is None and processes > 1:
        raise InputError(
            "n_jobs",
            "must be 1 for a function of your own: it cannot be given to another process",
            found=processes,
        )
    number = None if seed is None else seed_number(seed)
    as_module(encoder)
    if processes > 1:
        require_crossing(encoder, {"y": y, **settings})
    n = len(Patches(x))
    task = getattr(
        getattr(encoder, "task", None), "name", "classification"
    )  # of a fit to go on from
    of_classes = name in _OF_CLASSES and task == "classification"
    strata = as_labels(y).codes.numpy() if of_classes else None
    if strata is not None and len(strata) != n:
        raise InputError("y", f"must have one label for each of the {n} patches", found=len(strata))
    with KeptFolds.opened("checkpoint_dir", checkpoint_dir) as kept:
        drawn = folds_for(n, k, parting, first)  # before a seed is drawn
        if number is None:
            number = kept.seed()
        number = draw() if number is None else number
        made = drawn(number, strata)
        shown = name or str(getattr(function, "__qualname__", type(function).__qualname__))
        results: dict[int, FoldResult] = {}
        if checkpoint_dir is not None:
            told = {**defaults, **settings}
            results = kept.load(made, identity_of(shown, told, number, encoder, x, y, made))
        rest = {place: fold for place, fold in enumerate(made) if place not in results}
        recipe = Recipe(name, function, settings, number)
        run = (
            results_here(recipe, encoder, x, y, rest)
            if processes == 1
            else results_beside(recipe, encoder, x, y, rest, processes)
        )
        for place, result in run if rest else ():
            kept.save(place, result)
            results[place] = result
            tell(FoldReport(made[place].name, len(results), len(made), result))
    by = next((way for way in WAYS if parting.get(way) is not None), "rows")
    config = {"fit": shown, "k": len(made), "by": by, "seed": number, "settings": dict(settings)}
    return _gathered(made, [results[place] for place in range(len(made))], n, config)


def _gathered(
    folds: list[Fold], results: list[FoldResult], n: int, config: dict[str, Any]
) -> FoundationCrossValidation:
    table = pd.DataFrame(
        [
            {"fold": fold.name, "n_train": each.n_train, "n_test": each.n_test, **each.measures}
            for fold, each in zip(folds, results, strict=True)
        ]
    )
    columns = results[0].columns
    shape = results[0].values.shape[1:]
    total, times = np.zeros((n, *shape)), np.zeros((n, *[1] * len(shape)))
    for fold, each in zip(folds, results, strict=True):
        total[fold.test] += each.values
        times[fold.test] += 1
    values = np.divide(total, times, out=np.full_like(total, np.nan), where=times > 0)
    predictions = pd.DataFrame(values, columns=columns) if values.ndim == 2 else values
    return FoundationCrossValidation(table, predictions, config, results[0].task, columns)


@contextmanager
def _console(verbose: bool) -> Iterator[Callable[[FoldReport], None]]:
    """Yield what prints lines (`verbose`) or draws a bar (only in a terminal)."""
    if verbose:
        yield lambda report: print(report.line(), flush=True)
        return
    # disable=None: no bar where stderr is not a terminal
    with tqdm(desc="cross-validation", unit="fold", disable=None, leave=False) as bar:

        def show(report: FoldReport) -> None:
            bar.total = report.total
            name, value = next(iter(report.result.measures.items()))
            bar.set_postfix({name: f"{value:.3f}"}, refresh=False)
            bar.update(report.done - bar.n)

        yield show

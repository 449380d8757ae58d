"""`foundation_probe_sweep()`: many linear probes on the same cached features at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.basics.counted import counted
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.classifier import FoundationClassifier, labels_of
from edaphos_bridge.data.patches import Patches, warn_of_overlap
from edaphos_bridge.errors import TrainingError
from edaphos_bridge.fits.run import fit, own_encoder
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.inputs import inputs_of
from edaphos_bridge.training.plan import validation_size
from edaphos_bridge.training.probe_grid import ProbeGrid, fit_grid
from edaphos_bridge.training.progress import console

_SETTINGS = ["solver", "lr", "weight_decay", "C"]


@plain
def foundation_probe_sweep(
    encoder: Any,
    x: Any,
    y: Any,
    *,
    lr: float | Sequence[float] = (1e-3, 1e-2, 1e-1),
    weight_decay: float | Sequence[float] = (0.0, 1e-4, 1e-2),
    C: float | Sequence[float] = (0.01, 0.1, 1.0, 10.0, 100.0),  # noqa: N803
    seeds: int | Sequence[int] = (1, 2, 3),
    epochs: int = 30,
    batch_size: int = 32,
    val_split: float = 0.2,
    device: str = "cpu",
    verbose: bool = False,
) -> FoundationProbeSweep:
    """Train linear probes with many settings, pick one by validation, and refit it on all rows.

    The encoder runs once over the patches. All combinations of `lr`, `weight_decay` and `seeds`
    then train side by side, each as `foundation_fit_classifier` trains it alone; for each seed's
    split L-BFGS solves multinomial logistic regression at each `C` too. The setting with the
    highest accuracy on held-out rows, as a mean over seeds, is fitted again on all rows; between
    equal ones the lower validation loss decides, then the order in the table.

    Parameters
    ----------
    encoder, x, y, epochs, batch_size, val_split, device, verbose
        As in `foundation_fit_classifier`; `val_split` must not be 0.
    lr, weight_decay : sequence of float
        Settings of Adam, all combinations; an empty `lr` leaves Adam out.
    C : sequence of float
        Inverse penalties of L-BFGS, in scikit-learn's notation; empty leaves L-BFGS out.
    seeds : sequence of int
        Each draws a split, and for Adam the initial head and the order of rows. The first is the
        seed of the final fit.

    Returns
    -------
    FoundationProbeSweep

    Raises
    ------
    InputError
        If an argument cannot be used; before any training.
    TrainingError
        If every setting diverges, or the best one when it is fitted to all rows.

    References
    ----------
    Kornblith, S., Shlens, J. and Le, Q. V. (2019). Do better ImageNet models transfer
    better? CVPR.

    Examples
    --------
    >>> from edaphos_bridge import foundation_encoder, foundation_probe_sweep
    >>> x, y = np.random.default_rng(1).normal(size=(40, 4, 9, 9)), ["Oxisol", "Ultisol"] * 20
    >>> encoder = foundation_encoder("simclr", in_channels=4, seed=1)
    >>> sweep = foundation_probe_sweep(encoder, x, y, C=(0.1, 1), seeds=(1, 2), epochs=3)
    >>> sweep.settings.columns.tolist()
    ['solver', 'lr', 'weight_decay', 'C', 'val_accuracy', 'val_accuracy_sd', 'val_loss']
    >>> sweep.predict(x[:2]).categories.tolist()
    ['Oxisol', 'Ultisol']
    """
    grid = ProbeGrid.checked(
        lr=lr,
        weight_decay=weight_decay,
        C=C,
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        val_split=val_split,
    )
    with console("classifier", flag("verbose", verbose)) as events:
        return sweep_probes(encoder, Patches(x), y, grid, device, events)


@dataclass(eq=False, repr=False)
class FoundationProbeSweep:
    """Many linear probes and the best of them, as returned by `foundation_probe_sweep`.

    Attributes
    ----------
    classifier : FoundationClassifier
        The best setting, fitted again on all rows. After L-BFGS its ``config`` has ``solver`` and
        ``C``, and ``loss_history`` has a value for each evaluation of the gradient.
    best : dict
        That setting: ``solver`` ("adam" or "lbfgs"), ``lr`` and ``weight_decay``, or ``C``.
    settings : pandas.DataFrame
        One row a setting, with means over seeds: ``val_accuracy``, its standard deviation
        ``val_accuracy_sd`` (NaN for one seed) and ``val_loss``, the mean cross-entropy.
    results : pandas.DataFrame
        One row a fit: setting, ``seed``, ``train_loss``, ``val_loss``, ``val_accuracy``. The
        training loss is the last epoch's for Adam, the mean cross-entropy for L-BFGS. NaN in all
        three where training diverged.
    config : dict
        The grid: ``lr``, ``weight_decay``, ``C``, ``seeds``, ``epochs``, ``batch_size`` and
        ``val_split``; empty in a sweep of the first version.
    """

    classifier: FoundationClassifier
    best: dict[str, Any]
    settings: pd.DataFrame
    results: pd.DataFrame
    config: dict[str, Any]

    def predict(
        self,
        x: Any,
        type: str = "class",
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> pd.Categorical | pd.DataFrame:
        """Predict with the best probe; see `FoundationClassifier.predict`."""
        return self.classifier.predict(x, type, device, coords, dataset)

    def predict_proba(
        self,
        x: Any,
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.float64]:
        """Return its class probabilities; see `FoundationClassifier.predict_proba`."""
        return self.classifier.predict_proba(x, device, coords, dataset)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        chosen = ", ".join(
            value if name == "solver" else f"{name} = {value:g}"
            for name, value in self.best.items()
        )
        row = self.settings.loc[_best_row(self.settings)]
        n_seeds = self.results["seed"].nunique()
        return [
            "<edaphos_probe_sweep>",
            f"  settings:      {len(self.settings)}, each with {counted(n_seeds, 'seed')}",
            f"  best:          {chosen}",
            f"  val_acc:       {row['val_accuracy']:.3f}",
            *self.classifier.about_overlap(),
            f"  classes:       {', '.join(str(value) for value in self.classifier.classes)}",
        ]

    def __repr__(self) -> str:
        return "\n".join(self.describe())


def sweep_probes(
    encoder: Any, patches: Patches, y: Any, grid: ProbeGrid, device: str, events: Events
) -> FoundationProbeSweep:
    """Do what `foundation_probe_sweep` does: what all entrances have in common."""
    target = resolve_device(device)
    labels = labels_of(patches, y)
    task = Classification.of(labels)
    module = own_encoder(encoder, patches).to(target)
    validation_size(len(patches), grid.val_split)
    warn_of_overlap(patches.overlapping, len(patches))
    inputs = inputs_of(module, patches, target, cached=True)
    assert inputs.features is not None
    results = pd.DataFrame(fit_grid(inputs.features, task, labels.codes, grid, events))
    events.on_end()
    settings = _means(results)
    best = settings.loc[_best_row(settings)]
    if np.isnan(best["val_accuracy"]):
        raise TrainingError.diverged(
            "Training has diverged with every setting, for at least one seed."
        )
    classifier = fit(
        FoundationClassifier,
        task,
        labels.codes,
        module,
        patches,
        grid.fit_settings(best),
        target,
        events=Events(),
        inputs=inputs,
    )
    return FoundationProbeSweep(
        classifier=classifier,
        best={
            name: best[name] if name == "solver" else float(best[name])
            for name in _SETTINGS
            if not pd.isna(best[name])
        },
        settings=settings,
        results=results,
        config=grid.config(),
    )


def _means(results: pd.DataFrame) -> pd.DataFrame:
    """Return one row a setting, in the order of `results`; NaN where one of its fits has it."""
    groups = results.groupby(_SETTINGS, dropna=False, sort=False)
    accuracies, losses = groups["val_accuracy"], groups["val_loss"]
    table = pd.DataFrame(
        {
            "val_accuracy": accuracies.agg(lambda values: values.mean(skipna=False)),
            "val_accuracy_sd": accuracies.agg(lambda values: values.std(skipna=False)),
            "val_loss": losses.agg(lambda values: values.mean(skipna=False)),
        }
    )
    return table.reset_index()


def _best_row(settings: pd.DataFrame) -> int:
    """Return the row of the best setting; those that diverged come last."""
    # Means of the same counts in another order may differ in their last bit.
    order = settings.round({"val_accuracy": 12}).sort_values(
        ["val_accuracy", "val_loss"], ascending=[False, True], kind="stable", na_position="last"
    )
    return int(order.index[0])

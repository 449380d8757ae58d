"""`foundation_probe_sweep()`: many linear probes on the same cached features at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.ambient import plain
from edaphos_bridge.arguments import flag
from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.devices import on_meta, resolve_device
from edaphos_bridge.encoders.copying import as_module, freeze
from edaphos_bridge.encoders.features import find_feature_dim
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.errors import TrainingError
from edaphos_bridge.fit_classifier import classifier_of, labels_of, own_copy_for
from edaphos_bridge.heads import LinearHead
from edaphos_bridge.labels import Labels
from edaphos_bridge.patches import Patches
from edaphos_bridge.raster.centres import warn_of_overlap
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.seeding import Randomness
from edaphos_bridge.training.cached_features import cached_features
from edaphos_bridge.training.lbfgs import logistic_path, warn_about_unfinished
from edaphos_bridge.training.linear import LinearProbe
from edaphos_bridge.training.loop import Report, train
from edaphos_bridge.training.plan import draw_plan, validation_size
from edaphos_bridge.training.probe_grid import ProbeGrid, fit_grid
from edaphos_bridge.training.progress import console
from edaphos_bridge.training.regimes import Trained

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
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> y = ["Oxisol", "Ultisol", "Inceptisol"] * 20
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> sweep = foundation_probe_sweep(encoder, x, y, C=(0.1, 1), seeds=(1, 2), epochs=3)
    >>> sweep.settings.columns.tolist()
    ['solver', 'lr', 'weight_decay', 'C', 'val_accuracy', 'val_accuracy_sd', 'val_loss']
    >>> sweep.predict(x[:2]).categories.tolist()
    ['Inceptisol', 'Oxisol', 'Ultisol']
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
    with console(flag("verbose", verbose)) as report:
        return sweep_probes(encoder, Patches(x), y, grid, device, report)


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
            f"  settings:      {len(self.settings)}, each with {n_seeds} "
            + ("seed" if n_seeds == 1 else "seeds"),
            f"  best:          {chosen}",
            f"  val_acc:       {row['val_accuracy']:.3f}",
            *self.classifier.about_overlap(),
            f"  classes:       {', '.join(str(value) for value in self.classifier.classes)}",
        ]

    def __repr__(self) -> str:
        return "\n".join(self.describe())


def sweep_probes(
    encoder: Any, patches: Patches, y: Any, grid: ProbeGrid, device: str, report: Report
) -> FoundationProbeSweep:
    """Do what `foundation_probe_sweep` does: what all entrances have in common."""
    target = resolve_device(device)
    labels = labels_of(patches, y)
    module = own_copy_for(as_module(encoder), patches).to(target)
    validation_size(len(patches), grid.val_split)
    warn_of_overlap(patches.overlapping, len(patches))
    with draws_of(module, Randomness(0, target)):  # as in a single fit
        feature_dim = find_feature_dim(module, patches.read(0, 1).to(target))
        features = cached_features(freeze(module), patches, target, feature_dim)
    results = pd.DataFrame(fit_grid(features, labels, grid, report))
    settings = _means(results)
    best = settings.loc[_best_row(settings)]
    if np.isnan(best["val_accuracy"]):
        raise TrainingError(
            "Training has diverged with every setting, for at least one seed. "
            "Lower `lr`, or bring `x` to zero mean and unit variance per channel."
        )
    refit = _refit_adam if best["solver"] == "adam" else _refit_lbfgs
    return FoundationProbeSweep(
        classifier=refit(best, module, features, patches, labels, grid),
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


def _refit_adam(
    best: pd.Series,
    encoder: nn.Module,
    features: torch.Tensor,
    patches: Patches,
    labels: Labels,
    grid: ProbeGrid,
) -> FoundationClassifier:
    """Return the single fit with the best setting on all rows."""
    settings = grid.fit_settings(float(best["lr"]), float(best["weight_decay"]))
    device = features.device
    randomness = Randomness(grid.seeds[0])
    plan = draw_plan(len(patches), settings.val_split, randomness.generator)
    with randomness.everywhere():
        head = LinearHead(features.shape[1], len(labels.classes))
    head.to(device)
    targets = labels.codes.to(device)
    losses, accuracies = train(
        LinearProbe(head, features, targets, settings.lr, settings.weight_decay),
        plan.to(device),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        report=lambda report: None,
    )
    trained = Trained(encoder, head.eval(), features.shape[1], settings, losses, accuracies)
    return classifier_of(trained, patches, labels, device)


def _refit_lbfgs(
    best: pd.Series,
    encoder: nn.Module,
    features: torch.Tensor,
    patches: Patches,
    labels: Labels,
    grid: ProbeGrid,
) -> FoundationClassifier:
    """Return the solution at the best C on all rows as a classifier."""
    c = float(best["C"])
    (solution,) = logistic_path(features.cpu(), labels.codes, len(labels.classes), [c])
    warn_about_unfinished([] if solution.converged else [c])
    with on_meta():
        head = LinearHead(features.shape[1], len(labels.classes))
    state = {"weight": solution.weight, "bias": solution.bias}
    head.load_state_dict(state, assign=True)
    head.to(features.device).eval()
    losses = solution.loss_history
    settings = grid.fit_settings(lr=1.0, weight_decay=0.0)
    trained = Trained(encoder, head, features.shape[1], settings, losses, [np.nan] * len(losses))
    classifier = classifier_of(trained, patches, labels, features.device)
    # There was no Adam: its settings would be untrue.
    kept = {name: classifier.config[name] for name in ("head", "hidden", "dropout", "val_split")}
    classifier.config = {
        "solver": "lbfgs",
        "C": c,
        "epochs": len(losses),
        **kept,
        "seed": settings.seed,
    }
    return classifier

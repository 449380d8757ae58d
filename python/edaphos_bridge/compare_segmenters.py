"""`foundation_compare_segmenters()`: frozen, fine-tuned and from scratch, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, number, seed_number, whole
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.masks import Masks
from edaphos_bridge.data.patch_masks import masks_of
from edaphos_bridge.data.patches import Patches, warn_of_overlap
from edaphos_bridge.data.splits import read_split
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpret import interpret_masks
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.pictures import Stretch, pictures
from edaphos_bridge.interpretation.segmentation import SegmentationInterpretation
from edaphos_bridge.interpretation.segmented import OF_MASKS
from edaphos_bridge.interpretation.units import Units
from edaphos_bridge.segmenter import REGIMES, FoundationSegmenter, foundation_fit_segmenter
from edaphos_bridge.training.plan import draw_plan

_PARTING = ("groups", "blocks", "block_size", "buffer", "folds", "fold", "validation")


@plain
def foundation_compare_segmenters(
    encoder: Any,
    x: Any,
    masks: Any = None,
    *,
    models: Sequence[str] | Mapping[str, Mapping[str, Any]] = REGIMES,
    test: Any = None,
    n_boot: int = 1000,
    n_pictures: int = 4,
    val_split: float = 0.2,
    classes: Sequence[Any] | None = None,
    unlabelled: Any = None,
    seed: int | None = None,
    **settings: Any,
) -> FoundationSegmenterComparison:
    """Fit segmenters in several ways and score them on the same held-out patches.

    Parameters
    ----------
    encoder, x, masks, val_split, classes, unlabelled, seed
        As in `foundation_fit_segmenter`.
    models : sequence of regimes, or mapping of name to settings
        What is compared: ``"frozen"``, ``"finetune"`` and ``"from_scratch"``, or settings of
        `foundation_fit_segmenter` for each name, such as
        ``{"U-Net": {"regime": "finetune", "decoder": "unet"}}``.
    test : pair of x and masks, optional
        What is scored. By default the rows that validate, which are the same for all.
    n_boot : int
        Draws of the bootstrap over tiles, over groups or blocks where they are given without
        `test`; 0 for no intervals.
    n_pictures : int
        Patches that are kept for `plot_masks`: those with the largest losses of the first model.
    **settings
        Further arguments of `foundation_fit_segmenter`, for all models.

    Returns
    -------
    FoundationSegmenterComparison

    Raises
    ------
    InputError
        If an argument cannot be used; `patience` without `test`, which would choose by the rows
        that are scored.
    TrainingError
        If training diverges.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_compare_segmenters, foundation_encoder
    >>> x = np.random.default_rng(1).normal(size=(40, 4, 8, 8))
    >>> masks = np.where(x[:, 0] > 0, "wet", "dry")
    >>> encoder = foundation_encoder("moco", in_channels=4, seed=1)
    >>> found = foundation_compare_segmenters(
    ...     encoder, x, masks, models=["frozen", "from_scratch"], epochs=2, n_boot=50, seed=1
    ... )
    >>> found.as_table()["model"].unique().tolist()
    ['frozen', 'from_scratch']
    """
    return compare_segmenters(
        encoder,
        x,
        masks,
        models=models,
        test=test,
        n_boot=n_boot,
        n_pictures=n_pictures,
        val_split=val_split,
        classes=classes,
        unlabelled=unlabelled,
        seed=seed,
        settings=settings,
    )


def compare_segmenters(
    encoder: Any,
    x: Any,
    masks: Any,
    *,
    models: Any,
    test: Any,
    n_boot: Any,
    n_pictures: Any,
    val_split: Any,
    classes: Any,
    unlabelled: Any,
    seed: Any,
    settings: Mapping[str, Any],
    draw: Callable[[], int] = draw_seed,
) -> FoundationSegmenterComparison:
    """Do what `foundation_compare_segmenters` does: what all entrances have in common."""
    named = _named(models)
    parting = {name: settings[name] for name in _PARTING if name in settings}
    rest = {name: value for name, value in settings.items() if name not in parting}
    if test is None and any({**rest, **own}.get("patience") is not None for own in named.values()):
        raise InputError(
            "patience", "would choose by the rows that are scored", hint="Give `test`."
        )
    draws = whole("n_boot", n_boot, minimum=0)
    most = whole("n_pictures", n_pictures, minimum=1)
    share = number("val_split", val_split, minimum=0, below=1)
    patches = Patches(x)
    reader = None if encoder is None else as_module(encoder)
    patches.read_for(reader, training=False)
    learnt = masks_of(patches, masks, classes=classes, unlabelled=unlabelled)
    split = read_split(len(patches), **{**dict.fromkeys(_PARTING), "buffer": 0.0, **parting})
    held_out = None if test is None else _test(test, reader, learnt, unlabelled)
    if held_out is None and split is None and share == 0:
        raise InputError(
            "val_split", "leaves no row to score", found=share, hint="Give `test`, or more."
        )
    if held_out is None and split is None:
        warn_of_overlap(patches.overlapping, len(patches))
    used = draw() if seed is None else seed_number(seed)
    plan = draw_plan(len(patches), share, Randomness(used).generator, split)
    common = {
        "classes": learnt.classes,
        "unlabelled": unlabelled,
        "val_split": share,
        "seed": used,
        "folds": [(plan.train_rows.numpy(), plan.val_rows.numpy())] if len(plan.val_rows) else None,
    }
    units = None
    if held_out is None:
        rows = plan.val_rows
        codes = getattr(split, "codes", None)
        units = _units(codes, rows, split)
        held_out = Patches(patches.rows(rows)), Masks(learnt.codes[rows], learnt.classes)
    fits: dict[str, FoundationSegmenter] = {}
    found: dict[str, SegmentationInterpretation] = {}
    for name, own in named.items():
        fits[name] = foundation_fit_segmenter(encoder, x, masks, **{**common, **rest, **own})
        found[name] = interpret_masks(
            fits[name],
            *held_out,
            units or _units(None, torch.arange(len(held_out[1])), None),
            n_boot=draws,
            n_pictures=0,
            seed=used,
        )
    first = next(iter(found.values()))
    worst = first.top_losses(min(most, len(held_out[1])))["row"].to_numpy()
    shown = held_out[0].rows(torch.from_numpy(worst))
    return FoundationSegmenterComparison(
        fits,
        found,
        patches=shown.numpy(),
        masks=held_out[1].codes.numpy()[worst].astype("int64"),
        predicted={name: fit.codes(shown) for name, fit in fits.items()},
        rows=worst,
        seed=used,
    )


def _named(models: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of each model by its name, or raise `InputError`."""
    if isinstance(models, Mapping):
        found = {str(name): own for name, own in models.items()}
    elif isinstance(models, Sequence) and not isinstance(models, str):
        found = {choice("models", name, REGIMES): {"regime": name} for name in models}
    else:
        found = {}
    if not found or not all(isinstance(own, Mapping) for own in found.values()):
        raise InputError(
            "models", "must be regimes, or settings for each name", found=type(models).__name__
        )
    return {name: dict(own) for name, own in found.items()}


def _test(test: Any, reader: Any, learnt: Masks, unlabelled: Any) -> tuple[Patches, Masks]:
    """Return the patches and masks that are scored, or raise `InputError`."""
    if not isinstance(test, tuple | list) or len(test) != 2:
        raise InputError("test", "must be a pair of patches and masks", found=type(test).__name__)
    patches = Patches(test[0], argument="test")
    patches.read_for(reader, training=False)
    return patches, masks_of(patches, test[1], classes=learnt.classes, unlabelled=unlabelled)


def _units(codes: Any, rows: torch.Tensor, split: Any) -> Units:
    """Return what the bootstrap draws of the held-out rows: their groups where there are some."""
    if codes is None:
        return Units("rows", torch.arange(len(rows)).numpy(), len(rows))
    groups, found = pd.factorize(codes[rows.numpy()])
    if len(found) < 2:
        return Units("rows", torch.arange(len(rows)).numpy(), len(rows))
    return Units(split.describe()["by"], groups, len(found))


@dataclass(eq=False, repr=False)
class FoundationSegmenterComparison:
    """Segmenters beside each other, as `foundation_compare_segmenters` returns them.

    Attributes
    ----------
    fits : dict of str to FoundationSegmenter
    interpretations : dict of str to SegmentationInterpretation
        Of the same held-out patches.
    patches : numpy.ndarray, shape (k, C, H, W), float32
        Those with the largest losses of the first model.
    masks : numpy.ndarray of int, shape (k, H, W)
        Their actual classes, places in the fits' `classes`; -1 of unlabelled cells.
    predicted : dict of str to numpy.ndarray of int, shape (k, H, W)
        What each model makes of them.
    rows : numpy.ndarray of int
        Which of the held-out patches they are.
    seed : int
    """

    fits: dict[str, FoundationSegmenter]
    interpretations: dict[str, SegmentationInterpretation]
    patches: Any
    masks: Any
    predicted: dict[str, Any]
    rows: Any
    seed: int

    @property
    def classes(self) -> list[Any]:
        """Classes of all fits."""
        return next(iter(self.fits.values())).classes

    def as_table(self) -> pd.DataFrame:
        """Return the scores of all models, with 95 % intervals.

        Returns
        -------
        pandas.DataFrame
            Columns ``model``, ``metric``, ``class`` (None for all together), ``estimate``,
            ``conf_low`` and ``conf_high``.
        """
        tables = [
            found.as_table().assign(model=name) for name, found in self.interpretations.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        table = self.as_table()
        overall = table[table["class"].isna()]
        first = next(iter(self.interpretations.values()))
        shown = ("iou", "dice", "precision", "recall", "pixel_accuracy")
        width = max(map(len, [*self.fits, "model"])) + 2
        lines = [
            "<edaphos_segmenter_comparison>",
            f"  {len(first)} patches held out, {len(self.classes)} classes, means over classes",
            "  " + "model".ljust(width) + "".join(name.rjust(24) for name in shown),
        ]
        for name in self.fits:
            own = overall[overall["model"] == name].set_index("metric")
            cells = [_number(own.loc[metric]) for metric in shown]
            lines.append("  " + name.ljust(width) + "".join(cell.rjust(24) for cell in cells))
        return lines

    def __repr__(self) -> str:
        return "\n".join(self.describe())

    @plain
    def plot(self, metric: str = "iou", ax: Any = None) -> Any:
        """Draw a score of each class and its mean, a colour a model; return matplotlib's axes.

        Parameters
        ----------
        metric : {"iou", "dice", "f1", "precision", "recall", "pixel_accuracy"}
        ax : matplotlib.axes.Axes, optional
            Where to draw; new ones by default.
        """
        choice("metric", metric, OF_MASKS)
        table = self.as_table()
        names = [*map(str, self.classes), "all"]
        values = {}
        for model in self.fits:
            own = table[(table["model"] == model) & (table["metric"] == metric)]
            each = own.assign(of=[("all" if c is None else str(c)) for c in own["class"]])
            values[model] = each.set_index("of").loc[names]
        return figures.intervals(names, values, metric.replace("_", " "), ax)

    @plain
    def plot_masks(
        self,
        k: int | None = None,
        bands: int | Sequence[int] | None = None,
        stretch: Stretch = "percent",
    ) -> Any:
        """Draw patches, their masks and what each model predicts; return matplotlib's figure.

        Parameters
        ----------
        k : int, optional
            How many of `patches`; all by default.
        bands, stretch
            As in `FoundationInterpretation.plot_top_losses`.
        """
        most = len(self.patches)
        number_shown = most if k is None else whole("k", k, maximum=most)
        columns = {"actual": self.masks, **self.predicted}
        return figures.masks(
            pictures(self.patches[:number_shown], bands, stretch),
            {name: codes[:number_shown] for name, codes in columns.items()},
            self.classes,
        )


def _number(row: Any) -> str:
    if pd.isna(row["estimate"]):
        return "NA"
    if pd.isna(row["conf_low"]):
        return f"{row['estimate']:.3f}"
    return f"{row['estimate']:.3f} [{row['conf_low']:.3f}, {row['conf_high']:.3f}]"

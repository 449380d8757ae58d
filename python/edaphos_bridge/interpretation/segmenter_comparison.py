"""Segmenters beside each other: what `foundation_compare_segmenters` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice, whole
from edaphos_bridge.basics.counted import counted
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.pictures import Stretch, pictures
from edaphos_bridge.interpretation.segmentation import SegmentationInterpretation
from edaphos_bridge.interpretation.segmented import OF_MASKS


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

    fits: Mapping[str, FoundationFit]
    interpretations: Mapping[str, SegmentationInterpretation]
    patches: Any
    masks: Any
    predicted: dict[str, Any]
    rows: Any
    seed: int

    @property
    def classes(self) -> list[Any]:
        """Classes of all fits."""
        return next(iter(self.interpretations.values())).classes

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
            f"  {counted(len(first), 'patch', 'patches')} held out, "
            f"{counted(len(self.classes), 'class', 'classes')}, means over classes",
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

"""What `foundation_interpret` returns: scores with intervals, the worst patches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.basics.counted import counted
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.bootstrap import intervals
from edaphos_bridge.interpretation.pictures import Stretch, pictures
from edaphos_bridge.interpretation.units import Units


@dataclass(eq=False, repr=False)
class FoundationInterpretation(ABC):
    """Predictions of a fit beside the truth.

    Attributes
    ----------
    outcome : Classified or Measured
        What was predicted, and the truth.
    units : Units
        What the bootstrap drew.
    n_boot, seed : int
        How many draws, and where they came from.
    picture_rows : numpy.ndarray of int
        Rows of the patches with the largest losses, the largest first.
    patches : numpy.ndarray, shape (k, C, H, W), float32
        Those patches, for `plot_top_losses`.
    baselines : dict of str to Classified or Measured
        What the baselines predicted for the same rows.
    """

    outcome: Any
    units: Units
    n_boot: int
    seed: int
    picture_rows: NDArray[np.intp]
    patches: NDArray[np.float32]
    baselines: dict[str, Any] = field(default_factory=dict)

    title: ClassVar[str] = "edaphos_foundation_interpretation"
    overall: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        """Work out the scores, once."""
        models = {"fit": self.outcome, **self.baselines}
        self._scores = pd.concat(
            [self._scored(name, outcome) for name, outcome in models.items()], ignore_index=True
        )

    def _scored(self, model: str, outcome: Any) -> pd.DataFrame:
        # the same seed: fit and baselines are drawn the same rows
        estimate, low, high = intervals(outcome.scores, self.units, self.n_boot, self.seed)
        table = self._named()
        counts = (table["metric"] == "support").to_numpy()  # a count of the rows is no estimate
        low[counts] = high[counts] = np.nan
        table.insert(0, "model", model)
        return table.assign(estimate=estimate, conf_low=low, conf_high=high)

    @abstractmethod
    def _named(self) -> pd.DataFrame:
        """Return what each score is: ``metric``, and the class or target that it is of."""

    def __len__(self) -> int:
        return len(self.units.codes)

    def as_table(self) -> pd.DataFrame:
        """Return the scores: a row for each, with the ends of its 95 % interval.

        Returns
        -------
        pandas.DataFrame
            Columns ``model`` ("fit", and the baselines), ``metric``, what it is of (``class``, or
            ``target`` of a regressor; None for all together), ``estimate``, ``conf_low`` and
            ``conf_high``; NaN where a score is not defined.
        """
        return self._scores.copy()

    def top_losses(self, k: int | None = None) -> pd.DataFrame:
        """Return the `k` rows with the largest losses, by default all, the largest first."""
        table = self._losses()
        order = np.argsort(-table["loss"].to_numpy(), kind="stable")
        most = len(table) if k is None else whole("k", k)
        return table.iloc[order[:most]].reset_index(drop=True)

    @abstractmethod
    def _losses(self) -> pd.DataFrame:
        """Return a row for each patch, with its ``loss``."""

    def plot_top_losses(
        self,
        k: int | None = None,
        bands: int | Sequence[int] | None = None,
        stretch: Stretch = "percent",
    ) -> Any:
        """Draw the `k` patches with the largest losses.

        Titles are prediction / actual / loss / probability of the actual class, as fastai has
        them; of a regressor prediction / actual / loss.

        Parameters
        ----------
        k : int, optional
            How many, at most as many as `patches` has (``n_pictures`` of `foundation_interpret`);
            by default 9 of them.
        bands : int or three ints, optional
            Bands shown as grey, or as red, green and blue, counted from 0. By default the first
            three, or the first where there are fewer.
        stretch : {"percent", "minmax", "none"}
            What is black and white in a band: its 2nd and 98th percentile over the patches shown,
            their smallest and largest value, or 0 and 1.

        Returns
        -------
        matplotlib.figure.Figure
        """
        k = self._how_many(k, most=9)
        shown = pictures(self.patches[:k], bands, stretch)
        return figures.grid(shown, self._titles(k), self._caption)

    def _how_many(self, k: int | None, most: int) -> int:
        """Return how many of the patches that were kept are drawn: `most` where `k` is None."""
        kept = len(self.patches)
        wanted = min(most, kept) if k is None else whole("k", k)
        if wanted > kept or kept == 0:
            raise InputError(
                "k",
                f"must be at most {kept}, the patches that were kept",
                found=wanted,
                hint="foundation_interpret(n_pictures=) keeps more.",
            )
        return wanted

    _caption: ClassVar[str]

    @abstractmethod
    def _titles(self, k: int) -> list[str]:
        """Return what stands over each of the `k` patches with the largest losses."""

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        units = counted(self.units.n, self.units.kind.removesuffix("s"))
        drawn = f"{counted(self.n_boot, 'draw')} of {units}"
        text = {
            "patches": str(len(self)),
            "intervals": f"95 %, bootstrap: {drawn}" if self.n_boot else "none",
        }
        names = ["fit", *self.baselines]
        table = self._scores
        for name in names:
            rows = table[(table["model"] == name) & table["metric"].isin(self.overall)]
            if "class" in rows:
                rows = rows[rows["class"].isna()]
            if len(names) > 1:
                text[f"-- {name}"] = ""
            for row in rows.itertuples(index=False):
                of = getattr(row, "target", None)
                label = row.metric.replace("_", " ") + (f" of {of}" if of is not None else "")
                text[f"{label}{_UNSEEN * names.index(name)}"] = _number(row, bool(self.n_boot))
        text.update(self._more())
        shown = {label.replace(_UNSEEN, ""): value for label, value in text.items()}
        width = max(len(label) for label in shown) + 2
        lines = [
            f"  {label.replace(_UNSEEN, '') + (':' if value else ''):<{width}}{value}".rstrip()
            for label, value in text.items()
        ]
        return [f"<{self.title}>", *lines]

    def _more(self) -> dict[str, str]:
        return {}

    def __repr__(self) -> str:
        """Return the lines that printing shows."""
        return "\n".join(self.describe())


def named(rows: Sequence[tuple[str, Any]], of: str) -> pd.DataFrame:
    """Return a table of metrics and what they are of, None of all; whole numbers stay whole."""
    metrics, names = zip(*rows, strict=True)
    return pd.DataFrame({"metric": list(metrics), of: pd.Series(list(names), dtype=object)})


_UNSEEN = "\0"  # tells the baselines' lines apart


def _number(row: Any, with_interval: bool) -> str:
    if np.isnan(row.estimate):
        return "NA"
    interval = f" [{row.conf_low:.3f}, {row.conf_high:.3f}]" if with_interval else ""
    return f"{row.estimate:.3f}{interval}"

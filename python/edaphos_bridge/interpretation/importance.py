"""How much of a score each band carries: what is lost when its patches are exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.counted import counted
from edaphos_bridge.basics.devices import resolve_device
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.features import batch_size_for
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.prediction import predicted
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.outputs import CLASSIFICATION, band_names


@dataclass(eq=False, repr=False)
class FoundationBandImportance:
    """How much each band matters for a score.

    Attributes
    ----------
    metric : {"accuracy", "rmse"}
    score : float
        With all bands as they are.
    losses : numpy.ndarray, shape (C, n_repeats)
        By how much accuracy fell, or RMSE rose, when the patches of a band were exchanged.
    bands : list of str
    seed : int
    """

    metric: str
    score: float
    losses: NDArray[np.float64]
    bands: list[str]
    seed: int

    def as_table(self) -> pd.DataFrame:
        """Return a row for each band: ``band``, mean ``importance`` and ``sd`` over repeats."""
        several = self.losses.shape[1] > 1
        return pd.DataFrame(
            {
                "band": self.bands,
                "importance": self.losses.mean(axis=1),
                "sd": self.losses.std(axis=1, ddof=1) if several else np.nan,
            }
        )

    @property
    def label(self) -> str:
        """What the importance is."""
        return "drop of accuracy" if self.metric == "accuracy" else "rise of RMSE"

    def plot(self, ax: Any = None) -> Any:
        """Draw a bar for each band, with its standard deviation; return the matplotlib Axes."""
        table = self.as_table()
        spread = table["sd"].fillna(0.0).to_numpy()
        return figures.bars(self.bands, table["importance"].to_numpy(), spread, self.label, ax)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        table = self.as_table().sort_values("importance", ascending=False, kind="stable")
        width = max(len(name) for name in [*self.bands, self.metric]) + 2
        return [
            "<edaphos_foundation_band_importance>",
            f"  {self.metric + ':':<{width}}{self.score:.3f}",
            f"  {self.label}, mean of {counted(self.losses.shape[1], 'permutation')}:",
            *(
                f"  {row.band + ':':<{width}}{row.importance:.3f}"
                + ("" if np.isnan(row.sd) else f" (sd {row.sd:.3f})")
                for row in table.itertuples(index=False)
            ),
        ]

    def __repr__(self) -> str:
        """Return the lines that printing shows."""
        return "\n".join(self.describe())


def band_importance(
    fit: FoundationFit,
    x: torch.Tensor,
    truth: NDArray[Any],
    n_repeats: int,
    seed: int,
    first_band: int = 0,
) -> FoundationBandImportance:
    """Return what each band of patches ``(N, C, H, W)`` carries.

    Whole bands of patches are exchanged between patches, so that each keeps its own pattern.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning 45.
    """
    generator = Randomness(seed).generator
    is_classifier = fit.task.name == CLASSIFICATION
    device = resolve_device(fit.device)
    size = batch_size_for(x.shape, device.type, fit.encoder)
    model = Model(fit.encoder, fit.head)

    def score(order: torch.Tensor | None = None, band: int = 0) -> float:
        def batches() -> Any:
            for start in range(0, len(x), size):
                batch = x[start : start + size].clone()
                if order is not None:
                    batch[:, band] = x[order[start : start + size], band]
                yield slice(start, start + len(batch)), batch

        values = predicted(fit.task, [model], len(x), x.shape[2:], batches(), device)
        if is_classifier:
            return float((values.argmax(axis=1) == truth).mean())
        return float(np.sqrt(((values.reshape(truth.shape) - truth) ** 2).mean()))

    base = score()
    sign = 1 if is_classifier else -1
    losses = np.empty((x.shape[1], n_repeats))
    for repeat in range(n_repeats):
        for band in range(x.shape[1]):
            order = torch.randperm(len(x), generator=generator)
            losses[band, repeat] = sign * (base - score(order, band))
    metric = "accuracy" if is_classifier else "rmse"
    return FoundationBandImportance(metric, base, losses, band_names(fit, first_band), seed)

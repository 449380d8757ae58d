"""What `foundation_attribute` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.pictures import Stretch, pictures

_NAMES = {"grad_cam": "Grad-CAM", "integrated_gradients": "integrated gradients"}


def _text(prediction: Any) -> str:
    return f"{prediction:.4g}" if isinstance(prediction, float) else str(prediction)


@dataclass(eq=False, repr=False)
class FoundationAttribution:
    """What an output of each patch is attributed to.

    Attributes
    ----------
    values : numpy.ndarray, shape (N, C, H, W) or (N, 1, H, W), float32
        By integrated gradients of each cell of each band, with a sign; by Grad-CAM of each cell.
    method : {"grad_cam", "integrated_gradients"}
    target : list
        The class, or the name of the target, whose output was attributed, for each patch.
    prediction : list
        What was predicted: a class, or of a regressor the number of that target.
    patches : numpy.ndarray, shape (N, C, H, W), float32
    bands : list of str
    """

    values: NDArray[np.float32]
    method: str
    target: list[Any]
    prediction: list[Any]
    patches: NDArray[np.float32]
    bands: list[str]

    def __len__(self) -> int:
        return len(self.values)

    def as_table(self) -> pd.DataFrame:
        """Return a row for each patch and band: the sum over cells, and its share.

        Returns
        -------
        pandas.DataFrame
            Columns ``row``, ``prediction``, ``target``, ``band`` ("all" by Grad-CAM),
            ``attribution`` and ``share``, of the sum of absolute values over the patch.
        """
        n, parts = self.values.shape[:2]
        flat = self.values.astype(float).reshape(n, parts, -1)
        size = np.abs(flat).sum(axis=2)
        total = size.sum(axis=1, keepdims=True)
        return pd.DataFrame(
            {
                "row": np.repeat(np.arange(n), parts),
                "prediction": np.repeat(np.asarray(self.prediction, dtype=object), parts),
                "target": np.repeat(np.asarray(self.target, dtype=object), parts),
                "band": (["all"] if parts == 1 < len(self.bands) else self.bands) * n,
                "attribution": flat.sum(axis=2).ravel(),
                "share": (size / np.where(total > 0, total, 1)).ravel(),
            }
        )

    def plot(
        self,
        rows: int | Sequence[int] | None = None,
        bands: int | Sequence[int] | None = None,
        stretch: Stretch = "percent",
        alpha: float = 0.6,
    ) -> Any:
        """Draw attributions over their patches.

        Parameters
        ----------
        rows : int or sequence of int, optional
            Which patches, counted from 0; by default the first nine.
        bands, stretch
            As in `plot_top_losses`; patches are drawn grey, as the mean of the bands.
        alpha : float
            How much of the patch is covered.

        Returns
        -------
        matplotlib.figure.Figure
            Titles are target / prediction. Of integrated gradients the sum over bands is drawn, red
            for what speaks for the target and blue against it.
        """
        chosen = self._rows(rows)
        shown = pictures(self.patches[chosen], bands, stretch)
        shown = np.repeat(shown.mean(axis=3, keepdims=True), 3, axis=3)  # grey
        overlays = [self._overlay(row, alpha) for row in chosen]
        titles = [f"{self.target[row]} / {_text(self.prediction[row])}" for row in chosen]
        caption = f"{_NAMES[self.method]}: target / prediction"
        return figures.grid(shown, titles, caption, overlays)

    def _rows(self, rows: int | Sequence[int] | None) -> list[int]:
        if rows is None:
            return list(range(min(9, len(self))))
        given = [rows] if isinstance(rows, int | np.integer) else list(rows)
        found = [whole("rows", row, minimum=0) for row in given]
        if not found or max(found) >= len(self):
            raise InputError("rows", f"must be rows of the {len(self)} patches", found=found)
        return found

    def _overlay(self, row: int, alpha: float) -> dict[str, Any]:
        seen = self.values[row].sum(axis=0)
        most = float(np.abs(seen).max()) or 1.0
        if self.method == "grad_cam":
            return {"X": seen, "cmap": "inferno", "vmin": 0.0, "vmax": most, "alpha": alpha}
        return {"X": seen, "cmap": "RdBu_r", "vmin": -most, "vmax": most, "alpha": alpha}

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        height, width = self.values.shape[2:]
        return [
            "<edaphos_foundation_attribution>",
            f"  method:   {_NAMES[self.method]}",
            f"  patches:  {len(self)} of {height} x {width} cells",
            f"  bands:    {'all together' if self.method == 'grad_cam' else ', '.join(self.bands)}",
        ]

    def __repr__(self) -> str:
        """Return the lines that printing shows."""
        return "\n".join(self.describe())

"""What `foundation_interpret` returns of a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.of_classes import InterpretationOfClasses
from edaphos_bridge.interpretation.pictures import Stretch, pictures
from edaphos_bridge.interpretation.result import named
from edaphos_bridge.interpretation.segmented import OF_A_MASK_CLASS, OF_MASKS, Segmented


class SegmentationInterpretation(InterpretationOfClasses):
    """What a segmenter predicts beside the actual masks.

    Beside those of `InterpretationOfClasses`:

    Attributes
    ----------
    masks, predicted : numpy.ndarray of int, shape (k, H, W)
        Of `patches`: the actual and the predicted class of each cell, its place in `classes`; -1
        of unlabelled cells.
    """

    overall = OF_MASKS

    def __init__(
        self,
        classes: list[ClassLabel],
        masks: NDArray[np.int64],
        predicted: NDArray[np.int64],
        **values: Any,
    ) -> None:
        self.masks, self.predicted = masks, predicted
        super().__init__(classes, **values)

    def _named(self) -> pd.DataFrame:
        of_classes = [(metric, name) for name in self.classes for metric in OF_A_MASK_CLASS]
        rows = [*((metric, None) for metric in OF_MASKS), *of_classes]
        return named(rows, "class")

    def _counts(self) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = self.outcome.confusions.sum(axis=0)
        return counts

    def _losses(self) -> pd.DataFrame:
        outcome: Segmented = self.outcome
        counts = outcome.confusions
        labelled = counts.sum(axis=(1, 2))
        right = np.trace(counts, axis1=1, axis2=2)
        accuracy = np.divide(right, labelled, out=np.full(len(right), np.nan), where=labelled > 0)
        return pd.DataFrame(
            {
                "labelled": labelled,
                "pixel_accuracy": accuracy,
                "loss": outcome.losses,
                "row": np.arange(len(self)),
            }
        )

    def plot_top_losses(
        self,
        k: int | None = None,
        bands: int | Sequence[int] | None = None,
        stretch: Stretch = "percent",
    ) -> Any:
        """Draw the `k` patches with the largest losses, each beside its mask and the prediction.

        Arguments are those of `FoundationInterpretation.plot_top_losses`; by default 4 are drawn.
        """
        k = self._how_many(k, most=4)
        shown = pictures(self.patches[:k], bands, stretch)
        columns = {"actual": self.masks[:k], "predicted": self.predicted[:k]}
        return figures.masks(shown, columns, self.classes, self._titles(k))

    def _titles(self, k: int) -> list[str]:
        return [
            f"row {row.row}, accuracy {row.pixel_accuracy:.2f}, loss {row.loss:.2f}"
            for row in self.top_losses(k).itertuples(index=False)
        ]

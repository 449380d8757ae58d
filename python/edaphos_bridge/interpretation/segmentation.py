"""What `foundation_interpret` returns of a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.pictures import Stretch, pictures
from edaphos_bridge.interpretation.result import FoundationInterpretation, named
from edaphos_bridge.interpretation.segmented import OF_A_MASK_CLASS, OF_MASKS, Segmented


class SegmentationInterpretation(FoundationInterpretation):
    """What a segmenter predicts beside the actual masks.

    Beside those of `FoundationInterpretation`:

    Attributes
    ----------
    classes : list of str, int or bool
        Order of rows and columns.
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
        self.classes = classes
        self.masks, self.predicted = masks, predicted
        super().__init__(**values)

    def _named(self) -> pd.DataFrame:
        of_classes = [(metric, name) for name in self.classes for metric in OF_A_MASK_CLASS]
        rows = [*((metric, None) for metric in OF_MASKS), *of_classes]
        return named(rows, "class")

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts of cells; rows are the actual classes, columns the predicted ones."""
        counts = self.outcome.confusions.sum(axis=0)
        index = pd.Index(self.classes, name="actual")
        return pd.DataFrame(counts, index, pd.Index(self.classes, name="predicted"))

    def plot_confusion(self, ax: Any = None) -> Any:
        """Draw the confusion matrix of cells; return the matplotlib Axes."""
        return figures.confusion(self.confusion, ax)

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
        k: int = 4,
        bands: int | Sequence[int] | None = None,
        stretch: Stretch = "percent",
    ) -> Any:
        """Draw the `k` patches with the largest losses, each beside its mask and the prediction.

        Arguments are those of `FoundationInterpretation.plot_top_losses`.
        """
        if whole("k", k) > len(self.patches):
            raise InputError(
                "k",
                f"must be at most {len(self.patches)}, the patches that were kept",
                found=k,
                hint="foundation_interpret(n_pictures=) keeps more.",
            )
        shown = pictures(self.patches[:k], bands, stretch)
        columns = {"actual": self.masks[:k], "predicted": self.predicted[:k]}
        return figures.masks(shown, columns, self.classes, self._titles(k))

    def _titles(self, k: int) -> list[str]:
        return [
            f"row {row.row}, accuracy {row.pixel_accuracy:.2f}, loss {row.loss:.2f}"
            for row in self.top_losses(k).itertuples(index=False)
        ]

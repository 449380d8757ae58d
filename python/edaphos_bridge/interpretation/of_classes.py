"""Which classes are taken for which: what interpretations of classes have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.data.labels import ClassLabel
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.result import FoundationInterpretation


class InterpretationOfClasses(FoundationInterpretation):
    """Predicted classes beside the actual ones.

    Beside those of `FoundationInterpretation`:

    Attributes
    ----------
    classes : list of str, int or bool
        Order of rows and columns.
    """

    def __init__(self, classes: list[ClassLabel], **values: Any) -> None:
        self.classes = classes
        super().__init__(**values)

    @abstractmethod
    def _counts(self) -> NDArray[np.int64]:
        """Return how often each class, rows, was taken for each one, columns."""

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts, of cells for masks; rows are the actual classes, columns the predicted ones."""
        index = pd.Index(self.classes, name="actual")
        return pd.DataFrame(self._counts(), index, pd.Index(self.classes, name="predicted"))

    def most_confused(self, min_val: int = 1) -> pd.DataFrame:
        """Return the pairs of classes that were confused `min_val` times or more, most first.

        Returns
        -------
        pandas.DataFrame
            Columns ``actual``, ``predicted`` and ``count``, of cells where masks were predicted.
        """
        counts = self._counts().copy()
        np.fill_diagonal(counts, 0)
        actual, predicted = np.nonzero(counts >= whole("min_val", min_val))
        order = np.argsort(-counts[actual, predicted], kind="stable")
        actual, predicted = actual[order], predicted[order]
        return pd.DataFrame(
            {
                "actual": [self.classes[code] for code in actual],
                "predicted": [self.classes[code] for code in predicted],
                "count": counts[actual, predicted],
            }
        )

    def plot_confusion(self, ax: Any = None) -> Any:
        """Draw the confusion matrix; return the matplotlib Axes."""
        return figures.confusion(self.confusion, ax)

    def _more(self) -> dict[str, str]:
        pairs = self.most_confused().head(3).itertuples(index=False)
        text = ", ".join(f"{pair[0]} taken for {pair[1]} ({pair[2]})" for pair in pairs)
        return {"most confused": text or "none"}

"""What `foundation_interpret` returns of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.of_classes import InterpretationOfClasses
from edaphos_bridge.interpretation.result import named
from edaphos_bridge.interpretation.scores import BINS, OF_A_CLASS, OF_CLASSIFICATION, Classified


class ClassificationInterpretation(InterpretationOfClasses):
    """What a classifier, or a vote of neighbours, predicts beside the actual classes."""

    overall = OF_CLASSIFICATION
    _caption = "prediction / actual / loss / probability"

    def _named(self) -> pd.DataFrame:
        of_classes = [(metric, name) for name in self.classes for metric in OF_A_CLASS]
        rows = [*((metric, None) for metric in OF_CLASSIFICATION), *of_classes]
        return named(rows, "class")

    def _counts(self) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = self.outcome.confusion().astype(np.int64)
        return counts

    def _losses(self) -> pd.DataFrame:
        outcome: Classified = self.outcome
        return pd.DataFrame(
            {
                "prediction": [self.classes[code] for code in outcome.predicted],
                "actual": [self.classes[code] for code in outcome.actual],
                "loss": outcome.losses,
                "probability": outcome.of_actual,
                "row": np.arange(len(self)),
            }
        )

    def reliability(self) -> pd.DataFrame:
        """Return what the reliability diagram shows, a row for each bin of confidence.

        Returns
        -------
        pandas.DataFrame
            Columns ``low`` and ``high``, the ends of the bin; ``n`` patches in it, their mean
            ``confidence`` and their ``accuracy``, NaN where there are none.

        References
        ----------
        Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural
        networks. ICML.
        """
        found = self.outcome.reliability()
        ends = np.linspace(0, 1, BINS + 1)
        return pd.DataFrame(
            {
                "low": ends[:-1],
                "high": ends[1:],
                "n": found[:, 0].astype(int),
                "confidence": found[:, 1],
                "accuracy": found[:, 2],
            }
        )

    def plot_reliability(self, ax: Any = None) -> Any:
        """Draw accuracy against confidence; return the matplotlib Axes."""
        return figures.reliability(self.reliability(), ax)

    def _titles(self, k: int) -> list[str]:
        return [
            f"{row.prediction} / {row.actual}\n{row.loss:.2f} / {row.probability:.2f}"
            for row in self.top_losses(k).itertuples(index=False)
        ]

"""What `foundation_interpret` returns of a regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edaphos_bridge.basics.arguments import choice, whole
from edaphos_bridge.errors import InputError
from edaphos_bridge.interpretation import figures
from edaphos_bridge.interpretation.result import FoundationInterpretation, named
from edaphos_bridge.interpretation.scores import OF_REGRESSION, Measured


class RegressionInterpretation(FoundationInterpretation):
    """What a regressor predicts beside the actual numbers.

    Beside those of `FoundationInterpretation`:

    Attributes
    ----------
    targets : list of str
        Names of the columns of the truth.
    """

    overall = OF_REGRESSION
    _caption = "prediction / actual / loss"

    def __init__(self, targets: list[str], **values: Any) -> None:
        self.targets = targets
        super().__init__(**values)

    def _named(self) -> pd.DataFrame:
        several = len(self.targets) > 1
        rows = [(m, name if several else None) for name in self.targets for m in OF_REGRESSION]
        return named(rows, "target")

    def _losses(self) -> pd.DataFrame:
        outcome: Measured = self.outcome
        columns: dict[str, Any] = {}
        for number, name in enumerate(self.targets):
            ending = f"_{name}" if len(self.targets) > 1 else ""
            columns[f"prediction{ending}"] = outcome.predicted[:, number]
            columns[f"actual{ending}"] = outcome.actual[:, number]
        return pd.DataFrame({**columns, "loss": outcome.losses, "row": np.arange(len(self))})

    def plot_predictions(self, target: int | str = 0, ax: Any = None) -> Any:
        """Draw predicted against actual values of a target; return the Axes.

        `target` is its name, or its number, counted from 0.
        """
        if isinstance(target, str):
            target = self.targets.index(choice("target", target, tuple(self.targets)))
        if whole("target", target, minimum=0) >= len(self.targets):
            raise InputError("target", f"must be below {len(self.targets)}", found=target)
        actual, predicted = self.outcome.actual[:, target], self.outcome.predicted[:, target]
        return figures.predictions(actual, predicted, self.targets[target], ax)

    def _titles(self, k: int) -> list[str]:
        outcome: Measured = self.outcome
        titles = []
        for row in self.picture_rows[:k]:
            both = (outcome.predicted[row], outcome.actual[row])
            numbers = [", ".join(f"{value:.3g}" for value in values) for values in both]
            titles.append(f"{numbers[0]} / {numbers[1]}\n{outcome.losses[row]:.3g}")
        return titles

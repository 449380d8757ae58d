"""What a few-label experiment returns: its table, means, differences and the box plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.basics.counted import counted
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.comparison import MEASURES, Comparison, mean_sd


@dataclass(eq=False, repr=False)
class FoundationFewLabelExperiment:
    """Methods compared with few labels, as `foundation_few_label_experiment` returns them.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each method, number of labels and repeat: ``method``, ``labels``, ``repeat``
        (from 1), ``fold`` (what was tested), ``n_train`` (labels that were drawn, validation rows
        among them), ``n_test``, ``accuracy``, ``balanced_accuracy`` (the mean over the classes
        that are there of the share that is right), ``log_loss``, and ``seconds`` for learning and
        predicting, without pretraining.
    pretraining : pandas.DataFrame
        ``method``, ``fold`` and ``seconds`` of each call of a pretraining function.
    pairs : list of pairs of str
        Methods that `differences` compares: the first minus the second.
    config : dict
        The settings, with the seed used.
    """

    table: pd.DataFrame
    pretraining: pd.DataFrame
    pairs: list[tuple[str, str]]
    config: dict[str, Any]

    @property
    def methods(self) -> list[str]:
        """All rows of the tables, in order."""
        return list(dict.fromkeys(self.table["method"]))

    @property
    def labels(self) -> list[float]:
        """Numbers of labels, in order."""
        return list(dict.fromkeys(self.table["labels"]))

    def summary(self) -> pd.DataFrame:
        """Return mean and standard deviation over the repeats.

        Returns
        -------
        pandas.DataFrame
            ``method``, ``labels``, ``n`` (repeats), and of `accuracy`, `balanced_accuracy`,
            `log_loss` and `seconds` the mean under its name and ``..._sd``.
        """
        by = self.table.groupby(["method", "labels"], sort=False)
        found = by.size().rename("n").to_frame()
        for measure in (*MEASURES, "seconds"):
            found[measure] = by[measure].mean()
            found[f"{measure}_sd"] = by[measure].std()
        return found.loc[list(product(self.methods, self.labels))].reset_index()

    def differences(self, measure: str = "accuracy") -> pd.DataFrame:
        """Return the differences of `pairs` within a repeat, with 95 % intervals of their means.

        Parameters
        ----------
        measure : {"accuracy", "balanced_accuracy", "log_loss"}

        Returns
        -------
        pandas.DataFrame
            ``method``, ``minus``, ``labels``, ``difference``, ``conf_low``, ``conf_high``,
            ``above`` (repeats in which it is above 0) and ``n``. Intervals are Student's t: of
            the means of the folds where there are several, else of the repeats, and then hold
            nothing of what another test set or another pretraining would change.
        """
        choice("measure", measure, MEASURES)
        compared = self._comparison()
        rows = []
        for one, other in self.pairs:
            for labels in self.labels:
                found = compared.paired(one, other, labels, measure)
                rows.append(
                    {
                        "method": one,
                        "minus": other,
                        "labels": labels,
                        "difference": found.mean,
                        "conf_low": found.low,
                        "conf_high": found.high,
                        "above": found.above,
                        "n": found.repeats,
                    }
                )
        return pd.DataFrame(rows)

    def markdown(self) -> list[str]:
        """Return the lines of both tables as Markdown: means, and differences of accuracy."""
        compared = self._comparison()
        return [*compared.table(), "", *compared.differences()]

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        compared = self._comparison()
        head = ["", *compared.headings.values()]
        means = [
            [name, *(mean_sd(compared.values(name, labels)) for labels in self.labels)]
            for name in self.methods
        ]
        differences = [
            [f"{one}, minus {other}", *(compared.paired(one, other, n).cell() for n in self.labels)]
            for one, other in self.pairs
        ]
        sizes = self.table.drop_duplicates("fold")["n_test"]
        repeats = counted(compared.repeats, "repeat")
        tested = counted(int(sizes.sum()), "patch", "patches")
        return [
            "<edaphos_few_label_experiment>",
            f"  {repeats}, {tested} tested in {counted(len(sizes), 'fold')}",
            "  accuracy, mean ± sd of the repeats",
            *_columns([head, *means]),
            "  differences of accuracy, 95 % interval, in how many repeats above 0",
            *_columns([head, *differences]),
        ]

    def __repr__(self) -> str:
        return "\n".join(self.describe())

    @plain
    def plot(self, measures: str | Sequence[str] = ("accuracy", "log_loss")) -> Any:
        """Draw a box for each method with the repeats as points; return matplotlib's figure.

        Parameters
        ----------
        measures : one or more of {"accuracy", "balanced_accuracy", "log_loss", "seconds"}
            A panel each for every number of labels, one below the other.
        """
        given = [measures] if isinstance(measures, str) else list(measures)
        shown = [choice("measures", each, (*MEASURES, "seconds")) for each in given]
        if not shown:
            raise InputError("measures", "must name at least one", found=[])
        methods, compared = self.methods, self._comparison()
        wanted = list(product(shown, self.labels))
        names = 0.075 * max(map(len, methods))  # inches
        figure, panels = imported("matplotlib.pyplot").subplots(
            len(wanted), 1, figsize=(2 + 0.42 * len(methods), names + 2.3 * len(wanted)),
            squeeze=False, sharex=True,
        )  # fmt: skip
        scales: dict[str, Any] = {}
        for axes, (measure, labels) in zip(panels[:, 0], wanted, strict=True):
            if scales.setdefault(measure, axes) is not axes:
                axes.sharey(scales[measure])
            values = [compared.values(name, labels, measure) for name in methods]
            axes.boxplot(values, showfliers=False, widths=0.6, medianprops={"color": "C1"})
            for place, each in enumerate(values, start=1):
                x = place + _aside(len(each))
                axes.plot(x, each, "o", color="C0", ms=3, alpha=0.6, mec="none")
            axes.set_title(compared.headings[labels], fontsize="medium")
            axes.set_ylabel(measure.replace("_", " "))
            axes.grid(axis="y", alpha=0.3)
            axes.set_xticks(range(1, len(methods) + 1), methods, rotation=90)
        figure.tight_layout()
        return figure

    def _comparison(self) -> Comparison:
        of_each = " of each class" if self.config["per_class"] else ""
        headings = {
            n: "all labels" if np.isinf(n) else counted(int(n), "label") + of_each
            for n in self.labels
        }
        return Comparison(self.table, {name: name for name in self.methods}, headings, self.pairs)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return cells as lines of columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]


def _aside(n: int) -> Any:
    """Return how far each point of a box lies from its middle: none hides another."""
    return 0.2 * np.sin(2.4 * np.arange(n))

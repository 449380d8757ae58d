"""What `foundation_embedding_map` returns: features in the plane of their two main components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edaphos_bridge.interpretation import figures


@dataclass(eq=False, repr=False)
class FoundationEmbeddingMap:
    """Features of patches in two dimensions.

    Attributes
    ----------
    points : numpy.ndarray, shape (N, 2), float64
        Scores of the two first principal components.
    explained : list of float
        The share of the variance that each of them has.
    classes : list or None
        The class of each patch.
    levels : list or None
        Order of the classes.
    """

    points: NDArray[np.float64]
    explained: list[float]
    classes: list[Any] | None
    levels: list[Any] | None

    def __len__(self) -> int:
        return len(self.points)

    def as_table(self) -> pd.DataFrame:
        """Return a row for each patch: ``PC1``, ``PC2`` and, where known, its ``class``."""
        table = pd.DataFrame(self.points, columns=["PC1", "PC2"])
        if self.classes is not None:
            table["class"] = pd.Categorical(self.classes, categories=self.levels)
        return table

    @property
    def labels(self) -> tuple[str, str]:
        """The names of the axes."""
        first, second = (f"PC{n + 1} ({100 * s:.1f} %)" for n, s in enumerate(self.explained))
        return first, second

    def plot(self, ax: Any = None) -> Any:
        """Draw the patches, a colour for each class; return the matplotlib Axes."""
        return figures.scatter(self.points, self.classes, self.labels, ax, self.levels)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        lines = ["<edaphos_foundation_embedding_map>", f"  patches:   {len(self)}"]
        if self.levels is not None:
            lines.append(f"  classes:   {', '.join(map(str, self.levels))}")
        return [*lines, f"  variance:  {', '.join(self.labels)}"]

    def __repr__(self) -> str:
        """Return the lines that printing shows."""
        return "\n".join(self.describe())


def principal_components(features: NDArray[Any]) -> tuple[NDArray[np.float64], list[float]]:
    """Return the scores of the two first principal components, and their shares of the variance.

    The sign is that in which a component's largest loading is positive. A feature of one dimension
    has a second component of 0.
    """
    x = torch.from_numpy(np.asarray(features, dtype=np.float64))
    x = x - x.mean(dim=0)
    u, s, v = torch.linalg.svd(x, full_matrices=False)
    largest = v.abs().argmax(dim=1, keepdim=True)
    scores = u * s * v.gather(1, largest).flatten().sign()
    total = float(s.square().sum()) or 1.0
    found = torch.zeros((len(x), 2), dtype=torch.float64)
    found[:, : min(2, len(s))] = scores[:, :2]
    explained = [*(s.square() / total).tolist(), 0.0, 0.0]
    return found.numpy(), explained[:2]

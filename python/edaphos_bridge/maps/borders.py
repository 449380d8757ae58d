"""What padding does to the features of patches, learnt from a sample of them.

Dense features know a patch's neighbours where the patch itself has zeros. Over one raster the two
go together closely enough for a linear map from one to the other, by ridge regression.

References
----------
Hoerl, A. E. and Kennard, R. W. (1970). Ridge regression: biased estimation for nonorthogonal
problems. Technometrics 12(1), 55-67.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch

from edaphos_bridge.raster.raster import Window

# Of the predictors' mean variance. One for all, so that features that hardly vary count for little.
_PENALTY = 1e-3
# How many windows are learnt from.
_FEWEST_WINDOWS, _MOST_WINDOWS, _PATCHES_A_WINDOW = 12, 64, 2048
# Of the additive sequence R2 of Roberts (2018), any number of whose first points lie evenly in a
# square: powers of the inverse of the root of x^3 = x + 1.
_STEPS = (0.7548776662466927, 0.5698402909980532)


class BorderCorrection(NamedTuple):
    """Features as patches have them, from dense ones: ``dense @ weight + bias``."""

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def learn(cls, dense: torch.Tensor, exact: torch.Tensor) -> BorderCorrection:
        """Return the ridge regression of `exact` ``(N, D)`` on `dense` ``(N, P)``."""
        x, y = dense.double().cpu(), exact.double().cpu()
        centre, mean = x.mean(dim=0), y.mean(dim=0)
        x, y = x - centre, y - mean
        gram = x.T @ x
        penalty = _PENALTY * gram.diagonal().mean()
        # features that never vary have no weight, whatever they are elsewhere
        gram.diagonal().add_(penalty if penalty > 0 else 1.0)
        weight = torch.linalg.solve(gram, x.T @ y)
        bias = mean - centre @ weight
        return cls(weight.float().to(dense.device), bias.float().to(dense.device))

    def apply(self, dense: torch.Tensor) -> torch.Tensor:
        """Return corrected features ``(..., D)`` of dense ones ``(..., P)``."""
        rows = dense.reshape(-1, dense.shape[-1])
        return torch.addmm(self.bias, rows, self.weight).unflatten(0, dense.shape[:-1])


def sample_count(n_patches: int) -> int:
    """Return how many windows to learn from, for a map of so many patches.

    Each costs 16 patches and a little more: on small maps learning is not to cost much more than
    the rest, and more than the most of them teach little.
    """
    return min(_MOST_WINDOWS, max(_FEWEST_WINDOWS, n_patches // _PATCHES_A_WINDOW))


def sample_windows(height: int, width: int, side: int) -> Iterator[Window]:
    """Yield squares of `side` cells in a raster, without end; any first ones are spread evenly.

    They depend on nothing but the extents. In a raster that is smaller they reach beyond it, on
    both sides.
    """
    at = [0.5, 0.5]
    while True:
        row, col = (
            int(place * (extent - side + 1)) if extent > side else (extent - side) // 2
            for place, extent in zip(at, (height, width), strict=True)
        )
        yield Window(row, col, side, side)
        at = [(place + step) % 1 for place, step in zip(at, _STEPS, strict=True)]

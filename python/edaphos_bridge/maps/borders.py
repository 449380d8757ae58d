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
# Of the additive sequence R2 of Roberts (2018), any number of whose first points lie evenly in a
# square: powers of the inverse of the root of x^3 = x + 1.
_STEPS = (0.7548776662466927, 0.5698402909980532)


class BorderCorrection(NamedTuple):
    """Features as patches have them, from dense ones: ``(dense - centre) @ weight + mean``."""

    centre: torch.Tensor
    weight: torch.Tensor
    mean: torch.Tensor

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
        return cls(*(part.float().to(dense.device) for part in (centre, weight, mean)))

    def apply(self, dense: torch.Tensor) -> torch.Tensor:
        """Return corrected features ``(..., D)`` of dense ones ``(..., P)``."""
        return (dense - self.centre) @ self.weight + self.mean


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

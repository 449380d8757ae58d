"""Mean and standard deviation of each band, block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.raster.centres import CentreCounts
from edaphos_bridge.raster.raster import Raster


@dataclass(frozen=True)
class BandStatistics:
    """What one pass over a raster finds.

    Attributes
    ----------
    means, sds : tuple of float
        Mean and sample standard deviation of each band's valid cells.
    complete : int
        Number of cells where every band has data.
    centres : CentreCounts
        Where the cells are that can be the centre of a patch.
    """

    means: tuple[float, ...]
    sds: tuple[float, ...]
    complete: int
    centres: CentreCounts


def band_statistics(
    raster: Raster,
    patch_size: int = 1,
    argument: str = "stack",
    mask: Raster | None = None,
    labels: Raster | None = None,
) -> BandStatistics:
    """Return the statistics of the valid cells of each band.

    The raster is read once, block by block. Centres are counted of patches of `patch_size` rows and
    columns, and where `mask` and `labels` let them be, see `CentreCounts`; means and standard
    deviations are of all cells. A standard deviation of 0 becomes 1, with a warning: such a band is
    0 after normalisation. Raises `InputError` if a band has no valid cell.

    References
    ----------
    Chan, T. F., Golub, G. H. and LeVeque, R. J. (1983). Algorithms for computing the sample
    variance: analysis and recommendations. The American Statistician 37, 242-247.
    """
    moments = _Moments(len(raster.bands))
    complete, centres = 0, CentreCounts(raster, patch_size, mask, labels)
    for block in raster.blocks():
        values, valid = raster.read(*block)
        complete += int(valid.all(axis=0).sum())
        centres.add(block, valid)
        moments.add(values.reshape(len(raster.bands), -1), valid.reshape(len(raster.bands), -1))
    count, means, sds = moments.count, moments.means(), moments.sds()
    names = np.array(raster.bands)
    if (count == 0).any():
        raise InputError(
            argument,
            "must have cells with data in every band",
            found=f"none in {', '.join(names[count == 0])}",
        )
    if not np.isfinite(sds).all():
        raise InputError(
            argument,
            "must not hold values too large to be squared",
            found=f"some in {', '.join(names[~np.isfinite(sds)])}",
            hint="Declare the value that stands for nodata in the file.",
        )
    if (sds == 0).any():
        warn(
            f"The valid cells of {', '.join(names[sds == 0])} all have one value; a standard "
            "deviation of 1 is used."
        )
    return BandStatistics(
        means=tuple(means.tolist()),
        sds=tuple(np.where(sds == 0, 1.0, sds).tolist()),
        complete=complete,
        centres=centres,
    )


class _Moments:
    """Counts, means and sums of squared deviations of bands, merged block by block."""

    def __init__(self, n_bands: int) -> None:
        self.count = np.zeros(n_bands)
        self._shift = np.zeros(n_bands)
        self._mean = np.zeros(n_bands)
        self._squares = np.zeros(n_bands)

    def add(self, values: NDArray[np.float64], valid: NDArray[np.bool_]) -> None:
        """Merge cells ``(C, n)``; `values` is used up."""
        more = valid.sum(axis=1).astype(np.float64)
        # Deviations from a band's first value: exactly 0 in a constant band, small in others.
        first = np.take_along_axis(values, valid.argmax(axis=1)[:, None], axis=1)[:, 0]
        self._shift = np.where(self.count == 0, first, self._shift)
        with np.errstate(over="ignore", invalid="ignore"):  # reported from the result
            values -= self._shift[:, None]
            values[~valid] = 0
            mean = values.sum(axis=1) / np.maximum(more, 1)
            values -= mean[:, None]
            values[~valid] = 0
            total = np.maximum(self.count + more, 1)
            difference = mean - self._mean
            self._mean += difference * more / total
            self._squares += (values**2).sum(axis=1) + difference**2 * self.count * more / total
        self.count += more

    def means(self) -> NDArray[np.float64]:
        """Return the means so far."""
        return self._shift + self._mean

    def sds(self) -> NDArray[np.float64]:
        """Return the sample standard deviations so far; 0 for a single cell."""
        return np.sqrt(self._squares / np.maximum(self.count - 1, 1))

"""How raw raster cells become an encoder's input: kept with the encoder, used wherever it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.crs import warn_of_other_cells


@dataclass(frozen=True)
class Normalisation:
    """What an encoder that was pretrained on tiles expects of a raster.

    Attributes
    ----------
    bands : tuple of str
        Names of the bands, in the order of the channels.
    means, sds : tuple of float
        Mean and standard deviation of each band's valid cells, in the raster's units.
    normalise : bool
        Whether cells become ``(cell - mean) / sd``. Otherwise they stay as they are.
    patch_size : int
        Height and width of a patch, in cells.
    cell_size : pair of float, optional
        Width and height of a cell, in units of `crs`; None where the raster had no
        georeference, or a file was written without it.
    crs : str, optional
        Coordinate reference system of the raster: its authority's code, else WKT.
    """

    bands: tuple[str, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    normalise: bool
    patch_size: int
    cell_size: tuple[float, float] | None = None
    crs: str | None = None

    def makes_the_same_of_cells(self, other: Normalisation) -> bool:
        """Return whether both make the same input of raw cells, wherever these lie."""
        return replace(self, cell_size=None, crs=None) == replace(other, cell_size=None, crs=None)

    def completed_by(self, other: Normalisation | None) -> Normalisation:
        """Return this one with the cell size and CRS of another where it knows neither."""
        if other is None or self.cell_size is not None or self.crs is not None:
            return self
        return replace(self, cell_size=other.cell_size, crs=other.crs)

    def require_same(self, found: Normalisation, argument: str) -> None:
        """Raise `InputError` unless a tile data set gives what an encoder with this one expects.

        Warns if its cells have another size or CRS.
        """
        if (found.means, found.sds, found.normalise) != (self.means, self.sds, self.normalise):
            own = first_names(self.bands)
            raise InputError(
                argument,
                "must not be a tile data set with another normalisation than that of the encoder, "
                f"which has the bands {own}",
                found=first_names(found.bands),
                hint="foundation_patches_at_coords() reads patches as the encoder expects them.",
            )
        self.warn_of_other_cells(argument, found.cell_size, found.crs)

    def warn_of_other_cells(
        self, argument: str, cell_size: tuple[float, float] | None, crs: str | None
    ) -> None:
        """Warn if cells of this size and CRS are not those that the encoder learnt from."""
        warn_of_other_cells(argument, (cell_size, crs), (self.cell_size, self.crs))

    def apply(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return raw cells as the encoder's input; invalid ones become the band's mean.

        Parameters
        ----------
        values : numpy.ndarray, shape (..., C, H, W)
            Raw cells, in the raster's units. Not changed.
        valid : numpy.ndarray of bool, same shape
            False where a cell has no data.

        Returns
        -------
        numpy.ndarray, same shape, float32
        """
        means, sds = (np.array(numbers)[:, None, None] for numbers in (self.means, self.sds))
        filled = np.where(valid, values, means)
        return ((filled - means) / sds if self.normalise else filled).astype(np.float32)

    def parted(self, channels: Sequence[int]) -> list[Normalisation]:
        """Return the normalisations of so many bands each, one after the other."""
        ends = [sum(channels[: number + 1]) for number in range(len(channels))]
        return [
            replace(self, bands=self.bands[i:j], means=self.means[i:j], sds=self.sds[i:j])
            for i, j in zip([0, *ends], ends, strict=False)
        ]

    def order_for(self, bands: Sequence[str]) -> list[int] | None:
        """Return where it has each of these bands; None unless they are its own in another order.

        Bands are told apart by their names.
        """
        own = list(self.bands)
        if list(bands) == own or sorted(bands) != sorted(own) or len(set(own)) < len(own):
            return None
        return [own.index(name) for name in bands]

    def in_order(self, order: Sequence[int]) -> Normalisation:
        """Return this one with the bands in another order: numbers of bands, counted from 0."""
        return replace(
            self,
            bands=tuple(self.bands[number] for number in order),
            means=tuple(self.means[number] for number in order),
            sds=tuple(self.sds[number] for number in order),
        )

    def beside(self, other: Normalisation) -> Normalisation:
        """Return the normalisation of these bands and then those of another one."""
        return replace(
            self,
            bands=self.bands + other.bands,
            means=self.means + other.means,
            sds=self.sds + other.sds,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "bands": list(self.bands),
            "means": list(self.means),
            "sds": list(self.sds),
            "normalise": self.normalise,
            "patch_size": self.patch_size,
            "cell_size": None if self.cell_size is None else list(self.cell_size),
            "crs": self.crs,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Normalisation:
        """Return what `to_dict` gave, or raise ValueError, TypeError or KeyError."""
        result = cls(
            bands=tuple(str(band) for band in values["bands"]),
            means=tuple(float(mean) for mean in values["means"]),
            sds=tuple(float(sd) for sd in values["sds"]),
            normalise=values["normalise"],
            patch_size=int(values["patch_size"]),
            cell_size=_cell_size(values.get("cell_size")),
            crs=values.get("crs"),
        )
        numbers = (*result.means, *result.sds)
        if (
            not len(result.bands) == len(result.means) == len(result.sds) > 0
            or not all(map(math.isfinite, numbers))
            or not all(sd > 0 for sd in result.sds)
            or not isinstance(result.normalise, bool)
            or result.patch_size < 1
            or not isinstance(result.crs, str | None)
        ):
            raise ValueError(f"no normalisation: {dict(values)!r}")
        return result


def _cell_size(values: Any) -> tuple[float, float] | None:
    """Return a pair of positive numbers; older files have none."""
    if values is None:
        return None
    width, height = (float(number) for number in values)
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise ValueError(f"no cell size: {values!r}")
    return width, height


def first_names(names: Sequence[str]) -> str:
    """Return the names of bands as one text, of many the first."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def normalisation_of(module: object) -> Normalisation | None:
    """Return the normalisation that an encoder carries, or None.

    Raises `InputError` if a dict, or a tile data set itself, was assigned: it would be ignored.
    """
    try:
        found = getattr(module, "normalisation", None)
        carries_one = isinstance(getattr(found, "normalisation", None), Normalisation)
    except Exception:  # of an object that is no encoder of anybody's
        return None
    if carries_one or (isinstance(found, Mapping) and "means" in found):
        raise InputError(
            "normalisation",
            "of an encoder must be a Normalisation",
            found=type(found).__name__,
            hint="A data set from foundation_tile_dataset() has one, `dataset.normalisation`.",
        )
    return found if isinstance(found, Normalisation) else None

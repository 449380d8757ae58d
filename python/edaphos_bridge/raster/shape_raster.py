"""Polygons and points as a raster: the number of the one that holds the centre of each cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.raster.coords import cells_at
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.shapes import Shapes

# Cells from the raster at which corners count as being no farther: their products stay finite.
_FAR = 1e12


# rasterio.features.rasterize() is no substitute: whether a centre on an edge is inside depends on
# the window that it fills (of triangles in 28 of 393), and it counts no cells of several shapes.
class ShapeRaster(Raster):
    """One band on the cells of another raster, with a number for each of some shapes.

    A polygon holds the cells whose centres it holds, by the even-odd rule over all its rings. A
    centre on an edge that two polygons share is in one of them. A point holds its cell. Where
    several shapes hold a cell, the last one does; where none does, the cell has no data.

    Cells are worked out from the corners as they lie on the whole raster, so that no cell depends
    on the window in which it is read.

    Parameters
    ----------
    shapes : Shapes
        In the CRS of the raster.
    numbers : numpy.ndarray, shape (N,), int
        Of each shape; those below 0 hold nothing.
    grid : Raster
        Whose cells are asked for.
    """

    def __init__(self, shapes: Shapes, numbers: NDArray[np.int64], grid: Raster) -> None:
        super().__init__(
            ["labels"],
            grid.height,
            grid.width,
            grid.transform,
            (1, grid.width),
            crs=grid.crs,
            georeferenced=grid.cell_size is not None,
        )
        self._numbers = numbers
        places = np.clip(shapes.in_cells_of(grid), -_FAR, _FAR)
        owner = shapes.shape[shapes.ring]
        single = (np.bincount(shapes.ring, minlength=len(shapes.shape)) == 1)[shapes.ring]
        self._edges, self._first = _edges(places[~single], shapes.ring[~single], owner[~single],
                                          len(numbers))  # fmt: skip
        cells, inside = cells_at(grid, shapes.corners[single])
        self._points, owners = cells[inside], owner[single][inside]
        self._first_point = np.searchsorted(owners, np.arange(len(numbers) + 1))
        self._boxes = self._boxes_of(owner, places)

    def _boxes_of(
        self, owner: NDArray[np.int64], places: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the least and greatest row and column of each shape, (N, 2, 2)."""
        boxes = np.full((len(self._numbers), 2, 2), np.nan)
        used, starts = np.unique(owner, return_index=True)  # ascending, as rings are
        if len(used):
            boxes[used, 0] = np.minimum.reduceat(places, starts)
            boxes[used, 1] = np.maximum.reduceat(places, starts)
        return boxes

    def describe(self) -> None:
        """Return None: shapes are in no file that could be opened again."""

    def conflicts(self) -> int:
        """Return how many cells several shapes of different numbers hold."""
        total = 0
        for block in self.blocks():
            numbers = np.full((block.height, block.width), -1)
            several = np.zeros(numbers.shape, dtype=bool)
            for number, place, inside in self._inside(block):
                held = numbers[place]
                several[place] |= inside & (held >= 0) & (held != number)
                held[inside] = number
            total += int(several.sum())
        return total

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        values = np.full((1, window.height, window.width), -1.0)
        for number, place, inside in self._inside(window):
            values[0][place][inside] = number
        valid = values >= 0
        values[~valid] = 0
        return values, valid

    def _inside(
        self, window: Window
    ) -> Iterator[tuple[int, tuple[slice, slice], NDArray[np.bool_]]]:
        """Yield of each shape near its number, a part of the window, and which cells it holds."""
        first = np.array([window.row, window.col])
        last = first + np.array([window.height, window.width])
        with np.errstate(invalid="ignore"):
            near = ((self._boxes[:, 0] <= last) & (self._boxes[:, 1] >= first)).all(axis=1)
        for shape in np.flatnonzero(near & (self._numbers >= 0)):
            (top, left), (bottom, right) = (
                np.clip(np.floor(self._boxes[shape]), first, last - 1).astype(int).tolist()
            )
            part = Window(top, left, bottom - top + 1, right - left + 1)
            edges = self._edges[self._first[shape] : self._first[shape + 1]]
            inside = _between(edges, part)
            points = self._points[self._first_point[shape] : self._first_point[shape + 1]]
            points = points - (top, left)
            points = points[((points >= 0) & (points < inside.shape)).all(axis=1)]
            inside[points[:, 0], points[:, 1]] = True
            top, left = top - window.row, left - window.col
            place = np.s_[top : top + part.height, left : left + part.width]
            yield int(self._numbers[shape]), place, inside


def _edges(
    places: NDArray[np.float64], ring: NDArray[np.int64], owner: NDArray[np.int64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the edges (E, 4) of rings, and where those of each of n shapes begin, (n + 1,).

    An edge is row and column of its upper end, then of its lower end, so that the same one of two
    polygons has the same numbers. Those along a row cross none, and are left out.
    """
    following = np.arange(1, len(ring) + 1)
    starts = np.flatnonzero(np.diff(ring, prepend=-1))
    following[np.append(starts[1:], len(ring)) - 1 if len(ring) else []] = starts
    other = places[following]
    down = places[:, 0] < other[:, 0]
    edges = np.where(down[:, None], np.hstack([places, other]), np.hstack([other, places]))
    crossing = edges[:, 0] < edges[:, 2]
    return edges[crossing], np.searchsorted(owner[crossing], np.arange(n + 1))


def _between(edges: NDArray[np.float64], window: Window) -> NDArray[np.bool_]:
    """Return which cells of a window have an odd number of edges to their left, at their centre."""
    top, left, height, width = window
    upper, upper_column, lower, lower_column = edges.T
    # An edge crosses the rows whose centres are from its upper end on, and before its lower end.
    first, last = (
        np.clip(np.ceil(end - 0.5), top, top + height).astype(np.int64) for end in (upper, lower)
    )
    count = last - first
    edge = np.repeat(np.arange(len(edges)), count)
    row = np.arange(len(edge)) - np.repeat(count.cumsum() - count, count) + first[edge]
    across, down = lower_column - upper_column, lower - upper
    column = upper_column[edge] + (row + 0.5 - upper[edge]) * across[edge] / down[edge]
    column = np.clip(np.ceil(column - 0.5), left, left + width).astype(np.int64)
    crossed = np.zeros((height, width + 1), dtype=bool)
    np.logical_xor.at(crossed, (row - top, column - left), True)
    return np.logical_xor.accumulate(crossed, axis=1)[:, :width]

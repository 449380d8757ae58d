"""The class of each cell of a raster: from a raster, an array, polygons or points."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.data.as_numpy import read_masked
from edaphos_bridge.data.labels import CUT, ClassLabel, codes_and_classes
from edaphos_bridge.errors import EdaphosError, InputError, warn
from edaphos_bridge.raster.class_names import class_names
from edaphos_bridge.raster.coords import corners_of, ranges
from edaphos_bridge.raster.data_array import is_data_array
from edaphos_bridge.raster.file_part import raster_path
from edaphos_bridge.raster.geometries import geometries_of
from edaphos_bridge.raster.one_band import open_one_band
from edaphos_bridge.raster.raster import Raster, Window
from edaphos_bridge.raster.shape_raster import ShapeRaster
from edaphos_bridge.raster.shapes import Shapes, shapes_of

MOST_CLASSES = 256
_ARGUMENT = "labels"

Names = Mapping[float, ClassLabel]


class CellLabels(Raster):
    """One band on the cells of `stack`: the code of each cell's class.

    A cell of no class has no data, and neither has one where no band of `stack` has any: of what
    was not seen there is nothing to learn.

    Attributes
    ----------
    classes : list of str, int or bool
        Those that label a cell, in their order; codes are positions in it.
    """

    def __init__(self, source: Raster, codes: Mapping[float, int], classes: list[ClassLabel],
                 stack: Raster) -> None:  # fmt: skip
        super().__init__(
            ["labels"], stack.height, stack.width, stack.transform, (1, stack.width),
            crs=stack.crs,
        )  # fmt: skip
        self.classes = classes
        self._source = source
        self._stack = stack
        self._numbers = np.array(sorted(codes))
        self._codes = np.array([codes[number] for number in self._numbers.tolist()])

    def describe(self) -> None:
        """Return None: what labels came from need not be there any more."""

    def close(self) -> None:
        """Close the files of labels."""
        self._source.close()

    def codes(self, row: int, col: int, height: int, width: int) -> NDArray[np.int16]:
        """Return the codes of a window, -1 where there is no class."""
        values, valid = self.read(row, col, height, width)
        return np.where(valid[0], values[0], -1).astype(np.int16)

    def _read(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        values, valid = self._source.read(*window)
        place = np.searchsorted(self._numbers, values).clip(max=len(self._numbers) - 1)
        valid = valid & (self._numbers[place] == values)
        if valid.any():
            valid &= self._stack.read(*window)[1].any(axis=0)
        return np.where(valid, self._codes[place], 0.0), valid


def open_labels(labels: Any, field: Any, unlabelled: Any, stack: Raster) -> CellLabels:
    """Return the classes of the cells of `stack`, whatever of `foundation_tile_dataset` says them.

    Raises
    ------
    InputError
        If `labels` are of another grid or type, or are no classes; if fewer than two classes label
        a cell; if `field` is no column of them, or `unlabelled` is of another type than classes.

    Warns
    -----
    EdaphosWarning
        If shapes of several classes hold a cell, or cells have numbers without a name.
    """
    if unlabelled is not None and not np.isscalar(unlabelled):
        raise InputError("unlabelled", "must be one class", found=unlabelled)
    source, names = _opened(labels, field, unlabelled, stack)
    numbers = _numbers_in(source)
    if names is None:
        names = {number: int(number) for number in numbers}
    nameless = [int(number) for number in numbers if number not in names]
    if nameless:
        warn(
            f"Cells of `{_ARGUMENT}` are {_shown(nameless)}, which none of its classes is "
            f"({_shown(list(names.values()))}); they are unlabelled."
        )
    _check_unlabelled(unlabelled, list(names.values()))
    there = [name for number, name in names.items() if number in numbers and name != unlabelled]
    classes = list(dict.fromkeys(there))  # two numbers may have one name
    if len(classes) < 2:
        raise _too_few(classes)
    if len(classes) > MOST_CLASSES:
        raise _too_many()
    codes = {number: classes.index(name) for number, name in names.items() if name in classes}
    return CellLabels(source, codes, classes, stack)


def _opened(labels: Any, field: Any, unlabelled: Any, stack: Raster) -> tuple[Raster, Names | None]:
    """Return labels as a raster of numbers, and what these are called; None where they say it."""
    shapes = _shapes(labels, field)
    if shapes is not None:
        codes, classes = codes_and_classes(shapes.labels, _ARGUMENT)
        if unlabelled in classes:  # what is of that class must not hide others
            codes = np.where(codes == classes.index(unlabelled), -1, codes)
        return _drawn(shapes.in_crs_of(stack, _ARGUMENT), codes, stack), dict(enumerate(classes))
    if isinstance(labels, Mapping) and "levels" in labels:
        rest = {key: value for key, value in labels.items() if key != "levels"}
        return open_one_band(rest, stack, _ARGUMENT), labels["levels"]
    dtype = getattr(labels, "dtype", None)
    if getattr(dtype, "kind", None) in ("U", "O", "T"):
        array = read_masked(labels, _ARGUMENT)
        cells = np.ma.getdata(array).astype(object)
        cells[np.ma.getmaskarray(array)] = None
        codes, classes = codes_and_classes(cells.reshape(-1), _ARGUMENT)
        numbers: Any = np.where(codes < 0, np.nan, codes).reshape(cells.shape)
        if is_data_array(labels):  # which says where its cells lie
            numbers = labels.copy(data=numbers)
            numbers.attrs, numbers.encoding = {}, {}  # of text
        return open_one_band(numbers, stack, _ARGUMENT), dict(enumerate(classes))
    raster = open_one_band(labels, stack, _ARGUMENT)
    if str(dtype) in ("bool", "torch.bool"):
        return raster, {0: False, 1: True}
    return raster, class_names(labels, raster)


def _shapes(labels: Any, field: Any) -> Shapes | None:
    """Return polygons and points; None of what is a raster."""
    if isinstance(labels, Shapes):
        return labels
    if field is not None and isinstance(labels, str | os.PathLike):
        labels = _read_shapes(raster_path(_ARGUMENT, labels))
    geometries = geometries_of(labels)
    if geometries is None:
        if field is not None:
            raise InputError(
                "field",
                f"must be left out where `{_ARGUMENT}` is a raster; it names a column of polygons "
                "or points",
                found=field,
            )
        return None
    columns = list(getattr(labels, "columns", []))
    if field not in columns:
        raise InputError(
            "field",
            f"must be the column of `{_ARGUMENT}` with the class of each shape: "
            f"{_shown(columns) or 'a GeoDataFrame has columns'}",
            found=field,
        )
    return shapes_of(geometries, labels[field], _ARGUMENT)


def _read_shapes(path: str) -> Any:
    try:
        package = imported("geopandas")
    except ImportError as error:
        raise EdaphosError(
            "Files of polygons need the package geopandas. Install it with `pip install geopandas`."
        ) from error
    try:
        return package.read_file(path)
    except Exception as error:  # of pyogrio or fiona, each with its own
        raise InputError(
            _ARGUMENT, f"cannot be opened as a file of polygons ({error})", found=path
        ) from error


def _drawn(shapes: Shapes, codes: NDArray[np.int64], stack: Raster) -> Raster:
    """Return shapes as a raster; warn where they contradict each other."""
    if not len(shapes.corners):
        raise InputError(_ARGUMENT, "must have polygons or points", found=0)
    places, extents = shapes.in_cells_of(stack), (stack.height, stack.width)
    if (places.max(axis=0) < 0).any() or (places.min(axis=0) > extents).any():
        raise InputError(
            _ARGUMENT,
            f"must lie on `stack`: {ranges(corners_of(stack))}",
            found=ranges(shapes.corners),
            hint="Are they in another coordinate reference system?",
        )
    raster = ShapeRaster(shapes, codes, stack)
    several = raster.conflicts()
    if several:
        warn(
            f"{several} cells of `stack` lie in shapes of several classes of `{_ARGUMENT}`; the "
            "last one says their class."
        )
    return raster


def _numbers_in(source: Raster) -> list[float]:
    """Return the numbers of all cells with data, sorted, or raise `InputError`."""
    found = np.empty(0)
    for block in source.blocks():
        values, valid = source.read(*block)
        found = np.union1d(found, values[valid])
        measured = found[found != np.trunc(found)]
        if len(measured):
            raise InputError(
                _ARGUMENT,
                "must hold classes; some numbers are not whole",
                found=float(measured[0]),
                hint=CUT,
            )
        if len(found) > MOST_CLASSES + 1:  # one may be that of `unlabelled`
            raise _too_many()
    numbers: list[float] = found.tolist()
    return numbers


def _check_unlabelled(value: Any, names: list[ClassLabel]) -> None:
    """Raise `InputError` for a value that is of another type than classes."""
    if value is None or not names:
        return
    if isinstance(value, bool | np.bool_):
        usable = isinstance(names[0], bool)
    elif isinstance(value, int | float | np.number):
        usable = type(names[0]) is int
    else:
        usable = isinstance(value, str) and isinstance(names[0], str)
    if not usable:
        raise InputError("unlabelled", f"must be as classes are: {_shown(names)}", found=value)


def _too_few(classes: list[ClassLabel]) -> InputError:
    if not classes:
        return InputError(
            _ARGUMENT,
            "label no cell of `stack`",
            hint="A polygon labels the cells whose centres it holds.",
        )
    return InputError(
        _ARGUMENT,
        "must label cells of at least two classes",
        found=classes,
        hint="Cells without a label are unlabelled: what is not of that class needs a name too.",
    )


def _too_many() -> InputError:
    return InputError(_ARGUMENT, f"must hold at most {MOST_CLASSES} classes", hint=CUT)


def _shown(names: list[Any]) -> str:
    return ", ".join(map(str, names if len(names) <= 12 else [*names[:10], "...", names[-1]]))

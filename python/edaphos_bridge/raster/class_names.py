"""What the numbers of a raster of classes are called, where somebody has written that down."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from edaphos_bridge.errors import warn
from edaphos_bridge.raster.data_array import is_data_array
from edaphos_bridge.raster.raster import Raster

Names = dict[float, str]


def class_names(labels: Any, raster: Raster) -> Names | None:
    """Return the names of numbers in the order that they are listed in; None if there are none.

    They are the names of categories, or the raster attribute table, that GDAL keeps in a
    ``.aux.xml`` beside a file, and CF's ``flag_values`` and ``flag_meanings`` of a DataArray.

    Parameters
    ----------
    labels : as of `open_raster`
    raster : Raster
        What it opened, of one band.
    """
    if is_data_array(labels):
        return _flags(labels.attrs)
    described = raster.describe()
    if described is None or "data" in described["files"][0]:
        return None
    file = described["files"][0]
    return _beside(Path(file["path"] + ".aux.xml"), file["bands"][0])


def _flags(attrs: Any) -> Names | None:
    values = np.ravel(attrs.get("flag_values", []))
    names = attrs.get("classes") or str(attrs.get("flag_meanings", "")).split()
    if len(values) == 0 or len(values) != len(names):
        return None
    return {float(value): str(name) for value, name in zip(values, names, strict=True)}


def _beside(path: Path, number: int) -> Names | None:
    """Return the names of a band in GDAL's file beside a raster."""
    try:
        root = ElementTree.fromstring(path.read_bytes())  # noqa: S314  (expat bounds its entities)
    except OSError:  # there is none, or the raster is no path
        return None
    except ElementTree.ParseError as error:
        warn(f"{path} is damaged ({error}); it names no classes.")
        return None
    band = root.find(f"PAMRasterBand[@band='{number}']")
    if band is None:
        return None
    listed = [category.text or "" for category in band.iterfind("CategoryNames/Category")]
    names = {float(value): name for value, name in enumerate(listed) if name}
    return names or _of_table(band.find("GDALRasterAttributeTable"))


def _of_table(table: Any) -> Names | None:
    """Return the column of names of a raster attribute table by that of values."""
    if table is None:
        return None
    columns = [
        (column.findtext("Type"), column.findtext("Usage")) for column in table.iter("FieldDefn")
    ]
    value = _column(columns, usage="5", kind="0")
    name = _column(columns, usage="2", kind="2")
    if value is None or name is None:
        return None
    names = {}
    for row in table.iter("Row"):
        cells = [cell.text or "" for cell in row.iter("F")]
        try:
            if cells[name]:
                names[float(cells[value])] = cells[name]
        except (IndexError, ValueError):  # a row that is no row
            continue
    return names or None


def _column(columns: list[tuple[str | None, str | None]], usage: str, kind: str) -> int | None:
    """Return the column of a usage, else the first of a type, in GDAL's numbers for both."""
    for place, wanted in ((1, usage), (0, kind)):
        for number, column in enumerate(columns):
            if column[place] == wanted:
                return number
    return None

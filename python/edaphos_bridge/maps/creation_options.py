"""Creation options of a map's file: what GDAL's COG driver takes, tried before any work."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.raster.file_part import gdal_errors, rasterio

TILE = 512
# Not options of GDAL's but of the function that hands them on.
_NO_OPTIONS = ("driver", "src", "dst", "strict")
_SIDES = range(128, 2**14 + 1, 16)

DEFAULTS = {"COMPRESS": "DEFLATE", "PREDICTOR": "YES", "BIGTIFF": "IF_SAFER", "BLOCKSIZE": TILE}


def check_names(options: Mapping[str, Any]) -> None:
    """Raise `InputError` of what may not reach GDAL: it would end the process on some sides."""
    for name, value in options.items():
        if name in _NO_OPTIONS:
            raise _refused(f"no option is called {name}", options)
        if name.upper() == "BLOCKSIZE" and str(value) not in map(str, _SIDES):
            raise _refused(
                f"{name} must be a multiple of 16 from {_SIDES[0]} to {_SIDES[-1]}", options
            )


def check_options(options: Mapping[str, Any], layers: Layers) -> None:
    """Raise `InputError` if GDAL's COG driver cannot write such layers with creation options.

    GDAL only warns of those that it does not know, and writes something else.
    """
    if not options:
        return
    package = rasterio()
    heard = _Heard()
    logger = logging.getLogger("rasterio")
    logger.addHandler(heard)
    missing = package.errors.NotGeoreferencedWarning
    try:
        with package.MemoryFile() as source, package.MemoryFile() as target:
            profile = {"driver": "GTiff", "count": 1, "height": 1, "width": 1}
            # of all that there may be the one that takes most bits
            most = 1 / 3 if layers.classes is None else len(layers.classes)
            cell = np.full((1, 1, 1), most, dtype=layers.dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", missing)
                with source.open(**profile, dtype=layers.dtype, nodata=layers.nodata) as file:
                    file.write(cell)
                    write_colours(file, layers)
                imported("rasterio.shutil").copy(
                    source.name, target.name, driver="COG", **{**DEFAULTS, **options}
                )
                with target.open() as file:
                    if keeps_numbers(options) and not np.array_equal(file.read(), cell):
                        raise _refused("numbers would be rounded", options)
    except gdal_errors() as error:
        raise _refused(error, options) from error
    finally:
        logger.removeHandler(heard)
    said = [text for text in heard.texts if "creation option" in text]
    if said:
        raise _refused("; ".join(said), options)


class _Heard(logging.Handler):
    """Keeps what GDAL warns of, which rasterio logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def keeps_numbers(options: Mapping[str, Any]) -> bool:
    """Return whether numbers come back as they were written."""
    compression = {name.upper(): value for name, value in options.items()}.get("COMPRESS", "NONE")
    return str(compression).upper() in ("NONE", "DEFLATE", "LZW", "LZMA", "ZSTD", "PACKBITS")


def write_colours(file: Any, layers: Layers) -> None:
    """Give an open file the colour table of classes, if there are any."""
    if layers.colours is not None:
        table = {code: (*colour, 255) for code, colour in enumerate(layers.colours, 1)}
        file.write_colormap(1, {0: (0, 0, 0, 0), **table})


def _refused(reason: Any, options: Mapping[str, Any]) -> InputError:
    problem = f"must be creation options that GDAL's COG driver takes ({reason})"
    return InputError("options", problem, found=dict(options))

"""From a raster and what is computed of it to a map: a file, or an xarray.DataArray."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edaphos_bridge.basics.arguments import flag, whole
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.maps.as_data_array import as_data_array
from edaphos_bridge.maps.block_function import BlockFunction
from edaphos_bridge.maps.blocks import compute_parts, connected
from edaphos_bridge.maps.creation_options import check_names, check_options
from edaphos_bridge.maps.geotiff import write_map
from edaphos_bridge.maps.identity import identity_of
from edaphos_bridge.maps.job import MapJob
from edaphos_bridge.maps.parts import Parts
from edaphos_bridge.maps.progress import Tell, console
from edaphos_bridge.raster.file_part import writable_raster
from edaphos_bridge.raster.raster import Raster

# A block that its size is not given of takes about this much memory, and is no larger than that.
_BYTES = 2**27
_LARGEST = 512
# Small maps have so many blocks, if these do not become smaller than their function allows.
_BLOCKS = 16


@dataclass(frozen=True)
class Output:
    """Where a map goes and how it is computed: arguments that all verbs of maps have.

    Attributes
    ----------
    path : pathlib.Path or None
        Of the file; None for a DataArray.
    place : pathlib.Path or None
        Where that lies, behind links and whatever the working directory becomes.
    """

    path: Path | None
    place: Path | None
    block_size: int | None
    client: Any
    overwrite: bool
    resume: bool
    options: Mapping[str, Any]
    verbose: bool
    tell: Tell | None

    @classmethod
    def of(
        cls,
        out: Any,
        block_size: Any,
        client: Any,
        overwrite: Any,
        resume: Any,
        options: Any,
        verbose: Any,
        tell: Tell | None = None,
    ) -> Output:
        """Return checked arguments.

        Raises `InputError` if one cannot be used, or `out` exists and is not to be replaced.
        """
        path = None if out is None else writable_raster("out", out)
        place = None if path is None else Path(os.path.realpath(path))
        may_replace = flag("overwrite", overwrite)
        size = None if block_size is None else whole("block_size", block_size, minimum=16)
        if path is None and client is not None:
            raise InputError(
                "client",
                "is for maps that go to a file",
                hint="A DataArray is computed by whichever client is in use when it is asked for.",
            )
        chosen = {} if options is None else options
        if not isinstance(chosen, Mapping) or not all(
            isinstance(name, str) and isinstance(value, str | int | float)
            for name, value in chosen.items()
        ):
            raise InputError(
                "options", "must be creation options of GDAL's COG driver by name", found=options
            )
        check_names(chosen)
        output = cls(
            path, place, size, client, may_replace, flag("resume", resume), chosen,
            flag("verbose", verbose), tell,
        )  # fmt: skip
        output.refuse_existing()
        return output

    def refuse_existing(self) -> None:
        """Raise `InputError` if there is a file that is not to be replaced."""
        if self.place is not None and self.place.exists() and not self.overwrite:
            raise InputError(
                "out",
                "exists already",
                found=str(self.path),
                hint="overwrite=True replaces it when the new map is whole.",
            )

    def refuse_itself(self, raster: Raster) -> None:
        """Raise `InputError` if the map would replace what it is made of."""
        if self.place is not None and raster.is_made_of(self.place):
            raise InputError(
                "out",
                "is a file of the raster itself",
                found=str(self.path),
                hint="Give another path.",
            )


def make_map(raster: Raster, function: BlockFunction, output: Output) -> Any:
    """Return the path of the file with the map of `raster`, or a DataArray that computes it.

    Files of `raster` may be closed then: whoever computes a block opens them.
    """
    check_options(output.options, function.layers)
    grid = function.grid
    size = block_size_for(function) if output.block_size is None else output.block_size
    blocks = list(grid.blocks(size))
    crs = raster.crs
    job = MapJob(raster, function)
    if output.place is None:
        return as_data_array(job, blocks, crs)
    if crs is None and raster.cell_size is not None:
        warn("`stack` has no coordinate reference system, and so its map has none.")
    listening = nullcontext(output.tell) if output.tell else console(verbose=output.verbose)
    identity = {"block_size": size, "raster": identity_of(raster), **function.identity()}
    with (
        connected(output.client) as client,
        Parts.opened(output.place, identity, resume=output.resume) as parts,
    ):
        output.refuse_existing()  # another run may have just finished
        with listening as tell:
            compute_parts(job, blocks, parts, client, tell)
        output.refuse_existing()
        write_map(output.place, parts, blocks, grid, function.layers, crs, output.options)
        parts.remove()
    return output.path


def block_size_for(function: BlockFunction) -> int:
    """Return how many cells of a map, in each direction, are computed at a time."""
    grid = function.grid
    wanted = math.isqrt(grid.height * grid.width // _BLOCKS)
    size = min(_LARGEST, max(function.smallest_block, -(-wanted // 16) * 16))
    while size > 16 and function.bytes_for(size, size) > _BYTES:
        size -= 16
    return size

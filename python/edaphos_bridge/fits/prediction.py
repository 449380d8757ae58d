"""The one loop of prediction: members x passes, over patches or over points of a raster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.orientation import orientation_to_read
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import (
    batch_size_for,
    check_channels,
    check_features,
    check_size,
    encode,
    over_batches,
)
from edaphos_bridge.encoders.known_modules import only_reads
from edaphos_bridge.encoders.raster_input import normalisation_for
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.cells import is_table_of_cells, read_cells
from edaphos_bridge.fits.model import Model
from edaphos_bridge.heads.registry import reads_of
from edaphos_bridge.raster.coords import read_coords
from edaphos_bridge.raster.patches_at import patches_at
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.tasks.task import Task

Batches = Iterable[tuple[Any, torch.Tensor]]


@contextmanager
def asked(
    encoder: torch.nn.Module,
    x: Any,
    coords: Any,
    dataset: FoundationTileDataset | None,
    device: torch.device,
    *,
    in_channels: int,
    patch_size: list[int],
    feature_dim: int,
    reads: str,
) -> Iterator[tuple[int, Batches]]:
    """Yield how many rows are asked for, and batches of patches with their rows.

    They are the patches `x`, or those around the points `coords` of the raster `x`, or the cells of
    the table `x`.

    Raises
    ------
    InputError
        If they do not fit a model on `encoder` that was trained on patches of `in_channels`
        channels and `patch_size` cells.
    """
    if coords is not None:
        normalisation = normalisation_for(encoder, patch_size, dataset)
        orientation = orientation_to_read(encoder)
        with open_raster(x, "x") as raster:
            points = read_coords(coords, crs=raster.crs, stack="x")
            found = patches_at(raster, points, normalisation, orientation, "x")
            yield len(points), ((rows, torch.from_numpy(p)) for rows, p in found)
        return
    if not isinstance(x, Patches) and is_table_of_cells(x):
        cells = read_cells(x, encoder, dataset, in_channels, patch_size)
        size = batch_size_for(tuple(cells.patches.shape), device.type, encoder)
        starts = range(0, len(cells.known), size)
        yield cells.n, ((cells.known[i : i + size], cells.patches[i : i + size]) for i in starts)
        return
    if dataset is not None:
        raise InputError(
            "dataset", "is for points of a raster", hint="Give `coords` too, or make a map."
        )
    patches = x if isinstance(x, Patches) else Patches(x, allow_empty=True)
    check_channels(in_channels, patches.channels)
    patches.read_for(encoder, training=False)
    if len(patches) and list(patches.shape[2:]) != patch_size:
        check_size(encoder, patches.read(0, 1), patch_size, feature_dim, reads)
    size = batch_size_for(patches.shape, device.type, encoder)
    yield len(patches), patches.numbered_batches(size, borrow=only_reads(encoder))


def predicted(
    task: Task,
    members: Sequence[Model],
    n: int,
    batches: Batches,
    device: torch.device,
    passes: int = 1,
    *,
    draws: Callable[[], Randomness] | None = None,
    each: bool = False,
) -> NDArray[np.float64]:
    """Return the task's values, shape (n, ...), as means over members and their passes.

    Rows that no batch has are NaN.

    Parameters
    ----------
    draws : callable, optional
        Lets what dropped in training drop in every pass, and draw from what it gives.
    each : bool
        Return the values of each pass of each member instead, shape
        ``(len(members) * passes, n, ...)``.

    Raises
    ------
    InputError
        If a value is not finite.
    """
    outputs = torch.zeros((len(members) * passes, n, task.n_outputs), dtype=torch.float64)
    ready = _ready(members, device, passes, dropping=draws is not None)
    randomness = draws() if draws else None

    def compute(batch: torch.Tensor) -> torch.Tensor:
        with randomness.everywhere() if randomness else nullcontext():
            return torch.stack(_outputs(ready, batch), dim=1)

    found = over_batches(compute, batches, outputs.transpose(0, 1), device)
    if each:
        values = np.stack([task.values(part).numpy() for part in outputs])
    else:
        total = task.values(outputs[0])
        for part in outputs[1:]:
            total += task.values(part)
        values = (total / len(outputs) if len(outputs) > 1 else total).numpy()[None]
    values[:, ~found] = np.nan
    parts = [part for model in members for part in model.named_children()]
    rows = np.moveaxis(values, 1, 0)
    rows = rows.reshape(n, math.prod(rows.shape[1:]))
    check_features(rows, parts, "x", found)  # NaN would be the first class
    return values if each else values[0]


def _ready(
    members: Sequence[Model], device: torch.device, passes: int, *, dropping: bool
) -> list[tuple[Model, bool]]:
    """Return the model of each pass, with whether its encoder must run anew for it.

    It need not where it is that of the pass before, and draws nothing.
    """
    ready: list[tuple[Model, bool]] = []
    before = None
    for member in members:
        model = member.for_draws(device) if dropping else member.for_prediction(device)
        again = dropping and "encoder" in member.dropping()
        ready += [(model, again or member.encoder is not before)]
        ready += [(model, again)] * (passes - 1)
        before = member.encoder
    return ready


def _outputs(ready: Sequence[tuple[Model, bool]], batch: torch.Tensor) -> list[torch.Tensor]:
    """Return the outputs of each pass; modules may write to what they are given."""
    if len(ready) == 1:
        return [ready[0][0](batch)]
    outputs: list[torch.Tensor] = []
    for model, anew in ready:
        pause()
        if anew:
            features = encode(model.encoder, batch.clone(), reads_of(model.head))
        outputs.append(model.head(features.clone()))
    return outputs

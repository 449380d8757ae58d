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
    Encoded,
    batch_size_for,
    check_channels,
    check_size,
    encode,
    over_batches,
    refuse_rows,
)
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
    borrow: bool,
) -> Iterator[tuple[int, list[int], Batches]]:
    """Yield how many rows are asked for, the size of patches, and batches of them with their rows.

    They are the patches `x`, or those around the points `coords` of the raster `x`, or the cells of
    the table `x`. With `borrow`, for a model that only reads, they may lie in the caller's memory.

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
            batches: Batches = ((rows, torch.from_numpy(p)) for rows, p in found)
            yield len(points), [normalisation.patch_size] * 2, batches
        return
    if not isinstance(x, Patches) and is_table_of_cells(x):
        cells = read_cells(x, encoder, dataset, in_channels, patch_size)
        size = batch_size_for(tuple(cells.patches.shape), device.type, encoder)
        starts = range(0, len(cells.known), size)
        batches = ((cells.known[i : i + size], cells.patches[i : i + size]) for i in starts)
        yield cells.n, [1, 1], batches
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
    batches = patches.numbered_batches(size, borrow=borrow)
    yield len(patches), list(patches.shape[2:]), batches


def predicted(
    task: Task,
    members: Sequence[Model],
    n: int,
    size: Sequence[int],
    batches: Batches,
    device: torch.device,
    passes: int = 1,
    *,
    draws: Callable[[], Randomness] | None = None,
    each: bool = False,
    of_cells: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> NDArray[np.float64]:
    """Return the task's values, shape (n, ...), as means over members and their passes.

    Rows that no batch has are NaN.

    Parameters
    ----------
    size : sequence of int
        Rows and columns of the patches.
    draws : callable, optional
        Lets what dropped in training drop in every pass, and draw from what it gives.
    each : bool
        Return the values of each pass of each member instead, shape
        ``(len(members) * passes, n, ...)``.
    of_cells : callable, optional
        Gives one number ``(B, H, W)`` of each cell, of the mean values ``(B, K, H, W)`` of a
        batch, such as its class; the result is ``(n, H, W)``.

    Raises
    ------
    InputError
        If a value is not finite.
    """
    n_passes = len(members) * passes
    shape = task.shape_of_values(size) if of_cells is None else tuple(size)
    values = torch.full((n_passes if each else 1, n, *shape), math.nan, dtype=torch.float64)
    ready = _ready(members, device, passes, dropping=draws is not None)
    randomness = draws() if draws else None

    def compute(batch: torch.Tensor) -> torch.Tensor:
        with randomness.everywhere() if randomness else nullcontext():
            outputs = _outputs(ready, batch)
        found = [task.values(part.cpu().double()) for part in outputs]
        if each:
            return torch.stack(found, dim=1)
        total = found[0]
        for part in found[1:]:
            total = total + part
        mean = total / n_passes if n_passes > 1 else total
        if of_cells is not None:
            finite = mean.isfinite().flatten(1).all(dim=1)
            mean = of_cells(mean).double()
            mean[~finite] = math.nan
        return mean[:, None]

    asked = over_batches(compute, batches, values.transpose(0, 1), device)
    parts = [part for model in members for part in model.named_children()]
    usable = np.isfinite(values.numpy()).all(axis=(0, *range(2, values.ndim)))
    refuse_rows(asked & ~usable, parts, "x")  # NaN would be the first class
    return values.numpy() if each else values[0].numpy()


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
            encoded = encode(model.encoder, batch.clone(), reads_of(model.head))
        outputs.append(model.head(_cloned(encoded)))
    return outputs


def _cloned(encoded: Encoded) -> Encoded:
    return [h.clone() for h in encoded] if isinstance(encoded, list) else encoded.clone()

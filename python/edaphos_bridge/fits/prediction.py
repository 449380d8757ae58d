"""The one loop of prediction: members x passes, over patches or over points of a raster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.data.orientation import orientation_to_read
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import (
    batch_size_for,
    check_channels,
    check_features,
    check_size,
    over_batches,
)
from edaphos_bridge.encoders.known_modules import only_reads
from edaphos_bridge.encoders.raster_input import normalisation_for
from edaphos_bridge.errors import InputError
from edaphos_bridge.fits.model import Model
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

    They are the patches `x`, or those around the points `coords` of the raster `x`.

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
    if dataset is not None:
        raise InputError("dataset", "is for points of a raster", hint="Give `coords` too.")
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
) -> NDArray[np.float64]:
    """Return the task's values, shape (n, ...), as means over members and their passes.

    Rows that no batch has are NaN.

    Raises
    ------
    InputError
        If a value is not finite.
    """
    outputs = torch.zeros((len(members) * passes, n, task.n_outputs), dtype=torch.float64)
    ready = [model.for_prediction(device) for model in members]

    def compute(batch: torch.Tensor) -> torch.Tensor:
        return torch.stack([model(batch) for model in ready for _ in range(passes)], dim=1)

    found = over_batches(compute, batches, outputs.transpose(0, 1), device)
    total = task.values(outputs[0])
    for part in outputs[1:]:
        total += task.values(part)
    values = (total / len(outputs) if len(outputs) > 1 else total).numpy()
    values[~found] = np.nan
    parts = [part for model in members for part in model.named_children()]
    check_features(values, parts, "x", found)  # NaN would be the first class
    return values

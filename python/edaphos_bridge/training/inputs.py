"""What the rows of a fit are to what trains: features, computed once, or patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.memory import fits_in_memory
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import (
    Encoded,
    batch_size_for,
    check_weights,
    encode,
    find_shapes,
    parts_of,
    width_of,
)
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.foundation import is_ours
from edaphos_bridge.encoders.known_modules import draws_of, only_reads
from edaphos_bridge.errors import InputError, warn
from edaphos_bridge.heads.decoder import COARSEST_MAP, MAPS

_EVAL_ROWS = 4096  # rows of cached features at once in validation


@dataclass(frozen=True)
class Inputs:
    """The rows of a fit, on the device where it trains.

    Attributes
    ----------
    feature_dim : int
        Width D of the encoder's features.
    read : callable
        ``read(rows)`` gives those rows of what trains: of the patches, or of what a head reads of
        them where that is computed once.
    eval_batch_size : int
        Rows at once in validation.
    features : torch.Tensor or None, shape (N, D)
        The features, where they are computed once.
    is_cached : bool
        Whether features or maps are computed once, so that the head alone trains on them.
    shapes : sequence of tuple of int
        Those of what a head reads, without the batch.
    """

    feature_dim: int
    read: Callable[[torch.Tensor], Encoded]
    eval_batch_size: int
    features: torch.Tensor | None = None
    is_cached: bool = False
    shapes: Sequence[tuple[int, ...]] = ()


def inputs_of(
    encoder: nn.Module,
    patches: Patches,
    device: torch.device,
    *,
    cached: bool,
    reads: str = "features",
    look_at: Callable[[Sequence[Sequence[int]]], None] | None = None,
) -> Inputs:
    """Return what trains on `encoder`, which is on `device`, under a head that `reads`.

    `look_at` is given the shapes of what the head reads before all patches are read, and may raise
    `InputError`.

    With `cached` it runs once over the patches, and must not train; where maps of all of them would
    take more than a quarter of the memory, it runs in every step. Patches that are in memory are
    laid out once for an encoder that trains; others are read when a step asks for them.

    Raises
    ------
    InputError
        If a patch holds missing values or the encoder does not give finite features.
    """
    with draws_of(encoder, Randomness(0, device)):  # a lazy module draws its weights here
        shapes = find_shapes(encoder, patches.read(0, 1).to(device), reads)
        if look_at is not None:
            look_at(shapes)
        feature_dim = width_of(shapes, reads)
        size = batch_size_for(patches.shape, device.type, encoder)
        of_maps = reads in (MAPS, COARSEST_MAP)
        if cached and not of_maps:
            (features,) = computed_once(encoder, patches, device, shapes, reads)
            read = features.__getitem__
            return Inputs(feature_dim, read, _EVAL_ROWS, features, is_cached=True, shapes=shapes)
        kept = shapes if reads == MAPS else shapes[1:]
        if cached and _is_little(kept, len(patches), device):
            maps = computed_once(encoder, patches, device, kept, reads)
            # of patches such a decoder asks for their size alone
            sized = torch.empty((), device=device).expand(1, *shapes[0])
            before = [] if reads == MAPS else [sized]

            def rows_of_maps(rows: torch.Tensor) -> list[torch.Tensor]:
                patches = (x.expand(len(rows), *shapes[0]) for x in before)
                return [*patches, *(h[rows] for h in maps)]

            return Inputs(feature_dim, rows_of_maps, size, is_cached=True, shapes=shapes)
        return Inputs(feature_dim, _patches_of(encoder, patches, device), size, shapes=shapes)


def _is_little(shapes: Sequence[Sequence[int]], n: int, device: torch.device) -> bool:
    return fits_in_memory(4 * n * sum(map(math.prod, shapes)), device, share=0.25)


@torch.no_grad()
def computed_once(
    encoder: nn.Module,
    patches: Patches,
    device: torch.device,
    shapes: Sequence[Sequence[int]],
    reads: str = "features",
) -> list[torch.Tensor]:
    """Return what a head reads of all patches, on `device`, each ``(N, *shape)``.

    Of maps the last ones, as many as there are `shapes`. Patches are read batch by batch.

    Raises
    ------
    InputError
        If a patch holds missing values, or has features that are not finite.
    """
    size = batch_size_for(patches.shape, device.type, encoder)
    fast = folded(encoder.eval())
    kept = [torch.empty((len(patches), *shape), device=device) for shape in shapes]
    for rows, batch in patches.numbered_batches(size, borrow=only_reads(encoder)):
        pause()
        parts = parts_of(encode(fast, batch.to(device), reads))
        for all_rows, part in zip(kept, parts[-len(kept) :], strict=True):
            all_rows[rows] = part
    usable = torch.stack([_finite_rows(part) for part in kept]).all(dim=0)
    bad = torch.nonzero(~usable).flatten().tolist()
    if bad:
        check_weights(encoder, "encoder")
        found = f"{len(bad)} of {len(patches)} patches"
        raise InputError("encoder", f"returns NaN or infinite features for {found}", rows=bad)
    return kept


def _finite_rows(part: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows.isfinite().flatten(1).all(dim=1) for rows in part.split(_EVAL_ROWS)])


def _patches_of(
    encoder: nn.Module, patches: Patches, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what reads rows of the patches, in the layout that suits the encoder."""
    # Faster for the encoders of ours; a module of the user's own may need the usual layout.
    layout = torch.contiguous_format
    if is_ours(encoder):
        layout = torch.channels_last
        encoder.to(memory_format=layout)  # type: ignore[call-overload]
    if patches.in_memory:
        return _rows_in_layout(patches, layout, device)
    patches.check()

    def read(rows: torch.Tensor) -> torch.Tensor:
        batch = patches.rows(rows.cpu()).to(device)
        return batch.contiguous(memory_format=layout)

    return read


def _rows_in_layout(
    patches: Patches, layout: torch.memory_format, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Copy all patches into one tensor on `device`, and return what takes rows of it."""
    x = torch.empty(patches.shape, memory_format=layout, device=device)
    size = batch_size_for(patches.shape)
    for rows, batch in patches.numbered_batches(size, borrow=True):
        x[rows] = batch
    if layout != torch.channels_last:
        return lambda rows: x.index_select(0, rows)
    in_memory_order = x.movedim(1, -1)  # a patch is one piece of memory, fast to copy
    return lambda rows: in_memory_order.index_select(0, rows).movedim(-1, 1)


def warn_if_nothing_trains(encoder: nn.Module) -> None:
    """Warn where no weight of an encoder that is to be fine-tuned requires a gradient."""
    parameters = list(encoder.parameters())
    has_weights = parameters or isinstance(encoder, torch.jit.ScriptModule)
    if has_weights and not any(parameter.requires_grad for parameter in parameters):
        warn(
            "no parameter of the encoder requires a gradient, so only the head is trained; "
            "set requires_grad on those to fine-tune."
        )

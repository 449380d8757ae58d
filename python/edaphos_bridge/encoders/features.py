"""Features of patches from any encoder: run it, pick the features, check their shape."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.data.float32 import all_finite
from edaphos_bridge.data.rows_at_once import rows_at_once
from edaphos_bridge.encoders.encoder import maps_of, pooled_maps
from edaphos_bridge.encoders.known_modules import is_as_built
from edaphos_bridge.errors import EdaphosError, InputError

Encoded = torch.Tensor | list[torch.Tensor]


def encode(module: nn.Module, x: torch.Tensor, reads: str = "features") -> Any:
    """Return what a head reads of patches ``(B, C, H, W)``.

    Parameters
    ----------
    reads : {"features", "pooled maps", "maps", "coarsest map"}
        Features ``(B, D)``; ``pooled maps`` of twice the width; or a list from fine to coarse of
        the patches themselves and all their ``maps`` ``(B, D, h, w)``, or the last one.
    """
    if reads == "features":
        return encode_features(module, x)
    if reads == "pooled maps":
        return _run(lambda patches: pooled_maps(module, patches), x)
    maps = [h.float() for h in _run(lambda patches: maps_of(module, patches), x)]
    return [x, *(maps if reads == "maps" else maps[-1:])]


def parts_of(encoded: Encoded) -> list[torch.Tensor]:
    """Return what `encode` gave as a list."""
    return encoded if isinstance(encoded, list) else [encoded]


def encode_features(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the features ``(B, D)`` of patches ``(B, C, H, W)``, before any projection.

    The module may return a tensor ``(B, D)`` or ``(B, D, 1, 1)``, or a mapping or object with
    ``feature`` (then ``embedding``).

    Raises `InputError` if it returns something else, or fails; that error is the cause.
    """
    output = _run(module, x)
    features = _pick(output)
    if not isinstance(features, torch.Tensor):
        raise InputError(
            "encoder",
            "must return a tensor, or a mapping or object with `feature` or `embedding`",
            found=type(output).__name__,
        )
    if features.ndim > 2 and all(extent == 1 for extent in features.shape[2:]):
        features = features.flatten(1)
    if features.ndim != 2 or features.shape[0] != x.shape[0] or features.shape[1] == 0:
        raise InputError(
            "encoder",
            f"must return features (B, D) for {len(x)} patches",
            found=list(features.shape),
            hint="Feature maps become features with nn.AdaptiveAvgPool2d(1) and nn.Flatten().",
        )
    if not features.is_floating_point():
        raise InputError("encoder", "must return floating-point features", found=features.dtype)
    return features.float()


def _run(function: Callable[[torch.Tensor], Any], x: torch.Tensor) -> Any:
    try:
        return function(x)
    except EdaphosError:
        raise
    except Exception as error:  # a user's module may fail in any way
        one = "a patch" if len(x) == 1 else "patches"
        raise InputError(
            "encoder", f"fails on {one} of shape {list(x.shape)}: {type(error).__name__}: {error}"
        ) from error


def _pick(output: Any) -> Any:
    for name in ("feature", "embedding"):
        if isinstance(output, Mapping):
            if name in output:
                return output[name]
        elif not isinstance(output, torch.Tensor) and hasattr(output, name):
            return getattr(output, name)
    return output


def find_feature_dim(
    module: nn.Module, patch: torch.Tensor, reads: str = "features", argument: str = "x"
) -> int:
    """Return D by running one patch ``(1, C, H, W)`` in eval mode; of maps, their channels.

    Raises `InputError` as `find_shapes`.
    """
    return width_of(find_shapes(module, patch, reads, argument), reads)


def find_shapes(
    module: nn.Module, patch: torch.Tensor, reads: str = "features", argument: str = "x"
) -> list[tuple[int, ...]]:
    """Return the shapes of what a head reads, without the batch, by running one patch.

    Raises `InputError` if the encoder takes another number of channels than `argument` has (both
    are named), fails on the patch for another reason, or returns no features.
    """
    module.eval()
    try:
        with torch.no_grad():
            parts = parts_of(encode(module, patch, reads))
    except InputError as error:
        if error.__cause__ is not None:
            check_channels(_expected_channels(module, patch), patch.shape[1], argument)
        raise
    if not all(map(all_finite, parts)):
        check_weights(module, "encoder")
    return [tuple(part.shape[1:]) for part in parts]


def width_of(shapes: Sequence[Sequence[int]], reads: str) -> int:
    """Return the width D of features or of the coarsest map, of shapes as of `find_shapes`."""
    return shapes[-1][0] // (2 if reads == "pooled maps" else 1)


def check_size(
    module: nn.Module, patch: torch.Tensor, trained: list[int], width: int, reads: str = "features"
) -> None:
    """Raise `InputError` unless an encoder gives `width` features of a patch ``(1, C, H, W)``.

    `trained` is the height and width of the patches that it is known to take.
    """
    found, cause = None, None
    try:
        with torch.no_grad():
            parts = parts_of(encode(module.eval(), patch.to(device_of(module)), reads))
        found = width_of([part.shape[1:] for part in parts], reads)
    except InputError as error:
        cause = error
    if found != width:
        raise InputError(
            "x",
            f"must have patches of {trained} cells (height, width), as in training: this encoder "
            "does not make the same features of others",
            found=list(patch.shape[2:]),
        ) from cause


def check_weights(module: nn.Module, argument: str) -> None:
    """Raise `InputError` if a weight or a running statistic of `module` is NaN or infinite."""
    bad = [name for name, weight in module.state_dict().items() if not _is_usable(weight)]
    if bad:
        raise InputError(
            argument,
            f"has weights that are NaN or infinite ({', '.join(bad[:3])})",
            found=f"{len(bad)} such tensors",
            hint="They come from a training that diverged, or from a damaged file.",
        )


def _is_usable(weight: Any) -> bool:
    return not isinstance(weight, torch.Tensor) or bool(weight.isfinite().all())


def check_features(
    features: NDArray[Any],
    modules: Iterable[tuple[str, nn.Module]],
    argument: str,
    asked: NDArray[np.bool_] | None = None,
) -> None:
    """Raise `InputError` if a row of what modules made of patches is not finite.

    Parameters
    ----------
    features : numpy.ndarray, shape (N, D)
        One row a patch.
    modules : iterable of (str, torch.nn.Module)
        What made them, with the names of arguments; named if their weights are the reason.
    asked : numpy.ndarray of bool, shape (N,), optional
        The rows that a patch was made into; by default all.
    """
    unusable = ~np.isfinite(features).all(axis=1)
    refuse_rows(unusable if asked is None else unusable & asked, modules, argument)


def refuse_rows(
    unusable: NDArray[np.bool_], modules: Iterable[tuple[str, nn.Module]], argument: str
) -> None:
    """Raise `InputError`, as `check_features`, if any of these rows is `unusable`."""
    bad = np.flatnonzero(unusable)
    if len(bad):
        for name, module in modules:
            check_weights(module, name)
        raise InputError(
            argument,
            f"gives NaN or infinite features in {len(bad)} of {len(unusable)} patches",
            rows=bad.tolist(),
        )


def check_channels(expected: int | None, found: int, argument: str = "x") -> None:
    """Raise `InputError` if `argument` has `found` channels where an encoder takes `expected`."""
    if expected is not None and found != expected:
        raise InputError(
            argument,
            f"must have {expected} channels for this encoder",
            found=found,
            hint="Channels are the second dimension of (N, C, H, W).",
        )


def _expected_channels(module: nn.Module, patch: torch.Tensor) -> int | None:
    """Return the channels of the first layer that the patch reaches, else of the first defined."""
    reached: list[nn.Module] = []
    hooks = [
        submodule.register_forward_pre_hook(lambda layer, inputs: reached.append(layer))
        for submodule in module.modules()
    ]
    with torch.no_grad(), contextlib.suppress(Exception):
        module(patch)
    for hook in hooks:
        hook.remove()
    for layer in [*reached, *module.modules()]:
        channels = getattr(layer, "in_channels", None)
        if isinstance(channels, int):
            return channels
    return None


def batch_size_for(
    shape: Sequence[int], device: str = "cpu", encoder: nn.Module | None = None
) -> int:
    """Return how many patches ``(N, C, H, W)`` to encode at once, in bounded memory."""
    return rows_at_once(shape, device, ours=encoder is None or is_as_built(encoder))


@torch.no_grad()
def over_batches(
    compute: Callable[[torch.Tensor], torch.Tensor],
    batches: Iterable[tuple[Any, torch.Tensor]],
    out: torch.Tensor,
    device: torch.device,
) -> NDArray[np.bool_]:
    """Write what `compute` gives of each batch, on `device`, to its rows of `out`.

    Returns
    -------
    numpy.ndarray of bool, shape (len(out),)
        Which rows a batch had.
    """
    asked = np.zeros(len(out), dtype=bool)
    for rows, batch in batches:
        pause()
        out[rows] = compute(batch.to(device)).to(out)
        asked[rows] = True
    return asked

"""Encoders as they were before any training."""

from __future__ import annotations

from torch import nn

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.copying import draw_anew, own_copy
from edaphos_bridge.encoders.foundation import is_ours
from edaphos_bridge.encoders.sensors import SensorEncoder
from edaphos_bridge.errors import InputError


def untrained_like(encoder: nn.Module, seed: int) -> nn.Module:
    """Return an encoder of the same layers with random weights, drawn as its own first ones were.

    Raises
    ------
    InputError
        If a module of the user's own has weights that no layer draws: they would stay trained.
    """
    with Randomness(seed).everywhere():
        return _drawn(encoder)


def _drawn(encoder: nn.Module) -> nn.Module:
    if isinstance(encoder, SensorEncoder):
        of_a = _drawn(encoder.of("a"))
        return SensorEncoder(of_a, encoder.channels, encoder.sensors, encoder.stem)
    if is_ours(encoder):
        return type(encoder)(**{name: getattr(encoder, name) for name in encoder.settings})
    fresh = own_copy(encoder)
    for name, layer in fresh.named_modules():
        own = [key for key, _ in layer.named_parameters(recurse=False)]
        if own and not callable(getattr(layer, "reset_parameters", None)):
            raise InputError(
                "encoder",
                f"has weights that cannot be drawn anew, `{own[0]}` of "
                f"{type(layer).__name__} {name!r}: it has no reset_parameters()",
                hint="Give it one, or train nothing from scratch.",
            )
    draw_anew(fresh)
    return fresh

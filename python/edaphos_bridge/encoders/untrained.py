"""Encoders as they were before any training."""

from __future__ import annotations

from typing import Any

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
        if is_ours(encoder):
            return _drawn(encoder)
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


def _drawn(encoder: Any) -> nn.Module:
    """Make one of ours again from its settings; one of two sensors from a body that is made so."""
    settings = {name: getattr(encoder, name) for name in encoder.settings}
    if isinstance(encoder, SensorEncoder):
        settings["body"] = _drawn(encoder.of("a"))
    return type(encoder)(**settings)

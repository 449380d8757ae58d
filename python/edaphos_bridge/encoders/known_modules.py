"""What is known of a module without running it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from edaphos_bridge.basics.devices import on_meta
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.rotation import RotationEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.encoders.xresnet import XResNet18, XResNet34, XResNet50

# Encoders of ours that only read, and draw only what torch's own layers do.
_OURS = (MoCoEncoder, SimCLREncoder, RotationEncoder, XResNet18, XResNet34, XResNet50)

# Layers of torch's that draw, in training at least.
_RANDOM = (
    _DropoutNd, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d, nn.MultiheadAttention, nn.RNNBase,
    nn.RReLU,
)  # fmt: skip


def is_as_built(module: nn.Module) -> bool:
    """Return whether `module` is an encoder of ours in which only weights have changed.

    Such an encoder may be computed in another way. One with hooks may not, since they would not
    be called, nor one with layers that were exchanged or given other settings.
    """
    encoder_class = type(module)
    if encoder_class not in _OURS or _calls_other_code(module):
        return False
    settings = {name: getattr(module, name) for name in encoder_class.settings}
    return all(type(value) in (int, str) for value in settings.values()) and (
        repr(module) == _layers_as_built(encoder_class, **settings)
    )


@functools.lru_cache(maxsize=32)
def _layers_as_built(encoder_class: Callable[..., nn.Module], **settings: int | str) -> str:
    """Return the layers with their settings, as a module prints them."""
    with on_meta():
        return repr(encoder_class(**settings))


def only_reads(module: nn.Module) -> bool:
    """Return whether `module` is known not to write to its input.

    So are encoders of ours, and modules put together of torch's own layers alone, none of them in
    place.
    """
    if is_as_built(module):
        return True
    return not _calls_other_code(module) and all(
        type(part).__module__.startswith("torch.nn.modules.")
        and not getattr(part, "inplace", False)
        for part in module.modules()
    )


def runs_side_by_side(module: nn.Module) -> bool:
    """Return whether several threads may run `module` at once: none of its parts keeps anything.

    So are encoders and heads of ours, and modules put together of torch's own layers; others may
    keep a map until their hook, or the end of their forward pass, takes it.
    """
    return is_as_built(module) or not (
        _calls_other_code(module)
        or any(
            not type(part).__module__.startswith(("torch.nn.modules.", "edaphos_bridge."))
            for part in module.modules()
        )
    )


def draws_of(module: nn.Module, randomness: Randomness) -> AbstractContextManager[Any]:
    """Return a context, to be used any number of times, in which `module` draws from `randomness`.

    It does nothing for what is known to draw no numbers: modules put together of ours and of
    torch's own layers, none of them random.
    """
    known = not (
        _calls_other_code(module)
        or any(
            isinstance(part, _RANDOM)
            or not type(part).__module__.startswith(("torch.nn.modules.", "edaphos_bridge."))
            for part in module.modules()
        )
    )
    return nullcontext() if known else randomness.everywhere()


def dropout_layers(module: nn.Module) -> list[nn.Module]:
    """Return the layers of `module` that drop something in training: torch's own."""
    return [part for part in module.modules() if isinstance(part, _DropoutNd) and part.p > 0]


def _calls_other_code(module: nn.Module) -> bool:
    """Return whether any part has hooks, or a forward pass that its class does not know."""
    return any(
        part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part)
        for part in module.modules()
    )

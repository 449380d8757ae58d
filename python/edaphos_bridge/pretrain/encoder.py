"""From `encoder=` to what a run trains: the one place where a method meets an encoder.

`start_of` says what a run will start from when its patches are known and nothing is drawn yet, and
later makes it. A method that needs a projection has one from `with_projection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import nn

from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.normalisation import normalisation_of
from edaphos_bridge.encoders.contrastive import ContrastiveEncoder
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.encoders.digest import digest_of_module
from edaphos_bridge.encoders.features import (
    check_channels,
    check_weights,
    encode_features,
    find_feature_dim,
)
from edaphos_bridge.encoders.foundation import ARCHITECTURES, check_size
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.encoders.moco import MoCoProjection
from edaphos_bridge.encoders.rotation import SMALLEST_PATCH
from edaphos_bridge.encoders.sensors import SensorEncoder, for_two_sensors
from edaphos_bridge.errors import InputError
from edaphos_bridge.pretrain.settings import PretrainSettings
from edaphos_bridge.pretrain.source import Source

GIVEN = "given"
"""What `config` says of an encoder that was given as a module."""


class Projected(nn.Module):
    """An encoder that has no projection, with one beside it: MoCo's, which other methods share."""

    def __init__(self, encoder: nn.Module, feature_dim: int, proj_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.proj = MoCoProjection(feature_dim, proj_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, C, H, W)`` to the encoder's features ``(B, feature_dim)``."""
        return encode_features(self.encoder, x)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``(B, feature_dim)`` to unit vectors ``(B, proj_dim)``."""
        projected: torch.Tensor = self.proj(features)
        return projected


Projecting = ContrastiveEncoder | SensorEncoder | Projected
"""What maps patches to features and, by `project`, those to unit vectors."""


@dataclass(frozen=True)
class Start:
    """What a run starts from, checked.

    Attributes
    ----------
    settings : dict
        Those settings of the run that the encoder decides: its widths, and of two sensors whether
        they share their first layer.
    config : dict
        What the fit says of the encoder that was asked for, as JSON values.
    identity : dict
        What a run must share with the checkpoint that it goes on from.
    make : callable
        Returns the encoder. A new one draws its weights, so it is called where these come from the
        run's seed; a given one is a copy.
    """

    settings: Mapping[str, Any]
    config: Mapping[str, str]
    identity: Mapping[str, str]
    make: Callable[[], nn.Module]


def start_of(
    encoder: Any, settings: PretrainSettings, source: Source, device: torch.device
) -> Start:
    """Return what a run on the patches of `source` starts from.

    Parameters
    ----------
    encoder : str, module, fit or None
        What the user gave: a name of `foundation_encoder`; a module of any kind, or a fit that
        holds one; or None for the encoder of the method.
    settings : PretrainSettings
        What is made anew has the widths that they ask for. What has widths of its own keeps them:
        then they must ask for the same, or for the usual ones, for which nobody may have asked.
    source : Source
        Of two sensors the encoder is that of sensor a, which becomes a `SensorEncoder`, or is one.
    device : torch.device
        Where a given module will train.

    Raises
    ------
    InputError
        If there is no such encoder, if it cannot be trained or fails on a patch, or if it has other
        widths or takes other channels.
    """
    asked = settings.widths
    has: dict[str, int] = {}
    config: dict[str, str] = {}
    identity: dict[str, str] = {}
    make: Callable[[], nn.Module]
    shared = _shared_stem(encoder, settings, source)
    if encoder is None or isinstance(encoder, str):
        name = settings.architecture
        if encoder is not None:
            name = choice("encoder", encoder, tuple(ARCHITECTURES))
            config = identity = {"encoder": name}
        encoder_class = ARCHITECTURES[name]
        made_from = {name: v for name, v in asked.items() if name in encoder_class.settings}
        made_from["in_channels"] = source.channels[0]
        if "patch_size" in encoder_class.settings:
            made_from["patch_size"] = _side_of(source, name)
        has["feature_dim"] = check_size(encoder_class, **made_from)
        make = partial(encoder_class, **made_from)
    else:
        module, has["feature_dim"] = _given(encoder, source, device, shared)
        if has_projection(module):
            has["proj_dim"] = module.proj_dim
        config, identity = {"encoder": GIVEN}, {"encoder": digest_of_module(module)}

        def make() -> nn.Module:
            return module

    widths = {name: has.get(name, value) for name, value in asked.items()}
    for name, value in asked.items():
        if value not in (widths[name], settings.usual_widths.get(name)):
            raise InputError(
                name,
                f"must be {widths[name]}, the width that this encoder has, or left out",
                found=value,
            )
    if shared is None:
        return Start(widths, config, identity, make)
    both = partial(_of_both, make, source, shared)
    with Randomness(0, device).everywhere():
        both()  # refuses what does not begin with a convolution
    return Start({**widths, "shared_stem": shared}, config, identity, both)


def _shared_stem(encoder: Any, settings: PretrainSettings, source: Source) -> bool | None:
    """Return whether two sensors share the first layer; None of one sensor.

    By default they do where their channels agree, or as an encoder of both has it already.
    """
    if len(source.channels) < 2:
        return None
    wanted: bool | None = getattr(settings, "shared_stem", None)
    a, b = source.channels
    inner = encoder if isinstance(encoder, nn.Module) else getattr(encoder, "encoder", None)
    if not isinstance(inner, SensorEncoder):
        return a == b if wanted is None else wanted
    shared = inner.stem is None
    if wanted not in (None, shared):
        raise InputError(
            "shared_stem", f"must be {shared}, as this encoder has it, or left out", found=wanted
        )
    return shared


def _of_both(make: Callable[[], nn.Module], source: Source, shared: bool) -> SensorEncoder:
    """Return an encoder of both sensors: what `make` gives, or around it. It may draw weights."""
    made = make()
    if isinstance(made, SensorEncoder):
        return made
    return for_two_sensors(made, source.channels, source.shape[2:], shared_stem=shared)


def _side_of(source: Source, architecture: str) -> int:
    """Return the height and width of the patches, for an encoder that is made for that size."""
    height, width = source.shape[2:]
    if height != width or height < SMALLEST_PATCH:
        raise InputError(
            source.name,
            f"must be square, of at least {SMALLEST_PATCH} cells to a side, for an encoder of "
            f"{architecture!r}",
            found=f"{height} x {width} cells",
        )
    return height


def _given(
    encoder: Any, source: Source, device: torch.device, shared: bool | None
) -> tuple[nn.Module, int]:
    """Return a copy of a user's encoder on `device`, and the width of its features."""
    module = own_copy(as_module(encoder))
    source.read_for(module)
    channels: Any = getattr(module, "in_channels", None)
    patch = source.read(torch.tensor([0])).to(device)
    if shared is not None and isinstance(module, SensorEncoder):
        module = module.of("mean")
        if module.channels != list(source.channels):
            raise InputError(
                "encoder",
                f"must be of sensors of {source.channels[0]} and {source.channels[1]} channels",
                found=module.channels,
            )
    elif shared is not None:
        if normalisation_of(module) is not None:
            module.normalisation = None  # type: ignore[assignment]  # of sensor a alone
        patch = patch[:, : source.channels[0]]
    argument = source.name if patch.shape[1] == source.shape[1] else source.name_of_a
    check_channels(channels if isinstance(channels, int) else None, patch.shape[1], argument)
    module.to(device)
    with draws_of(module, Randomness(0, device)):  # a lazy module draws its weights here
        width = find_feature_dim(module, patch, argument=argument)
    check_weights(module, "encoder")
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise InputError(
            "encoder",
            "has no parameter that requires a gradient, so there is nothing to pretrain",
            found=type(module).__name__,
        )
    return module, width


def has_projection(encoder: nn.Module) -> TypeGuard[ContrastiveEncoder | SensorEncoder]:
    """Return whether an encoder has a projection of its own for the features that it gives."""
    if isinstance(encoder, SensorEncoder):
        return encoder.sensors == "mean" and has_projection(encoder.body)
    return isinstance(encoder, ContrastiveEncoder)


def with_projection(encoder: nn.Module, feature_dim: int, proj_dim: int) -> Projecting:
    """Return an encoder with a projection: itself if it has one, else with one beside it.

    That draws its weights.
    """
    if has_projection(encoder):
        return encoder
    return Projected(encoder, feature_dim, proj_dim)

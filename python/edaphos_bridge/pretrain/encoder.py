"""From `encoder=` to what a run trains: the one place where a method meets an encoder.

`start_of` says what a run will start from when its patches are known and nothing is drawn yet, and
later makes it. A method that needs a projection has one from `with_projection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.basics.seeding import Randomness
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


Projecting = ContrastiveEncoder | Projected
"""What maps patches to features and, by `project`, those to unit vectors."""


@dataclass(frozen=True)
class Start:
    """What a run starts from, checked.

    Attributes
    ----------
    widths : dict
        Those settings of the run that are widths of the encoder, as it has them.
    config : dict
        What the fit says of the encoder that was asked for, as JSON values.
    identity : dict
        What a run must share with the checkpoint that it goes on from.
    make : callable
        Returns the encoder. A new one draws its weights, so it is called where these come from the
        run's seed; a given one is a copy.
    """

    widths: Mapping[str, int]
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
    if encoder is None or isinstance(encoder, str):
        name = settings.architecture
        if encoder is not None:
            name = choice("encoder", encoder, tuple(ARCHITECTURES))
            config = identity = {"encoder": name}
        encoder_class = ARCHITECTURES[name]
        made_from = {name: v for name, v in asked.items() if name in encoder_class.settings}
        made_from["in_channels"] = source.shape[1]
        if "patch_size" in encoder_class.settings:
            made_from["patch_size"] = _side_of(source, name)
        has["feature_dim"] = check_size(encoder_class, **made_from)
        make = partial(encoder_class, **made_from)
    else:
        module, has["feature_dim"] = _given(encoder, source, device)
        if isinstance(module, ContrastiveEncoder):
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
    return Start(widths, config, identity, make)


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


def _given(encoder: Any, source: Source, device: torch.device) -> tuple[nn.Module, int]:
    """Return a copy of a user's encoder on `device`, and the width of its features."""
    module = own_copy(as_module(encoder))
    source.read_for(module)
    channels = getattr(module, "in_channels", None)
    check_channels(channels if isinstance(channels, int) else None, source.shape[1], source.name)
    module.to(device)
    patch = source.read(torch.tensor([0])).to(device)
    with draws_of(module, Randomness(0, device)):  # a lazy module draws its weights here
        width = find_feature_dim(module, patch, argument=source.name)
    check_weights(module, "encoder")
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise InputError(
            "encoder",
            "has no parameter that requires a gradient, so there is nothing to pretrain",
            found=type(module).__name__,
        )
    return module, width


def with_projection(encoder: nn.Module, feature_dim: int, proj_dim: int) -> Projecting:
    """Return an encoder with a projection: itself if it has one, else with one beside it.

    That draws its weights.
    """
    if isinstance(encoder, ContrastiveEncoder):
        return encoder
    return Projected(encoder, feature_dim, proj_dim)

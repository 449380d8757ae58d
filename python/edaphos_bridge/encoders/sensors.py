"""One encoder for the patches of two sensors that see the same places."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.data.orientation import orientation_of
from edaphos_bridge.encoders.encoder import groups_of, maps_of
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.errors import InputError

BOTH = ("mean", "concat")
"""How the features of both sensors become one row."""
SENSORS = ("a", "b", *BOTH)


class SensorEncoder(nn.Module):
    """A body that two sensors share, with a first layer for each, or one for both.

    Patches ``(B, Ca + Cb, H, W)`` have the channels of sensor a, then those of sensor b.

    Parameters
    ----------
    body : torch.nn.Module
        The encoder of sensor a. Its weights are shared, not copied.
    channels : sequence of int
        Channels Ca and Cb of the two sensors.
    sensors : {"mean", "concat"}
        Whether the features are the mean of both sensors' or those of a, then those of b.
    stem : str, optional
        Name of the convolution in `body` that reads the patches, as `for_two_sensors` finds it:
        sensor b gets another one. None where both share it.

    Attributes
    ----------
    stems : torch.nn.ModuleDict
        What reads the patches of "a" and of "b"; in `body` there is nothing in its place.
    normalisation : Normalisation or None
        Of the bands of a, then those of b; see `NamedEncoder`.
    patch_orientation : {"rows_first", "transposed"} or None
        Of the patches of both: that of `body`, unless it is changed.
    """

    architecture = "sensors"
    settings = ("channels", "sensors", "stem")
    """What it is made from beside its body."""
    normalisation: Normalisation | None = None

    def __init__(
        self,
        body: nn.Module,
        channels: Sequence[int],
        sensors: str = "mean",
        stem: str | None = None,
    ) -> None:
        super().__init__()
        of_a: nn.Module = nn.Identity()
        of_b: nn.Module = nn.Identity()
        if stem is not None:
            of_a = body.get_submodule(stem)
            of_b = _reading(of_a, channels[1])
            body = _with_layer(body, stem, nn.Identity())
        self.stems = nn.ModuleDict({"a": of_a, "b": of_b})
        self.body: Any = body
        self.channels = list(channels)
        self.sensors = sensors
        self.stem = stem
        self.patch_orientation = orientation_of(body)

    def extra_repr(self) -> str:
        """Return what its parts do not tell: modules are told apart by what they print."""
        return f"channels={self.channels}, sensors={self.sensors!r}, stem={self.stem!r}"

    @property
    def in_channels(self) -> int:
        """Channels of both sensors together."""
        return sum(self.channels)

    @property
    def feature_dim(self) -> int:
        """Width of the features, if the body says what its own is."""
        return self.body.feature_dim * (2 if self.sensors == "concat" else 1)

    @property
    def proj_dim(self) -> int:
        """Width of the body's projection, if it has one and the features are as wide as its own."""
        if self.sensors == "concat":
            raise AttributeError("proj_dim")
        return self.body.proj_dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, Ca + Cb, H, W)`` to features ``(B, feature_dim)``."""
        return self._both(self.features(*x.split(self.channels, dim=1)))

    def features(self, x_a: torch.Tensor, x_b: torch.Tensor) -> torch.Tensor:
        """Return the features of patches of a, then those of patches of b, from one pass.

        Parameters
        ----------
        x_a, x_b : torch.Tensor, shape (B, Ca, H, W) and (B', Cb, H, W)

        Returns
        -------
        torch.Tensor, shape (B + B', D)
        """
        return encode_features(self.body, self._read(x_a, x_b))

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Map features of one sensor, or their means, to the body's projections."""
        projected: torch.Tensor = self.body.project(features)
        return projected

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of both sensors, put together as the features are."""
        found = maps_of(self.body, self._read(*x.split(self.channels, dim=1)))
        return [self._both(maps) for maps in found]

    def groups(self) -> list[list[nn.Module]]:
        """Return the blocks of the body, input first; the first has what reads the patches."""
        first, *rest = groups_of(self.body)
        return [[*self.stems.values(), *first], *rest]

    def of(self, sensors: str) -> nn.Module:
        """Return the encoder of one sensor, or of both; its weights are shared, not copied.

        That of one sensor is the body with its first layer, of the body's class.
        """
        if sensors in BOTH:
            both = _of_the_same_parts(self)
            both.sensors = sensors
            return both
        number = "ab".index(sensors)
        alone = _of_the_same_parts(self.body)
        if self.stem is not None:
            alone = _with_layer(self.body, self.stem, self.stems[sensors])
        with contextlib.suppress(AttributeError):  # a property of a user's module says it already
            alone.in_channels = self.channels[number]
        if self.normalisation is not None:
            parts = self.normalisation.parted(self.channels)
            alone.normalisation = parts[number]
        alone.patch_orientation = self.patch_orientation
        return alone

    def _read(self, x_a: torch.Tensor, x_b: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.stems["a"](x_a), self.stems["b"](x_b)])

    def _both(self, found: torch.Tensor) -> torch.Tensor:
        of_a, of_b = found.chunk(2)
        return torch.cat([of_a, of_b], dim=1) if self.sensors == "concat" else (of_a + of_b) / 2


def for_two_sensors(
    encoder: nn.Module, channels: Sequence[int], patch_size: Sequence[int], *, shared_stem: bool
) -> SensorEncoder:
    """Return an encoder of sensor a as one of both, with a first layer for each unless shared.

    `patch_size` is the height and width of patches. Raises `InputError` if the encoder does not
    begin with a convolution, of which the other sensor could have another one.
    """
    encoder = getattr(encoder, "_orig_mod", encoder)  # what `torch.compile` wraps takes new parts
    if shared_stem:
        return SensorEncoder(encoder, channels)
    cells = channels[0] * patch_size[0] * patch_size[1]
    patch = torch.linspace(-1, 1, cells).reshape(1, channels[0], *patch_size)
    patch = patch.to(device_of(encoder))
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        reached = _layers_reached(encoder, patch)
        layer = next((layer for layer in reached if list(layer.parameters())), None)
        names = {module: name for name, module in encoder.named_modules()}
        if isinstance(layer, nn.Conv2d) and layer.in_channels == channels[0]:
            made = SensorEncoder(encoder, channels, stem=names[layer])
            expected = encode_features(encoder, patch)
            with contextlib.suppress(InputError):  # of a body that takes no maps for patches
                found = encode_features(nn.Sequential(made.stems["a"], made.body), patch)
                if torch.equal(found, expected):
                    return made.train(was_training)
    raise InputError(
        "encoder",
        "must begin with a convolution of the patches as they are, torch.nn.Conv2d, of which each "
        "sensor gets one of its own, and its other layers must take what that gives",
        found=type(encoder).__name__,
        hint="Sensors of the same number of channels may share it: shared_stem.",
    )


def _layers_reached(encoder: nn.Module, patch: torch.Tensor) -> list[nn.Module]:
    """Return the layers that a patch passes, in order; TorchScript shows none of its own."""
    reached: list[nn.Module] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: reached.append(layer))
        for layer in encoder.modules()
        if not (list(layer.children()) or isinstance(layer, torch.jit.ScriptModule))
    ]
    try:
        encode_features(encoder, patch)
    finally:
        for hook in hooks:
            hook.remove()
    return reached


def _reading(layer: nn.Module, channels: int) -> nn.Conv2d:
    """Return an untrained convolution like `layer` for another number of channels."""
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"{type(layer).__name__} is no convolution")
    if channels % layer.groups:
        raise InputError(
            "encoder",
            f"must begin with a convolution whose groups divide the {channels} channels of "
            "sensor b, which gets one of its own",
            found=f"{layer.groups} groups",
        )
    return nn.Conv2d(
        channels,
        layer.out_channels,
        layer.kernel_size,  # type: ignore[arg-type]
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        dilation=layer.dilation,  # type: ignore[arg-type]
        groups=layer.groups,
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
        device=layer.weight.device,
    )


def _with_layer(module: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Return a copy of a module with another layer of that name; all other layers are shared."""
    changed = _of_the_same_parts(module)
    first, _, rest = name.partition(".")
    inner = _with_layer(module.get_submodule(first), rest, layer) if rest else layer
    changed._modules[first] = inner
    return changed


def _of_the_same_parts(module: nn.Module) -> Any:
    """Return a copy of a module that has the same parts, and may get others."""
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other

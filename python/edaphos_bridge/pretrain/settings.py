"""The settings of pretraining, checked once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, ClassVar, TypeVar

from edaphos_bridge.basics.arguments import choice, number, ratios, seed_number, share, whole
from edaphos_bridge.data.augmentations import Augmentations
from edaphos_bridge.errors import InputError

Self = TypeVar("Self", bound="PretrainSettings")


@dataclass(frozen=True)
class PretrainSettings(ABC):
    """What both methods have; `seed` stays None until the run starts and one is drawn."""

    feature_dim: int
    proj_dim: int
    batch_size: int
    epochs: int
    steps_per_epoch: int
    lr: float
    temperature: float
    noise_sd: float
    seed: int | None

    method = ""
    # The method's own encoder, and the widths that its verb has by default.
    architecture = ""
    usual_widths: ClassVar[Mapping[str, int]] = {}

    @classmethod
    def checked(cls: type[Self], **values: Any) -> Self:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        own = [field.name for field in fields(cls)]
        checks = {name: check for name, check in _CHECKS.items() if name in own}
        return cls(**{name: check(name, values[name]) for name, check in checks.items()})

    @property
    @abstractmethod
    def augmentations(self) -> Augmentations:
        """The changes that make a view."""

    def config(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        values = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


@dataclass(frozen=True)
class SimCLRSettings(PretrainSettings):
    """Arguments of `foundation_simclr_pretrain`."""

    method = architecture = "simclr"
    usual_widths: ClassVar[Mapping[str, int]] = {"feature_dim": 32, "proj_dim": 16}

    @property
    def augmentations(self) -> Augmentations:
        """Flips, dropped channels and noise, as in the original."""
        return Augmentations(flip_prob=0.5, channel_drop_prob=0.2, noise_sd=self.noise_sd)


@dataclass(frozen=True)
class MoCoSettings(PretrainSettings):
    """Arguments of `foundation_moco_pretrain`."""

    queue_size: int
    momentum: float
    momentum_schedule: str | None
    crop_ratio: tuple[float, float]
    flip_prob: float
    rot90_prob: float
    channel_drop_prob: float
    cutout_prob: float
    cutout_size_ratio: float
    brightness_jitter: float

    method = architecture = "moco"
    usual_widths: ClassVar[Mapping[str, int]] = {"feature_dim": 64, "proj_dim": 32}

    @property
    def augmentations(self) -> Augmentations:
        """All of them."""
        names = [field.name for field in fields(Augmentations)]
        return Augmentations(**{name: getattr(self, name) for name in names})


SETTINGS: dict[str, type[MoCoSettings | SimCLRSettings]] = {
    settings.method: settings for settings in (MoCoSettings, SimCLRSettings)
}


def _of_batch(argument: str, value: Any) -> int:
    if whole(argument, value) < 2:
        raise InputError(
            argument,
            "must be at least 2",
            found=value,
            hint="A patch is contrasted with the others of its batch.",
        )
    return int(value)


_above_0 = partial(number, above=0)
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "cutout_size_ratio": lambda name, value: share(name, _above_0(name, value)),
    "brightness_jitter": partial(number, minimum=0, below=1),
    "batch_size": _of_batch,
    **dict.fromkeys(("feature_dim", "proj_dim", "epochs", "steps_per_epoch"), whole),
    **dict.fromkeys(("lr", "temperature"), _above_0),
    "noise_sd": partial(number, minimum=0),
    "seed": lambda _, value: None if value is None else seed_number(value),
    **dict.fromkeys(
        ("momentum", "flip_prob", "rot90_prob", "channel_drop_prob", "cutout_prob"), share
    ),
    "queue_size": whole,
    "momentum_schedule": (
        lambda name, value: None if value is None else choice(name, value, ("cosine",))
    ),
    "crop_ratio": ratios,
}
"""How each setting is checked, in this order."""

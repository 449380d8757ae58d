"""The settings of pretraining, checked once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from edaphos_bridge.basics.arguments import choice, number, ratios, seed_number, share, whole
from edaphos_bridge.data.augmentations import Augmentations
from edaphos_bridge.errors import InputError


@dataclass(frozen=True)
class PretrainSettings:
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

    @property
    def augmentations(self) -> Augmentations:
        """The changes that make a view."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        values = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


@dataclass(frozen=True)
class SimCLRSettings(PretrainSettings):
    """Arguments of `foundation_simclr_pretrain`."""

    method = "simclr"

    @property
    def augmentations(self) -> Augmentations:
        """Flips, dropped channels and noise, as in the original."""
        return Augmentations(flip_prob=0.5, channel_drop_prob=0.2, noise_sd=self.noise_sd)

    @classmethod
    def checked(cls, **values: Any) -> SimCLRSettings:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        return cls(**_common(values))


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

    method = "moco"

    @property
    def augmentations(self) -> Augmentations:
        """All of them."""
        names = [field.name for field in fields(Augmentations)]
        return Augmentations(**{name: getattr(self, name) for name in names})

    @classmethod
    def checked(cls, **values: Any) -> MoCoSettings:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        schedule = values["momentum_schedule"]
        ratio = number("cutout_size_ratio", values["cutout_size_ratio"], above=0)
        jitter = number("brightness_jitter", values["brightness_jitter"], minimum=0, below=1)
        shares = ("momentum", "flip_prob", "rot90_prob", "channel_drop_prob", "cutout_prob")
        return cls(
            **_common(values),
            **_shares(values, shares),
            queue_size=whole("queue_size", values["queue_size"]),
            momentum_schedule=(
                None if schedule is None else choice("momentum_schedule", schedule, ("cosine",))
            ),
            crop_ratio=ratios("crop_ratio", values["crop_ratio"]),
            cutout_size_ratio=share("cutout_size_ratio", ratio),
            brightness_jitter=jitter,
        )


SETTINGS: dict[str, type[MoCoSettings | SimCLRSettings]] = {
    settings.method: settings for settings in (MoCoSettings, SimCLRSettings)
}


def _common(values: dict[str, Any]) -> dict[str, Any]:
    if whole("batch_size", values["batch_size"]) < 2:
        raise InputError(
            "batch_size",
            "must be at least 2",
            found=values["batch_size"],
            hint="A patch is contrasted with the others of its batch.",
        )
    counts = ("feature_dim", "proj_dim", "batch_size", "epochs", "steps_per_epoch")
    return {
        **{name: whole(name, values[name]) for name in counts},
        "lr": number("lr", values["lr"], above=0),
        "temperature": number("temperature", values["temperature"], above=0),
        "noise_sd": number("noise_sd", values["noise_sd"], minimum=0),
        "seed": None if values["seed"] is None else seed_number(values["seed"]),
    }


def _shares(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: share(name, values[name]) for name in names}

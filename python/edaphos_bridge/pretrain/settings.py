"""The settings of pretraining, checked once, and fitted to the patches."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar, TypeVar

from edaphos_bridge.basics.arguments import choice, number, ratios, seed_number, share, whole
from edaphos_bridge.data.augmentations import Augmentations
from edaphos_bridge.errors import AdjustedWarning, InputError, warn
from edaphos_bridge.pretrain.source import Source
from edaphos_bridge.training.plan import validation_size

Self = TypeVar("Self", bound="PretrainSettings")
Contrastive = TypeVar("Contrastive", bound="ContrastiveSettings")


@dataclass(frozen=True)
class PretrainSettings(ABC):
    """What all methods have; `seed` stays None until the run starts and one is drawn.

    `steps_per_epoch` may be None until they are `fitted_to` the patches.
    """

    feature_dim: int
    batch_size: int
    epochs: int
    steps_per_epoch: int | None
    lr: float
    seed: int | None

    method = ""
    # The method's own encoder, and the widths that its verb has by default.
    architecture = ""
    usual_widths: ClassVar[Mapping[str, int]] = {}
    optional: ClassVar[tuple[str, ...]] = ("seed", "momentum_schedule")
    """Those that may be None."""

    @classmethod
    def checked(cls: type[Self], **values: Any) -> Self:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        own = [field.name for field in fields(cls)]
        checked: dict[str, Any] = {
            name: None
            if values[name] is None and name in cls.optional
            else check(name, values[name])
            for name, check in _CHECKS.items()
            if name in own
        }
        return cls(**checked)

    @property
    @abstractmethod
    def augmentations(self) -> Augmentations:
        """The changes that make a view."""

    @property
    def widths(self) -> dict[str, int]:
        """Those that are widths of the encoder."""
        names = ("feature_dim", "proj_dim")
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def fitted_to(self: Self, source: Source) -> Self:
        """Return the settings with the sizes that these patches allow, or raise `InputError`."""
        return self._with_batches_of(source.shape[0], "patches")

    def _with_batches_of(self: Self, n: int, what: str) -> Self:
        """Return the settings with batches of `n` at most, with a warning where they were more."""
        if self.batch_size <= n:
            return self
        warn(
            f"note: batch_size = {self.batch_size} is larger than the number of {what}, {n}; "
            f"using batch_size = {n}.",
            AdjustedWarning,
        )
        return replace(self, batch_size=n)

    def config(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        values = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


@dataclass(frozen=True)
class ContrastiveSettings(PretrainSettings):
    """What the methods have that compare patches by their projections."""

    proj_dim: int
    temperature: float
    noise_sd: float

    def __post_init__(self) -> None:
        """Raise `InputError` if there is nothing to compare a patch with."""
        if self.batch_size < 2:
            raise InputError(
                "batch_size",
                "must be at least 2",
                found=self.batch_size,
                hint="A patch is contrasted with the others of its batch.",
            )

    def fitted_to(self: Contrastive, source: Source) -> Contrastive:
        """Return the settings with a batch of at least 2 and at most all patches."""
        n = source.shape[0]
        if n < 2:
            raise InputError(
                "batch_size",
                f"must not be larger than the number of patches, {n}",
                found=self.batch_size,
                hint="Give more patches.",
            )
        return super().fitted_to(source)


@dataclass(frozen=True)
class SimCLRSettings(ContrastiveSettings):
    """Arguments of `foundation_simclr_pretrain`."""

    method = architecture = "simclr"
    usual_widths: ClassVar[Mapping[str, int]] = {"feature_dim": 32, "proj_dim": 16}

    @property
    def augmentations(self) -> Augmentations:
        """Flips, dropped channels and noise, as in the original."""
        return Augmentations(flip_prob=0.5, channel_drop_prob=0.2, noise_sd=self.noise_sd)


@dataclass(frozen=True)
class MoCoSettings(ContrastiveSettings):
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

    def fitted_to(self, source: Source) -> MoCoSettings:
        """Return the settings with a queue of at most the patches beside a batch."""
        fitted = super().fitted_to(source)
        most = max(2, source.shape[0] - fitted.batch_size)
        return replace(fitted, queue_size=min(self.queue_size, most))


@dataclass(frozen=True)
class RotationSettings(PretrainSettings):
    """Arguments of `foundation_rotation_pretrain`."""

    mode: str
    val_split: float

    method = architecture = "rotation"
    usual_widths: ClassVar[Mapping[str, int]] = {"feature_dim": 256}
    optional = ("seed", "steps_per_epoch")

    @property
    def augmentations(self) -> Augmentations:
        """None: patches are turned, and stay as they are otherwise."""
        return Augmentations()

    def fitted_to(self, source: Source) -> RotationSettings:
        """Return the settings with batches, and their number an epoch, of the rows that train."""
        n, _, height, width = source.shape
        if height != width:
            raise InputError(
                source.name,
                "must be square: a quarter turn would give them another shape",
                found=f"{height} x {width} cells",
            )
        n_train = n - validation_size(n, self.val_split)
        fitted = self._with_batches_of(n_train, "patches that train")
        if fitted.steps_per_epoch is None:
            fitted = replace(fitted, steps_per_epoch=math.ceil(n_train / fitted.batch_size))
        return fitted


SETTINGS: dict[str, type[PretrainSettings]] = {
    settings.method: settings for settings in (MoCoSettings, SimCLRSettings, RotationSettings)
}


_above_0 = partial(number, above=0)
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "cutout_size_ratio": lambda name, value: share(name, _above_0(name, value)),
    "brightness_jitter": partial(number, minimum=0, below=1),
    "mode": partial(choice, allowed=("all", "fixed")),
    **dict.fromkeys(("feature_dim", "proj_dim", "batch_size", "epochs"), whole),
    "steps_per_epoch": whole,
    "val_split": partial(number, minimum=0, below=1),
    **dict.fromkeys(("lr", "temperature"), _above_0),
    "noise_sd": partial(number, minimum=0),
    "seed": lambda _, value: seed_number(value),
    **dict.fromkeys(
        ("momentum", "flip_prob", "rot90_prob", "channel_drop_prob", "cutout_prob"), share
    ),
    "queue_size": whole,
    "momentum_schedule": partial(choice, allowed=("cosine",)),
    "crop_ratio": ratios,
}
"""How each setting is checked, in this order."""

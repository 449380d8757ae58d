"""The settings of a fit, checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

from torch import nn

from edaphos_bridge.basics.arguments import choice, flag, number, seed_number, whole, widths
from edaphos_bridge.data.augmentations import Augmentations
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.registry import (
    CUSTOM,
    HEADS,
    POOLED_MAPS,
    check_hidden,
    make_head,
    own_head,
    reads_of,
)
from edaphos_bridge.training.aids import Aids
from edaphos_bridge.training.decoder_settings import DecoderSettings
from edaphos_bridge.training.inputs import Inputs
from edaphos_bridge.training.phase import HEAD_ALONE, AnyPhase, Phase, Solve, foundation_phase


@dataclass(frozen=True, kw_only=True)
class AidSettings:
    """What helps any fit to train; `None`, 0 and False are without it."""

    class_weight: str | dict[str, float] | None = None
    label_smoothing: float = 0.0
    patience: int | None = None
    augment: Augmentations | None = None

    def aids(self) -> Aids:
        """Return what training takes of them."""
        return Aids(self.patience, None if self.augment is None else self.augment.views)

    def aids_config(self) -> dict[str, Any]:
        """Return those in use, as JSON values."""
        values = {
            "class_weight": self.class_weight,
            "label_smoothing": self.label_smoothing,
            "patience": self.patience,
            "augment": None if self.augment is None else self.augment.describe(),
        }
        return {name: value for name, value in values.items() if value}


def checked_aids(
    *,
    class_weight: Any = None,
    label_smoothing: Any = 0.0,
    patience: Any = None,
    augment: Any = False,
) -> dict[str, Any]:
    """Return the fields of `AidSettings`, or raise `InputError`."""
    return {
        "class_weight": _class_weight(class_weight),
        "label_smoothing": number("label_smoothing", label_smoothing, minimum=0, below=1),
        "patience": None if patience is None else whole("patience", patience),
        "augment": _augment(augment),
    }


def _class_weight(value: Any) -> str | dict[str, float] | None:
    if value is None or isinstance(value, str):
        return value if value is None else choice("class_weight", value, ("balanced", "capped"))
    if not isinstance(value, Mapping):
        raise InputError(
            "class_weight",
            "must be 'balanced', 'capped', or the weight of each class by its name",
            found=type(value).__name__,
        )
    return {str(name): number("class_weight", weight, above=0) for name, weight in value.items()}


def _augment(value: Any) -> Augmentations | None:
    if value is None or isinstance(value, Augmentations):
        return value
    if isinstance(value, Mapping):
        return Augmentations.checked("augment", value)
    return Augmentations(flip_prob=0.5, rot90_prob=0.75) if flag("augment", value) else None


@dataclass(frozen=True)
class HeadSettings:
    """Which head a fit trains."""

    head: str
    hidden: tuple[int, ...]
    dropout: float | tuple[float, ...]
    own: Any = field(default=None, compare=False)

    @classmethod
    def checked(cls, *, head: Any, hidden: Any, dropout: Any) -> HeadSettings:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        own = None
        if callable(head):
            head, own = CUSTOM, head
        if not isinstance(head, str) or head != CUSTOM:  # which a file may say, and no user
            head = choice("head", head, HEADS)
        if isinstance(dropout, Sequence) and not isinstance(dropout, str) and head == "concat_pool":
            dropout = tuple(number("dropout", share, minimum=0, below=1) for share in dropout)
        else:
            dropout = number("dropout", dropout, minimum=0, below=1)
        settings = cls(head, widths("hidden", hidden), dropout, own)
        settings._check_together()
        return settings

    def _check_together(self) -> None:
        if self.head == "mlp" and not self.hidden:
            raise InputError(
                "hidden",
                "must name at least one width when `head` is 'mlp'",
                found=[],
                hint="head = 'linear' has no hidden layer.",
            )
        if self.head in ("mlp", "concat_pool"):
            check_hidden(self.hidden)
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.hidden) + 1:
            raise InputError(
                "dropout",
                f"must be one number, or one for each of {len(self.hidden) + 1} linear layers",
                found=list(self.dropout),
            )

    def check_own(self) -> None:
        """Raise `InputError` for a head of the user's without one."""
        if self.head == CUSTOM and self.own is None:
            choice("head", self.head, HEADS)

    @property
    def reads(self) -> str:
        """What the head takes of an encoder."""
        return POOLED_MAPS if self.head == "concat_pool" else reads_of(self.own)

    def given(self, shapes: Sequence[Sequence[int]], n_outputs: int) -> nn.Module | None:
        """Return a user's module as a head of these shapes; None where one is made later.

        Raises
        ------
        InputError
            If it is none.
        """
        is_one = isinstance(self.own, nn.Module)
        return own_head(self.own, shapes[-1][0], n_outputs) if is_one else None

    def made(self, inputs: Inputs, n_outputs: int) -> nn.Module:
        """Return an untrained head.

        Raises
        ------
        InputError
            If one of the user's is none for these widths.
        """
        width = inputs.feature_dim
        if self.head != CUSTOM:
            return make_head(self.head, width, n_outputs, self.hidden, self.dropout)
        return own_head(self.own, width if self.reads != POOLED_MAPS else 2 * width, n_outputs)

    def config(self) -> dict[str, Any]:
        """Return them as JSON values."""
        shares = self.dropout
        return {
            "head": self.head,
            "hidden": list(self.hidden),
            "dropout": list(shares) if isinstance(shares, tuple) else shares,
        }


AnyHead = HeadSettings | DecoderSettings


def head_settings(head: Any, hidden: Any, dropout: Any, decoder: Any) -> AnyHead:
    """Return the settings of a decoder if there is to be one, else those of a head."""
    if decoder is not None:
        return DecoderSettings.checked(decoder=decoder)
    return HeadSettings.checked(head=head, hidden=hidden, dropout=dropout)


@dataclass(frozen=True)
class FitSettings(AidSettings):
    """Arguments of `foundation_fit_classifier` other than the data and the encoder.

    `seed` stays None until the fit starts and one is drawn.
    """

    freeze_backbone: bool
    head: AnyHead
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    backbone_lr_mult: float
    val_split: float
    seed: int | None

    @classmethod
    def checked(
        cls,
        *,
        freeze_backbone: Any,
        head: Any = None,
        hidden: Any = (),
        dropout: Any = 0.0,
        decoder: Any = None,
        epochs: Any,
        batch_size: Any,
        lr: Any,
        weight_decay: Any,
        backbone_lr_mult: Any,
        val_split: Any,
        seed: Any,
        **aids: Any,
    ) -> FitSettings:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        settings = cls(
            freeze_backbone=flag("freeze_backbone", freeze_backbone),
            head=head_settings(head, hidden, dropout, decoder),
            epochs=whole("epochs", epochs),
            batch_size=whole("batch_size", batch_size),
            lr=number("lr", lr, above=0),
            weight_decay=number("weight_decay", weight_decay, minimum=0),
            backbone_lr_mult=number("backbone_lr_mult", backbone_lr_mult, minimum=0),
            val_split=number("val_split", val_split, minimum=0, below=1),
            seed=None if seed is None else seed_number(seed),
        )
        return replace(settings, **checked_aids(**aids))

    @classmethod
    def among(cls, arguments: Mapping[str, Any]) -> FitSettings:
        """Return the settings among the arguments of a verb, or raise `InputError`."""
        names = [
            *signature(cls.checked).parameters,
            *signature(checked_aids).parameters,
        ]
        return cls.checked(**{name: arguments[name] for name in names if name in arguments})

    def phases(self) -> list[AnyPhase]:
        """Return the one phase of the fit."""
        return [
            Phase(
                self.epochs,
                self.lr,
                self.backbone_lr_mult,
                HEAD_ALONE if self.freeze_backbone else 0,
                batch_size=self.batch_size,
                weight_decay=self.weight_decay,
            )
        ]

    def config(self) -> dict[str, Any]:
        """Return the settings that the R original keeps in ``config``, under its names."""
        names = (
            "epochs",
            "batch_size",
            "lr",
            "weight_decay",
            "backbone_lr_mult",
            "val_split",
            "seed",
        )
        values = {name: getattr(self, name) for name in names}
        return {**self.head.config(), **values, **self.aids_config()}


@dataclass(frozen=True)
class RecipeSettings(AidSettings):
    """Phases one after the other; `recipe` is what they are called."""

    recipe: str
    recipe_phases: tuple[Phase, ...]
    head: AnyHead
    batch_size: int
    val_split: float
    seed: int | None
    freeze_backbone: bool = False

    @classmethod
    def checked(
        cls,
        *,
        recipe: Any,
        phases: Sequence[Any],
        head: Any = None,
        hidden: Any = (),
        dropout: Any = 0.0,
        decoder: Any = None,
        batch_size: Any,
        val_split: Any,
        seed: Any,
        epochs: Any = None,
        **aids: Any,
    ) -> RecipeSettings:
        """Return the settings, or raise `InputError` for the first that cannot be used.

        `epochs`, which a file has, are those that were run.
        """
        described = [
            phase if isinstance(phase, Phase) else foundation_phase(**phase) for phase in phases
        ]
        size = whole("batch_size", batch_size)
        settings = cls(
            recipe=recipe,
            recipe_phases=tuple(
                replace(phase, batch_size=phase.batch_size or size) for phase in described
            ),
            head=head_settings(head, hidden, dropout, decoder),
            batch_size=size,
            val_split=number("val_split", val_split, minimum=0, below=1),
            seed=None if seed is None else seed_number(seed),
        )
        return replace(settings, **checked_aids(**aids))

    def phases(self) -> list[AnyPhase]:
        """Return them."""
        return list(self.recipe_phases)

    def config(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            **self.head.config(),
            "recipe": self.recipe,
            "phases": [phase.describe() for phase in self.recipe_phases],
            "batch_size": self.batch_size,
            "val_split": self.val_split,
            "seed": self.seed,
            **self.aids_config(),
        }


@dataclass(frozen=True)
class SolveSettings(AidSettings):
    """A linear head by L-BFGS on all rows, as a sweep's best one is fitted again."""

    C: float
    seed: int | None
    hidden: tuple[int, ...]
    val_split = 0.0
    freeze_backbone = True

    @property
    def head(self) -> HeadSettings:
        """A linear one."""
        return HeadSettings("linear", self.hidden, 0.0)

    def phases(self) -> list[AnyPhase]:
        """Return the one phase of the fit."""
        return [Solve(self.C)]

    def config(self) -> dict[str, Any]:
        """Return the settings; Adam's would be untrue."""
        return {
            "solver": "lbfgs",
            "C": self.C,
            "epochs": 0,  # evaluations of the gradient, when it has run
            **self.head.config(),
            "val_split": self.val_split,
            "seed": self.seed,
        }


def no_class_weight(settings: AidSettings) -> None:
    """Raise `InputError` where a task without classes is to have weights or smoothing of them."""
    for name in ("class_weight", "label_smoothing"):
        if getattr(settings, name):
            raise InputError(name, "is for classifiers", found=getattr(settings, name))


Settings = FitSettings | RecipeSettings | SolveSettings
Draw = Callable[[], int]

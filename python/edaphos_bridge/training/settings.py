"""The settings of a classifier fit, checked once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edaphos_bridge.basics.arguments import choice, flag, number, seed_number, whole, widths
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.registry import check_hidden
from edaphos_bridge.training.phase import Epochs, Phase, Solve


@dataclass(frozen=True)
class FitSettings:
    """Arguments of `foundation_fit_classifier` other than the data and the encoder.

    `seed` stays None until the fit starts and one is drawn.
    """

    freeze_backbone: bool
    head: str
    hidden: tuple[int, ...]
    dropout: float
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
        head: Any,
        hidden: Any,
        dropout: Any,
        epochs: Any,
        batch_size: Any,
        lr: Any,
        weight_decay: Any,
        backbone_lr_mult: Any,
        val_split: Any,
        seed: Any,
    ) -> FitSettings:
        """Return the settings, or raise `InputError` for the first that cannot be used."""
        settings = cls(
            freeze_backbone=flag("freeze_backbone", freeze_backbone),
            head=choice("head", head, ("linear", "mlp")),
            hidden=widths("hidden", hidden),
            dropout=number("dropout", dropout, minimum=0, below=1),
            epochs=whole("epochs", epochs),
            batch_size=whole("batch_size", batch_size),
            lr=number("lr", lr, above=0),
            weight_decay=number("weight_decay", weight_decay, minimum=0),
            backbone_lr_mult=number("backbone_lr_mult", backbone_lr_mult, minimum=0),
            val_split=number("val_split", val_split, minimum=0, below=1),
            seed=None if seed is None else seed_number(seed),
        )
        if settings.head == "mlp" and not settings.hidden:
            raise InputError(
                "hidden",
                "must name at least one width when `head` is 'mlp'",
                found=[],
                hint="head = 'linear' has no hidden layer.",
            )
        if settings.head == "mlp":
            check_hidden(settings.hidden)
        return settings

    def phases(self) -> list[Phase]:
        """Return the one phase of the fit."""
        encoder_lr = None if self.freeze_backbone else self.lr * self.backbone_lr_mult
        return [Epochs(self.epochs, self.batch_size, self.lr, encoder_lr, self.weight_decay)]

    def config(self) -> dict[str, Any]:
        """Return the settings that the R original keeps in ``config``, under its names."""
        values = asdict(self)
        del values["freeze_backbone"]  # an element of the fit itself
        return {**values, "hidden": list(self.hidden)}


@dataclass(frozen=True)
class SolveSettings:
    """A linear head by L-BFGS on all rows, as a sweep's best one is fitted again."""

    C: float
    seed: int | None
    hidden: tuple[int, ...]
    head = "linear"
    dropout = 0.0
    val_split = 0.0
    freeze_backbone = True

    def phases(self) -> list[Phase]:
        """Return the one phase of the fit."""
        return [Solve(self.C)]

    def config(self) -> dict[str, Any]:
        """Return the settings; Adam's would be untrue."""
        return {
            "solver": "lbfgs",
            "C": self.C,
            "epochs": 0,  # evaluations of the gradient, when it has run
            "head": self.head,
            "hidden": list(self.hidden),
            "dropout": self.dropout,
            "val_split": self.val_split,
            "seed": self.seed,
        }

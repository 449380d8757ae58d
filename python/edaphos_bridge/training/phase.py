"""Phases: the parts of a fit, one after the other. Only weights cross from one to the next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epochs:
    """Epochs of mini-batches with Adam.

    Attributes
    ----------
    epochs, batch_size : int
    lr : float
        Learning rate of the head.
    encoder_lr : float or None
        Learning rate of the encoder; None where it is frozen.
    weight_decay : float
        Coupled, of all that trains.
    """

    epochs: int
    batch_size: int
    lr: float
    encoder_lr: float | None
    weight_decay: float

    @property
    def trains_encoder(self) -> bool:
        """Whether weights below the head change."""
        return self.encoder_lr is not None


@dataclass(frozen=True)
class Solve:
    """A linear head at the minimum of its penalised loss, by L-BFGS, on a frozen encoder.

    Attributes
    ----------
    C : float
        Inverse penalty, in scikit-learn's notation.
    """

    C: float
    trains_encoder = False


Phase = Epochs | Solve

"""Which decoder a segmenter trains, and what trains with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.basics.devices import on_meta
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads.decoder import COARSEST_MAP, MAPS, MapShapes
from edaphos_bridge.heads.decoders import DECODERS, FROM_SCRATCH, make_decoder
from edaphos_bridge.heads.own_decoder import own_decoder
from edaphos_bridge.heads.registry import CUSTOM, reads_of
from edaphos_bridge.training.inputs import Inputs

REGIMES = ("frozen", "finetune", FROM_SCRATCH)


@dataclass(frozen=True)
class DecoderSettings:
    """Which decoder a segmenter trains, as `HeadSettings` of heads."""

    decoder: str
    own: Any = field(default=None, compare=False)

    @classmethod
    def checked(cls, *, decoder: Any) -> DecoderSettings:
        """Return the settings, or raise `InputError`."""
        if callable(decoder):
            return cls(CUSTOM, decoder)
        if decoder not in (CUSTOM, FROM_SCRATCH):  # which a file may say, and no user
            choice("decoder", decoder, tuple(DECODERS))
        return cls(decoder)

    @property
    def head(self) -> str:
        """What kind of head it is."""
        return self.decoder

    def check_own(self) -> None:
        """Raise `InputError` for a decoder of the user's without one."""
        if self.decoder == CUSTOM and self.own is None:
            choice("decoder", self.decoder, tuple(DECODERS))

    @property
    def reads(self) -> str:
        """What the decoder takes of an encoder; of one that a function makes it may be all."""
        if self.decoder != CUSTOM:
            return DECODERS[self.decoder].reads if self.decoder in DECODERS else COARSEST_MAP
        is_one = isinstance(self.own, nn.Module)
        return COARSEST_MAP if is_one and reads_of(self.own) != MAPS else MAPS

    def given(self, shapes: Sequence[Sequence[int]], n_outputs: int) -> nn.Module | None:
        """Return a user's module as a decoder of these shapes; None where one is made later.

        Raises
        ------
        InputError
            If it is none, or one with a name does not reach the cells of a patch.
        """
        if isinstance(self.own, nn.Module):
            return own_decoder(self.own, MapShapes.of(shapes), n_outputs)
        if self.decoder != CUSTOM:
            with on_meta():
                make_decoder(self.decoder, MapShapes.of(shapes), 1)
        return None

    def made(self, inputs: Inputs, n_outputs: int) -> nn.Module:
        """Return an untrained decoder.

        Raises
        ------
        InputError
            If it does not reach the cells of a patch, or is none.
        """
        shapes = MapShapes.of(inputs.shapes)
        if self.decoder == CUSTOM:
            return own_decoder(self.own, shapes, n_outputs)
        return make_decoder(self.decoder, shapes, n_outputs)

    def config(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {"decoder": self.decoder}


def regime_and_decoder(regime: Any, decoder: Any) -> tuple[str, Any]:
    """Return regime and decoder, or raise `InputError` if they do not go together."""
    way = choice("regime", regime, REGIMES)
    if way != FROM_SCRATCH:
        if isinstance(decoder, str):
            choice("decoder", decoder, tuple(DECODERS))
        return way, "clay" if decoder is None else decoder
    if decoder is not None:
        raise InputError(
            "decoder",
            "must not be given with regime 'from_scratch', whose network has its own",
            found=decoder if isinstance(decoder, str) else type(decoder).__name__,
            hint="An untrained foundation_encoder() with regime = 'finetune' takes any decoder.",
        )
    return way, FROM_SCRATCH


def how_it_trains(regime: str, backbone_lr_mult: Any) -> dict[str, Any]:
    """Return what a regime is among the settings of a fit."""
    return {
        "freeze_backbone": regime == "frozen",
        "backbone_lr_mult": 1.0 if regime == FROM_SCRATCH else backbone_lr_mult,
    }

"""Decoders by their names."""

from __future__ import annotations

from edaphos_bridge.heads.clay_decoder import ClayDecoder
from edaphos_bridge.heads.decoder import Decoder, MapShapes
from edaphos_bridge.heads.linear_decoder import LinearDecoder
from edaphos_bridge.heads.scratch_decoder import ScratchDecoder
from edaphos_bridge.heads.unet_decoder import UNetDecoder

DECODERS: dict[str, type[ClayDecoder | UNetDecoder | LinearDecoder]] = {
    "clay": ClayDecoder,
    "unet": UNetDecoder,
    "linear": LinearDecoder,
}
"""Those that a user may name; the network from scratch has one of its own."""


def make_decoder(name: str, shapes: MapShapes, n_outputs: int) -> Decoder:
    """Return an untrained decoder of a name in `DECODERS`, or ``"from_scratch"``.

    Raises
    ------
    InputError
        If it does not reach the cells of a patch from these maps.
    """
    if name == "from_scratch":
        return ScratchDecoder(shapes, n_outputs)
    return DECODERS[name](shapes, n_outputs)

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
"""Those that a user may name."""

FROM_SCRATCH = "from_scratch"
"""That of the network from scratch."""


def make_decoder(name: str, shapes: MapShapes, n_outputs: int) -> Decoder:
    """Return an untrained decoder of a name in `DECODERS`, or `FROM_SCRATCH`.

    Raises
    ------
    InputError
        If it does not reach the cells of a patch from these maps.
    """
    if name == FROM_SCRATCH:
        return ScratchDecoder(shapes, n_outputs)
    return DECODERS[name](shapes, n_outputs)

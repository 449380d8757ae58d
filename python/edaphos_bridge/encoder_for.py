"""`foundation_encoder_for()`."""

from __future__ import annotations

from typing import Any

from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import choice
from edaphos_bridge.encoders.copying import as_module, own_copy
from edaphos_bridge.encoders.sensors import SENSORS, SensorEncoder
from edaphos_bridge.errors import InputError


@plain
def foundation_encoder_for(object: Any, sensors: str = "mean") -> nn.Module:
    """Return the encoder of one sensor, or of both, out of one that was pretrained on two.

    Parameters
    ----------
    object : encoder of two sensors, or a fit that holds one
        From `foundation_swav_pretrain` with `x_b`, or a fit on such an encoder. It is not changed.
    sensors : {"mean", "concat", "a", "b"}
        Of both sensors, the mean of their features ``(B, D)`` or those of a, then those of b
        ``(B, 2 * D)``, from patches whose channels are those of a, then those of b; or of one
        sensor alone, from its patches.

    Returns
    -------
    torch.nn.Module
        An encoder for every fit function, with weights of its own and with the normalisation of its
        bands. That of one sensor is of the class of the encoder that was pretrained, as
        `MoCoEncoder`.

    Raises
    ------
    InputError
        If `object` holds no encoder of two sensors.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_embed, foundation_swav_pretrain
    >>> rng = np.random.default_rng(1)
    >>> visible, radar = rng.normal(size=(60, 4, 9, 9)), rng.normal(size=(60, 2, 9, 9))
    >>> fit = foundation_swav_pretrain(visible, radar, feature_dim=8, epochs=3, seed=1)
    >>> foundation_embed(foundation_encoder_for(fit, "a"), visible).shape
    (60, 8)
    >>> both = np.concatenate([visible, radar], axis=1)
    >>> foundation_embed(foundation_encoder_for(fit, "concat"), both).shape
    (60, 16)
    """
    wanted = choice("sensors", sensors, SENSORS)
    module = as_module(getattr(object, "classifier", object), "object")
    if not isinstance(module, SensorEncoder):
        raise InputError(
            "object",
            "must hold an encoder of two sensors",
            found=type(module).__name__,
            hint="foundation_swav_pretrain() with x_b makes one.",
        )
    return own_copy(module.of(wanted))

"""Patches in other units than those that an encoder learnt from are warned about."""

from __future__ import annotations

import torch

from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.errors import warn

# A mean so many standard deviations off is no chance, nor a spread so many times too wide or
# narrow.
_FAR = 5.0
# Nor is the mean of one channel alone so far off: rare large values stay below it.
_ANOTHER_UNIT = 100.0
_OFF = 2.0
# Fewer patches may well lie on one field, where all cells are nearly alike.
_FEWEST_FOR_SPREAD = 16


_READ_RAW = "foundation_patches_at_coords() reads patches of a raster as it expects them."


def warn_about_scale(
    sample: torch.Tensor,
    expected: Normalisation,
    argument: str,
    *,
    training: bool,
    hint: str = _READ_RAW,
) -> None:
    """Warn if some patches ``(n, C, H, W)`` do not look like what an encoder was pretrained on.

    Where they come from all over the training data (`training`), their spread says more.

    Five signs count: most channels are far off; one is so far off that its unit is another; all are
    somewhat off and vary too little; all are as raw cells are, where these differ much from what is
    expected; or, in training, all vary too little.
    """
    cells = sample.double().movedim(1, 0).flatten(1)
    means, sds = cells.mean(dim=1), cells.std(dim=1, correction=0)
    raw = torch.tensor([expected.means, expected.sds], dtype=torch.float64)
    standard = torch.stack([torch.zeros(len(means)), torch.ones(len(means))]).double()
    (mean, sd), (other_mean, other_sd) = (standard, raw) if expected.normalise else (raw, standard)
    distance = torch.maximum((means - mean).abs() / sd, sds / sd)
    far = distance > _FAR
    as_other = (
        ((means - other_mean).abs() <= other_sd) & (sds <= 2 * other_sd) & (other_sd <= sd / _FAR)
    )
    narrow = (sds > 0) & (sds < sd / _FAR)
    off = (means - mean).abs() / sd > _OFF
    enough = len(sample) >= _FEWEST_FOR_SPREAD
    if far.double().mean() > 0.5 or (distance > _ANOTHER_UNIT).any():
        channel = int(distance.argmax())
    elif enough and (as_other.all() or (narrow & (off | training)).all()):
        channel = int((sds / sd).argmin())
    else:
        return
    made = ""
    if expected.normalise:
        made = f" (cells less {raw[0, channel]:.4g}, divided by {raw[1, channel]:.4g})"
    warn(
        f"`{argument}` does not look like what the encoder was pretrained on: channel "
        f"{expected.bands[channel]} has mean {means[channel]:.4g} and sd {sds[channel]:.4g}, "
        f"the encoder expects mean {mean[channel]:.4g} and sd {sd[channel]:.4g}{made}. "
        f"{hint}"
    )

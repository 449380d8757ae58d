"""Small encoders of every architecture that has a name, and BatchNorms that say something."""

import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders.foundation import ARCHITECTURES

XRESNETS = ("xresnet18", "xresnet34", "xresnet50")
SMALL = {
    **{name: {"feature_dim": 6, "proj_dim": 4} for name in ("moco", "simclr")},
    "rotation": {"feature_dim": 6, "patch_size": 5},
    **{name: {"width": 2, "stem": "small"} for name in XRESNETS},
}
NAMES = sorted(ARCHITECTURES)


def small_encoder(name, in_channels, **changes):
    return foundation_encoder(name, in_channels, **{**SMALL[name], "seed": 1, **changes})


def with_other_norms(encoder):
    """Put BatchNorms, if any, far from their initial state; that of a block's end is zero then."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in encoder.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2, generator=generator)
                layer.bias.normal_(0, 0.3, generator=generator)
                layer.running_mean.normal_(0, 0.3, generator=generator)
                layer.running_var.uniform_(0.1, 3, generator=generator)
    return encoder.eval()

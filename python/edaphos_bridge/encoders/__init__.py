"""Encoders: modules from patches ``(B, C, H, W)`` to features ``(B, D)``."""

from edaphos_bridge.encoders.foundation import foundation_encoder
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.rotation import RotationEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.encoders.xresnet import XResNet

__all__ = ["MoCoEncoder", "RotationEncoder", "SimCLREncoder", "XResNet", "foundation_encoder"]

"""Encoders: modules from patches ``(B, C, H, W)`` to features ``(B, D)``."""

from edaphos_bridge.encoders.foundation import foundation_encoder
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.sensors import SensorEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder

__all__ = ["MoCoEncoder", "SensorEncoder", "SimCLREncoder", "foundation_encoder"]

"""Real data that comes with the package."""

from edaphos_bridge.basics.interrupts import held

with held():
    from edaphos_bridge.datasets.statlog import (
        StatlogLandsat,
        StatlogScene,
        statlog_landsat,
        statlog_scene,
    )

__all__ = ["StatlogLandsat", "StatlogScene", "statlog_landsat", "statlog_scene"]

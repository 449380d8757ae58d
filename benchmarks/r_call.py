"""The part of an R call that Python's own call would take too.

`fit` of `interop.calls.classifiers` calls `fit_classifier`, which all entrances have in common. Its
time is taken inside the R call; the rest of the R call's wall time is what R costs: checks, values
that cross, the encoder's bytes read and the fit's written.
"""

from __future__ import annotations

import json
import time
from typing import Any

from edaphos_bridge.interop.calls import classifiers


class TimeInside:
    """Take the time of `fit_classifier` from now on in this process."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        function = classifiers.fit_classifier

        def timed(*args: Any) -> Any:
            started = time.perf_counter()
            result = function(*args)
            self.seconds.append(time.perf_counter() - started)
            return result

        classifiers.fit_classifier = timed

    def report(self, walls: list[float]) -> str:
        """Return as JSON the seconds in R and in Python, without the first call."""
        assert len(walls) == len(self.seconds)
        return json.dumps({"r": walls[1:], "python": self.seconds[1:]})

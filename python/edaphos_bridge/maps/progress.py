"""How far a map is: blocks, rate and time left, as lines or as a bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tqdm import tqdm

# So many lines of a map at most, beside the first.
_LINES = 20


@dataclass(frozen=True)
class BlockReport:
    """What is known when a block of a map is finished.

    Attributes
    ----------
    done, total : int
        Blocks; `done` counts those that an earlier run left.
    rate : float
        Blocks a second, in this run.
    seconds_left : float
    """

    done: int
    total: int
    rate: float
    seconds_left: float

    def line(self) -> str:
        """Return it as a line.

        >>> BlockReport(3, 12, 0.5, 18.0).line()
        '[map] block  3/12  0.50 blocks/s  0:00:18 left'
        """
        width, left = len(str(self.total)), round(self.seconds_left)
        clock = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        return (
            f"[map] block {self.done:{width}d}/{self.total}  {self.rate:.2f} blocks/s  {clock} left"
        )

    @property
    def is_told(self) -> bool:
        """Whether it is among the few that are printed."""
        share = self.total / _LINES
        return self.done in (1, self.total) or self.done // share > (self.done - 1) // share


Tell = Callable[[BlockReport], None]


class Count:
    """Counts finished blocks and tells how far the map is."""

    def __init__(self, done: int, total: int, tell: Tell) -> None:
        self._before, self._done, self._total, self._tell = done, done, total, tell
        self._started = time.monotonic()

    def one_more(self) -> None:
        """Tell of a block."""
        self._done += 1
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (self._done - self._before) / seconds
        self._tell(BlockReport(self._done, self._total, rate, (self._total - self._done) / rate))


@contextmanager
def console(*, verbose: bool) -> Iterator[Tell]:
    """Yield what prints lines (`verbose`) or draws a bar (only in a terminal)."""
    if verbose:
        yield _print
        return
    with tqdm(desc="map", unit="block", disable=None, delay=0.5, leave=False) as bar:

        def draw(report: BlockReport) -> None:
            bar.total = report.total
            bar.update(report.done - bar.n)

        yield draw


def _print(report: BlockReport) -> None:
    if report.is_told:
        print(report.line(), flush=True)

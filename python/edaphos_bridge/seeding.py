"""Randomness that comes from one seed and leaves torch's own generators as they were."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from edaphos_bridge import vector_math  # noqa: F401  (before anything is computed)

# torch's default generators belong to the process: two seeded sections in two threads
# would draw from each other's stream, so they take turns.
_TURN = threading.RLock()


def draw_seed() -> int:
    """Return a fresh seed from the operating system, small enough for an R integer."""
    return secrets.randbelow(2**31 - 1)


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the cpu's and `device`'s default generators, and put them back at the end."""
    generators: list[Any] = [torch.random]
    if device is not None and device.type in ("cuda", "mps"):
        generators.append(getattr(torch, device.type))
    with _TURN:
        states = [generator.get_rng_state() for generator in generators]
        try:
            torch.default_generator.manual_seed(seed)
            for generator in generators[1:]:
                generator.manual_seed(seed)
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_rng_state(state)

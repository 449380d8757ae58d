"""How large the measurements are: in full, and small enough for a look or a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of patches, epochs, steps and runs."""

    n: int = 500
    cached: int = 50_000
    swept: int = 4_000
    predicted: int = 20_000
    converted: int = 4_000
    probe_epochs: int = 40
    head_epochs: int = 3
    sweep_epochs: int = 10
    fine_tune_epochs: int = 5
    moco_batch: int = 64
    moco_steps: int = 10
    runs: int = 9
    short_runs: int = 15  # where a run takes less than two seconds
    many_runs: int = 45  # where pairs of processes differ much
    apart: bool = True  # reference and ours in processes of their own


FULL = Sizes()
QUICK = Sizes(
    cached=5_000,
    swept=500,
    predicted=1_000,
    converted=500,
    probe_epochs=10,
    head_epochs=1,
    sweep_epochs=2,
    fine_tune_epochs=1,
    moco_steps=3,
    runs=2,
    short_runs=2,
    many_runs=2,
)
TINY = Sizes(
    n=40,
    cached=200,
    swept=50,
    predicted=20,
    converted=10,
    probe_epochs=2,
    head_epochs=2,
    sweep_epochs=2,
    fine_tune_epochs=2,
    moco_batch=4,
    moco_steps=1,
    runs=1,
    short_runs=1,
    many_runs=1,
    apart=False,
)

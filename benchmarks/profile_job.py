"""Where the time of one job goes: ``python -m benchmarks.profile_job probe``.

Prints torch's operators by their own time, or with ``--python`` the Python functions
(cProfile). Sizes are those of ``make bench``; a first call is not profiled.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import data
from benchmarks.conversion import r_like
from benchmarks.machine import require_device
from benchmarks.sizes import FULL, QUICK, Sizes
from edaphos_bridge import foundation_fit_classifier, foundation_moco_pretrain
from edaphos_bridge.patches import Patches


def jobs(sizes: Sizes, device: str) -> dict[str, Callable[[], Callable[[], Any]]]:
    """Return for each job a function that prepares it and returns what is to be profiled."""

    def fit(encoder: Any, n: int, **settings: Any) -> Callable[[], Any]:
        x = data.features(n) if isinstance(encoder, torch.nn.Flatten) else data.patches(n)
        y, same = data.labels(n), {"seed": 1, "device": device}
        return lambda: foundation_fit_classifier(encoder, x, y, **settings, **same)

    def predict() -> Callable[[], Any]:
        classifier, x = fit(data.moco(), 30, epochs=1)(), data.patches(sizes.predicted)
        return lambda: classifier.predict_proba(x)

    def moco() -> Callable[[], Any]:
        x, settings = data.patches(sizes.n), {"batch_size": sizes.moco_batch, "seed": 1}
        steps = sizes.moco_steps
        return lambda: foundation_moco_pretrain(x, epochs=steps, device=device, **settings)

    def conversion() -> Callable[[], Any]:
        x = r_like(sizes.converted)
        return lambda: Patches(x).tensor()

    epochs = sizes.probe_epochs
    return {
        "probe": lambda: fit(data.moco(), sizes.n, epochs=epochs),
        "head": lambda: fit(data.flatten(), sizes.cached, epochs=sizes.head_epochs),
        "mlp": lambda: fit(data.flatten(), sizes.n, head="mlp", epochs=epochs),
        "fine-tuning": lambda: fit(
            data.moco(), sizes.n, freeze_backbone=False, epochs=sizes.fine_tune_epochs
        ),
        "predict": predict,
        "moco": moco,
        "conversion": conversion,
    }


def main(arguments: list[str] | None = None) -> None:
    """Profile one job and print where its time went."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile_job", description=__doc__)
    parser.add_argument("job", choices=jobs(FULL, "cpu"))
    parser.add_argument("--python", action="store_true", help="Python functions, not operators")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--rows", type=int, default=20)
    options = parser.parse_args(arguments)
    require_device(options.device)
    sizes = QUICK if options.quick else FULL
    work = jobs(sizes, options.device)[options.job]()
    work()
    if options.python:
        profiler = cProfile.Profile()
        profiler.runcall(work)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(options.rows)
        return
    activities = [ProfilerActivity.CPU]
    if options.device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as found:
        work()
    order = f"self_{options.device}_time_total"
    print(found.key_averages().table(sort_by=order, row_limit=options.rows))


if __name__ == "__main__":
    main()

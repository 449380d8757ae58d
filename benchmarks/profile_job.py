"""Where the time of one job goes: ``python -m benchmarks.profile_job probe``.

Prints torch's operators by their own time, or with ``--python`` the Python functions
(cProfile). Sizes are those of ``make bench``; a first call is not profiled.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
from collections.abc import Callable
from functools import partial

from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks import data, rows_predict
from benchmarks.data import FULL, QUICK, Sizes
from benchmarks.machine import require_device
from benchmarks.rows_training import our_fit
from benchmarks.timing import Prepare, Run
from edaphos_bridge import foundation_moco_pretrain
from edaphos_bridge.data.patches import Patches


def jobs(sizes: Sizes, device: str) -> dict[str, Prepare]:
    """Return for each job a function that prepares it and returns what is to be profiled."""

    def moco() -> Run:
        x, settings = data.patches(sizes.n), {"batch_size": sizes.moco_batch, "seed": 1}
        steps = sizes.moco_steps
        return lambda: foundation_moco_pretrain(x, epochs=steps, device=device, **settings)

    def conversion() -> Run:
        x = data.as_r_has_it(sizes.converted)
        return lambda: Patches(x).tensor()

    def fit(make: Callable[[], nn.Module], n: int, epochs: int, **settings: object) -> Prepare:
        return partial(our_fit, make, n, epochs=epochs, device=device, **settings)

    n, epochs, fine_tuned = sizes.n, sizes.probe_epochs, sizes.fine_tune_epochs
    return {
        "probe": fit(data.moco, n, epochs),
        "head": fit(data.flatten, sizes.cached, sizes.head_epochs),
        "mlp": fit(data.flatten, n, epochs, head="mlp"),
        "fine-tuning": fit(data.moco, n, fine_tuned, freeze_backbone=False),
        "predict": partial(rows_predict.ours, "MoCo", sizes.predicted, device),
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

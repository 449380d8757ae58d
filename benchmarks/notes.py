"""What stops a row that does not reach its target; printed below the table, by the row's key."""

from __future__ import annotations

_COPY = (
    "the reference neither copies nor checks. A module of the user's may write to its input, so it "
    "gets a copy of each batch, and every cell is checked for NaN and infinity: more passes over "
    "memory, which an encoder this light does not hide."
)

NOTES: dict[str, str] = {
    "fine-tuning": (
        "two thirds of our time are oneDNN's convolutions and their gradients (`python -m "
        "benchmarks.profile_job fine-tuning`), and the plain loop calls the same. Channels "
        "last and Adam in one kernel, of which the profile shows a twentieth of a step left, "
        "are what this row gains; BatchNorm, ReLU, their gradients and the sums are torch's "
        "own kernels in both. More was seen only while other work loaded the machine."
    ),
    "predict-simclr": (
        "every cell of `x` is checked for NaN and infinity, which the reference does not do. "
        "It also depends on what the process did before: with `--only predict` 1.85 was seen."
    ),
    "predict-network": _COPY,
    "predict-linear": _COPY,
    "fine-tuning-result": (
        "rounding alone does that: the plain loop with another number of threads differs from "
        "itself as much (the row below it), while the losses agree. The biases of convolutions "
        "before BatchNorm have no gradient but rounding; Adam divides it by its own size, the "
        "biases wander, and the running means of BatchNorm follow them late."
    ),
}

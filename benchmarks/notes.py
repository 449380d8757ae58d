"""What stops a row that does not reach its target; printed below the table, by the row's key."""

from __future__ import annotations

NOTES: dict[str, str] = {
    "fine-tuning": (
        "more than half of our time are oneDNN's convolutions and their gradients (one row has "
        "them alone, another their speed against that of matrix products), and the plain "
        "loop calls the same. What this row gains is their layout (channels last), passes that "
        "are written out, Adam in one kernel and memory that is kept. The rest is spread thin: "
        "BatchNorm, ReLU and sums are torch's own kernels in both, and what is left of Adam is "
        "mostly torch's bookkeeping for each tensor (`python -m benchmarks.profile_job "
        "fine-tuning`). Single pairs swing widely: where the machine slows its vector units "
        "down, convolutions weigh more and the figure falls."
    ),
    "fine-tuning-result": (
        "rounding alone does that: single precision takes the plain loop itself as far from its "
        "result in double precision (rows of the table), because Adam's first steps turn gradients "
        "that are rounding into steps of nearly `lr`. The losses agree."
    ),
    "predict-network": (
        "the reference neither copies nor checks. A module with code of the user's may write to "
        "its input, so it gets a copy of each batch, and every cell is checked for NaN and "
        "infinity: passes over memory (`read alone` in the table), which an encoder this light "
        "does not hide."
    ),
    "predict-linear": (
        "the reference does not check. Every cell is checked for NaN and infinity, one more "
        "pass over memory (`read alone` in the table), which an encoder this light does not hide."
    ),
}

"""What stops a row that does not reach its target; printed below the table, by the row's key."""

from __future__ import annotations

NOTES: dict[str, str] = {
    "fine-tuning": (
        "a loop that calls torch's kernels directly, without autograd's graph, modules or a check "
        "(`benchmarks/bare_kernels.py`, in the table), is as fast as these kernels can be. Beyond "
        "them ours copies the encoder, checks every cell and lays the patches out once. More than "
        "half of the time are oneDNN's convolutions and their gradients, which the plain loop "
        "calls too, in another layout. Single pairs swing widely: where the machine slows its "
        "vector units down, convolutions weigh more and the figure falls."
    ),
    "fine-tuning-result": (
        "rounding alone does that: single precision takes the plain loop itself as far from its "
        "result in double precision (rows of the table), because Adam's first steps turn gradients "
        "that are rounding into steps of nearly `lr`. The losses agree."
    ),
    "predict-network": (
        "the reference does not check. Ours reads what the first layer makes of the patches once "
        "more, for NaN and infinity. Processes differ by more than that costs."
    ),
    "predict-class": (
        "the reference neither copies nor checks. Code of a user's may write to its input, so it "
        "gets a copy of each batch, and every cell is checked for NaN and infinity: passes over "
        "memory (`read alone` in the table), which an encoder this light does not hide. In an "
        "`nn.Sequential` that begins with a convolution, the same network has neither (the row "
        "above)."
    ),
    "predict-linear": (
        "the reference does not check. Ours reads what the first layer makes of the patches once "
        "more, for NaN and infinity. Processes differ by more than that costs."
    ),
}

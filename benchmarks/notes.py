"""What stops a row that does not reach its target; printed below the table, by the row's key."""

from __future__ import annotations

NOTES: dict[str, str] = {
    "fine-tuning-result": (
        "rounding alone does that: single precision takes the plain loop itself as far from its "
        "result in double precision (rows of the table), because Adam's first steps turn gradients "
        "that are rounding into steps of nearly `lr`. The losses agree."
    ),
    "predict-class": (
        "the reference neither copies nor checks. Code of a user's may write to its input, so it "
        "gets a copy of each batch, and every cell is checked for NaN and infinity: passes over "
        "memory (`read alone` in the table), which an encoder this light does not hide."
    ),
}

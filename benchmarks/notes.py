"""What stops a row that does not reach its target; printed below the table, by the row's key."""

from __future__ import annotations

NOTES: dict[str, str] = {
    "fine-tuning-result": (
        "rounding alone does that: the plain loop with another number of threads differs from "
        "itself as much (the row below it), while the losses agree. The biases of convolutions "
        "before BatchNorm have no gradient but rounding; Adam divides it by its own size, the "
        "biases wander, and the running means of BatchNorm follow them late."
    ),
}

"""What a bootstrap draws: rows, or the groups or blocks that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.data.splits import needs, read_groups
from edaphos_bridge.errors import InputError


@dataclass(frozen=True)
class Units:
    """What is drawn again and again.

    Attributes
    ----------
    kind : {"rows", "groups", "blocks"}
    codes : numpy.ndarray of int, shape (N,)
        The unit of each row, counted from 0.
    n : int
        How many units there are.
    """

    kind: str
    codes: NDArray[np.int64]
    n: int


def units_of(n_rows: int, groups: Any = None, blocks: Any = None, block_size: Any = None) -> Units:
    """Return the groups or the blocks of the rows, or the rows themselves where none are given.

    Parameters
    ----------
    groups, blocks, block_size
        As in `foundation_fit_classifier`: the group of each row, or where it lies. One of the two
        at most.

    Raises
    ------
    InputError
        If both are given, or they cannot be used, or there is one group or block only.
    """
    if groups is not None and blocks is not None:
        raise InputError(
            "blocks", "cannot be given together with `groups`", hint="Give one of the two."
        )
    needs("block_size", block_size, "blocks", blocks)
    if groups is None and blocks is None:
        return Units("rows", np.arange(n_rows), n_rows)
    kind = "groups" if blocks is None else "blocks"
    codes = read_groups(n_rows, groups, blocks, block_size, 0.0).codes
    return Units(kind, codes, int(codes.max()) + 1)

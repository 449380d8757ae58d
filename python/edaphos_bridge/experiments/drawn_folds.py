"""The folds that a cross-validation asks for: given, or drawn of rows, groups or blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edaphos_bridge.basics.arguments import whole
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.data.folds import Fold, draw_folds, read_folds
from edaphos_bridge.data.splits import check_block_settings, only_one, read_groups
from edaphos_bridge.errors import InputError


def folds_for(
    n: int, k: Any, parting: Mapping[str, Any], first: int
) -> Callable[[int, Any], list[Fold]]:
    """Return a function of a seed and of strata that gives the folds of `n` rows.

    Parameters
    ----------
    k : int or None
        How many are drawn; 5 by default.
    parting : mapping
        ``folds``, ``groups``, ``blocks``, ``block_size`` and ``buffer``.
    first : int
        The name of the first fold of a list, or of those that are drawn.

    Raises
    ------
    InputError
        If they cannot be used.
    """
    given = {name: parting.get(name) for name in ("groups", "blocks", "folds")}
    block_size, buffer = parting.get("block_size"), parting.get("buffer")
    only_one(**given)
    check_block_settings(given["blocks"], block_size, buffer)
    if given["folds"] is not None:
        if k is not None:
            raise InputError("k", "cannot be given together with `folds`", found=k)
        known = read_folds(given["folds"], n, first)
        return lambda seed, strata: known
    count = whole("k", 5 if k is None else k, minimum=2, kind="whole number of at least 2")
    whole_ones = None
    codes = np.arange(n)
    if given["groups"] is not None or given["blocks"] is not None:
        whole_ones = read_groups(n, given["groups"], given["blocks"], block_size, buffer)
        codes = whole_ones.codes
    n_units = int(codes.max()) + 1
    if count > n_units:
        what = "rows" if whole_ones is None else "blocks" if given["groups"] is None else "groups"
        raise InputError("k", f"must be at most {n_units}, the number of {what}", found=count)

    def draw(seed: int, strata: Any) -> list[Fold]:
        generator = Randomness(seed).generator
        numbers = draw_folds(count, generator, codes, None if whole_ones is not None else strata)
        tests = [np.flatnonzero(numbers == number) for number in range(count)]
        return [
            Fold(
                first + place,
                np.flatnonzero(numbers != place) if whole_ones is None else whole_ones.beside(test),
                test,
            )
            for place, test in enumerate(tests)
        ]

    return draw

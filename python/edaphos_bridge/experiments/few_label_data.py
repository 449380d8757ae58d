"""What a few-label experiment is made on: patches, labels where they are known, and folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphos_bridge.data.folds import Fold
from edaphos_bridge.data.labels import ClassLabel, codes_among, codes_where_known
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.splits import check_block_settings
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.drawn_folds import folds_for


@dataclass(frozen=True)
class Data:
    """Patches in memory and how they are parted.

    Attributes
    ----------
    x : numpy.ndarray, shape (N, C, H, W), float32
    codes : numpy.ndarray of int, shape (N,)
        Class codes; -1 where there is no label.
    classes : list of str, int or bool
    folds : callable
        From a seed to what trains and what is tested.
    by : {"folds", "groups", "blocks", "rows", "test"}
        How they are parted.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int64]
    classes: list[ClassLabel]
    folds: Callable[[int], list[Fold]]
    by: str

    @classmethod
    def of(cls, x: Any, y: Any, test: Any, parting: Mapping[str, Any], first: int) -> Data:
        """Return the data, those of `test` after the others, or raise `InputError`.

        `parting` has ``folds``, ``groups``, ``blocks``, ``block_size``, ``buffer`` and ``k``;
        `first` is the name of the first fold of a list, or of those that are drawn.
        """
        given = [name for name in ("folds", "groups", "blocks", "k") if parting[name] is not None]
        patches = _patches(x, "x")
        codes, classes = codes_where_known(y)
        if len(codes) != len(patches):
            raise InputError(
                "y", f"must have one label for each of the {len(patches)} patches", found=len(codes)
            )
        n = len(codes)
        if test is None:
            ways = {name: value for name, value in parting.items() if name != "k"}
            draw = folds_for(n, parting["k"], ways, first)
            by = given[0] if given and given[0] != "k" else "rows"
            return cls(patches, codes, classes, lambda seed: draw(seed, codes), by)
        if given:
            raise InputError(given[0], "cannot be given together with `test`")
        check_block_settings(None, parting["block_size"], parting["buffer"])
        if not isinstance(test, tuple | list) or len(test) != 2:
            raise InputError(
                "test", "must be a pair of patches and labels", found=type(test).__name__
            )
        tested = _patches(test[0], "test")
        if tested.shape[1:] != patches.shape[1:]:
            raise InputError(
                "test",
                f"must have patches of shape {list(patches.shape[1:])}, as `x`",
                found=list(tested.shape[1:]),
            )
        try:
            of_test = codes_among(test[1], classes)
        except InputError as error:
            raise InputError(
                "test",
                f"cannot be used: its labels {error.problem}",
                found=error.found,
                rows=error.rows,
                hint=error.hint,
            ) from error
        if len(of_test) != len(tested):
            raise InputError(
                "test", f"must have one label for each of its {len(tested)} patches",
                found=len(of_test),
            )  # fmt: skip
        fold = Fold(first, np.arange(n), np.arange(n, n + len(tested)))
        both = np.concatenate([patches, tested])
        return cls(both, np.concatenate([codes, of_test]), classes, lambda seed: [fold], "test")


def _patches(x: Any, argument: str) -> Any:
    patches = x if isinstance(x, Patches) else Patches(x, argument=argument)
    if patches.normalisation is not None:
        raise InputError(
            argument,
            "must be patches; a tile data set is read as each encoder wants it, and methods are "
            "to see the same",
            hint="Give the patches themselves.",
        )
    return patches.tensor().numpy()

"""What a fit predicts of patches, as layers of a map."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.errors import InputError, renamed
from edaphos_bridge.fits.model import Model
from edaphos_bridge.fits.prediction import Batches, predicted
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.heads.registry import reads_of
from edaphos_bridge.maps.layers import Layers
from edaphos_bridge.maps.row_values import RowValues
from edaphos_bridge.maps.uncertainty import MEASURES

_OF_SEVERAL = ("mean", "sd")


def types_of(fits: Sequence[FoundationFit], n_draws: int) -> tuple[str, ...]:
    """Return what maps there are of fits of one task, the default first; `n_draws` is 0 for none.

    Of several members or draws there are means and standard deviations too.
    """
    task = fits[0].task_class
    own = (*task.types, *MEASURES) if task.one_class else task.types
    if len(fits) * max(n_draws, 1) == 1:
        return own
    return (*_OF_SEVERAL, *own) if task.one_class else _OF_SEVERAL


class FitValues(RowValues):
    """Predictions of a fit, of the members of an ensemble, or draws of a fit's dropout.

    Parameters
    ----------
    fits : sequence of FoundationFit
        Of one task; several are an ensemble.
    types : sequence of str
        Some of `types_of`. Classes stand alone: their layer holds codes.
    n_draws : int
        Passes in which dropout drops; 0 for none.

    Attributes
    ----------
    seed : int
        Of the draws, set before the first.

    Raises
    ------
    InputError
        If nothing drops in a fit that draws are asked of, or `colours` are not those of its
        classes.
    """

    def __init__(
        self,
        fits: Sequence[FoundationFit],
        types: Sequence[str],
        device: torch.device,
        *,
        n_draws: int = 0,
        colours: Any = None,
    ) -> None:
        self.device = device
        self.encoders = [fit.encoder for fit in fits]
        self.modules = [part for fit in fits for part in (fit.encoder, fit.head)]
        self.reads = reads_of(fits[0].head)
        self._members = [Model(fit.encoder, fit.head) for fit in fits]
        self._task = fits[0].task
        self._types = tuple(types)
        self._n_draws = n_draws
        self._size = fits[0].patch_size
        self.seed = 0
        self._digest = hashlib.sha256(b"".join(fit.to_bytes() for fit in fits)).hexdigest()
        self._thresholds = getattr(self._task, "threshold", None)
        columns = fits[0].columns
        if n_draws and not self._members[0].dropping():
            raise InputError(
                "n_draws",
                "needs a fit with dropout: nothing dropped in the training of this one",
                found=n_draws,
                hint="Fit it with a head that drops, as head = 'mlp' with dropout = 0.2.",
            )
        if self._task.one_class and self._types == ("class",):
            assert columns is not None
            self.layers = Layers.of_classes("class", columns, colours)
        elif colours is not None:
            raise InputError("colours", "are for a map of classes, type = 'class'", found=colours)
        else:
            self.layers = Layers(_names_of(types, columns))

    def of(self, n: int, batches: Batches, seed: tuple[int, ...]) -> NDArray[Any]:
        """Return the layers of n patches, ``(n, L)``."""
        draws = (lambda: self._randomness(seed)) if self._n_draws else None
        each = "sd" in self._types
        with renamed("x", "stack"):
            values = predicted(
                self._task, self._members, n, self._size, batches, self.device,
                max(self._n_draws, 1), draws=draws, each=each,
            )  # fmt: skip
        return self.layers_of(values if each else values[None])

    @torch.no_grad()
    def of_features(self, features: list[torch.Tensor]) -> NDArray[Any]:
        """Return the layers of n patches, of which the encoder of each member made features."""
        heads = [model.for_prediction(self.device).head for model in self._members]
        outputs = [head(rows.clone()) for head, rows in zip(heads, features, strict=True)]
        values = [self._task.values(rows.cpu().double()).numpy() for rows in outputs]
        return self.layers_of(np.stack(values))

    def of_tile(self, tile: torch.Tensor) -> NDArray[np.float64]:
        """Return the values ``(S, K, t, t)`` of a tile ``(1, C, t, t)`` by each member.

        Of a segmenter, whose `layers_of` they become cell by cell, with all K classes.
        """
        with self.alone(), torch.inference_mode():
            outputs = [model(tile.to(self.device)) for model in self._ready]
        values = torch.cat([self._task.values(part.cpu().double()) for part in outputs])
        found: NDArray[np.float64] = self._task.probabilities(values).numpy()
        if not np.isfinite(found).all():  # NaN would be the first class
            raise InputError(
                "stack",
                "gives NaN or infinite probabilities in some tiles",
                hint="Is a value that stands for no data missing from its description?",
            )
        return found

    @cached_property
    def _ready(self) -> list[Model]:
        return [model.for_prediction(self.device) for model in self._members]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_ready"}

    def layers_of(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Return layers ``(n, L)`` of values ``(S, n, K)`` of members or draws."""
        mean = values.mean(axis=0) if len(values) > 1 else values[0]
        layers = [self._layer(kind, mean, values) for kind in self._types]
        return np.concatenate(layers, axis=1).astype(self.layers.dtype)

    def _layer(
        self, kind: str, mean: NDArray[np.float64], values: NDArray[np.float64]
    ) -> NDArray[Any]:
        if kind == "sd":
            return values.std(axis=0, ddof=1)
        if kind in MEASURES:
            return MEASURES[kind](mean, 1)[:, None]
        if kind == "class" and self._task.one_class:
            share = self._thresholds if mean.shape[1] == 2 else None
            codes = mean.argmax(axis=1) if share is None else mean[:, 1] >= share
            return codes[:, None].astype(np.int64) + 1
        if kind == "class":
            return mean >= np.asarray(self._thresholds)
        return mean

    def _randomness(self, seed: tuple[int, ...]) -> Randomness:
        """Return what the draws of one block come from, whoever computes it."""
        mixed = np.random.SeedSequence([self.seed % 2**64, *seed]).generate_state(1, np.uint64)[0]
        return Randomness(int(mixed) >> 1, self.device)

    def bytes_a_row(self) -> int:
        """Return what outputs and values take, in double precision."""
        passes = len(self._members) * max(self._n_draws, 1)
        return 8 * (2 * passes * self._task.n_outputs + 2 * len(self.layers.names))

    def identity(self) -> dict[str, Any]:
        """Return what tells the fit and what is asked of it."""
        return {
            "fit": self._digest,
            "type": list(self._types),
            "n_draws": self._n_draws,
            "seed": self.seed if self._n_draws else None,
            "device": self.device.type,
            "layers": self.layers.to_dict(),
        }


def _names_of(kinds: Sequence[str], columns: Sequence[Any] | None) -> tuple[str, ...]:
    """Return the names of layers; those that two kinds would share say which they are of."""
    names = [(name, kind) for kind in kinds for name in _names(kind, columns)]
    plain = [name for name, _ in names]
    return tuple(n if plain.count(n) == 1 else f"{n}_{kind}" for n, kind in names)


def _names(kind: str, columns: Sequence[Any] | None) -> list[str]:
    if kind in MEASURES:
        return [kind]
    names = [str(column) for column in columns] if columns is not None else []
    if kind in _OF_SEVERAL:
        return [f"{name}_{kind}" for name in names] or [kind]
    return names or [kind]

"""The classifier that `foundation_fit_classifier()` returns: prediction and files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.arguments import choice
from edaphos_bridge.devices import resolve_device
from edaphos_bridge.encoders.copying import as_module, freeze, own_copy
from edaphos_bridge.encoders.features import batch_size_for, check_channels, encode_features
from edaphos_bridge.encoders.first_layer_check import FirstLayerCheck, shows_every_cell
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.foundation import (
    describe_encoder,
    fill,
    rebuild_encoder,
)
from edaphos_bridge.encoders.known_modules import only_reads
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.heads import make_head
from edaphos_bridge.labels import ClassLabel
from edaphos_bridge.normalisation import Normalisation, normalisation_of
from edaphos_bridge.patches import Patches
from edaphos_bridge.raster.coords import read_coords
from edaphos_bridge.raster.patches_at import patches_at
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.weights.container import (
    pack,
    prefixed,
    unpack,
    without_prefix,
    write_atomically,
)

_SOFTMAX_ROWS = 4096


@dataclass(eq=False, repr=False)
class FoundationClassifier:
    """A trained encoder and head, as returned by `foundation_fit_classifier`.

    Attributes
    ----------
    encoder, head : torch.nn.Module
        The trained modules, in eval mode; a frozen encoder stays there.
    classes : list of str, int or bool
        Order of the columns of probabilities.
    loss_history, val_accuracy_history : list of float
        One value an epoch; accuracy is NaN when ``val_split=0``.
    config : dict
        The settings of the fit, with the seed used.
    feature_dim : int
        Width D of the features.
    head_type : {"linear", "mlp"}
    freeze_backbone : bool
    device : {"cpu", "mps", "cuda"}
        Where it was trained and predicts by default.
    in_channels : int
        Channels C of the patches it was trained on.
    patch_size : list of int
        Height and width ``[H, W]`` of those patches, in cells.
    class_counts : list of int or None
        Labelled patches of each class, validation rows included; None in a file that was
        written without them.
    overlapping : int or None
        How many of the patches shared cells with another, where they came from a tile data set:
        the accuracy of a random split then says little about other places.
    """

    encoder: nn.Module
    head: nn.Module
    classes: list[ClassLabel]
    loss_history: list[float]
    val_accuracy_history: list[float]
    config: dict[str, Any]
    feature_dim: int
    head_type: str
    freeze_backbone: bool
    device: str
    in_channels: int
    patch_size: list[int]
    class_counts: list[int] | None = None
    overlapping: int | None = None

    @property
    def normalisation(self) -> Normalisation | None:
        """How raw raster cells become the encoder's input, if it was pretrained on a raster."""
        return normalisation_of(self.encoder)

    def predict(
        self, x: Any, type: str = "class", device: str | None = None, coords: Any = None
    ) -> pd.Categorical | pd.DataFrame:
        """Predict classes or class probabilities of patches, in batches.

        Parameters
        ----------
        x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
            Patches with the channels of the training data, as in `foundation_fit_classifier`;
            N may be 0. With `coords`, a raster instead, as in `foundation_tile_dataset`.
        type : {"class", "prob"}
            What to return.
        device : {"cpu", "mps", "cuda"}, optional
            Instead of the one used for fitting.
        coords : array-like, shape (N, 2), or pandas.DataFrame with x and y or lon and lat
            Points in the coordinates of the raster `x`. The patches around them are read in
            windows and normalised as in pretraining; the encoder must carry a
            `normalisation`.

        Returns
        -------
        pandas.Categorical of length N, or pandas.DataFrame (N, n_classes)
            With ``categories = classes``, or with ``columns = classes`` and float64 rows that
            sum to 1. Missing for points outside the raster or without data in any band.

        Raises
        ------
        InputError
            If `x` is not such an array, holds missing values, has other channels, or has
            patches that the encoder maps to no finite features.
        """
        choice("type", type, ("class", "prob"))
        probabilities = self.predict_proba(x, device=device, coords=coords)
        if type == "prob":
            return pd.DataFrame(probabilities, columns=self.classes)
        codes = np.where(np.isnan(probabilities).any(axis=1), -1, probabilities.argmax(axis=1))
        return pd.Categorical.from_codes(codes.tolist(), categories=self.classes)

    def predict_proba(
        self, x: Any, device: str | None = None, coords: Any = None
    ) -> NDArray[np.float64]:
        """Return class probabilities, shape (N, n_classes), float64, columns as in `classes`.

        Arguments and missing rows are those of `predict`.
        """
        target = resolve_device(self.device if device is None else device)
        if coords is None:
            patches = x if isinstance(x, Patches) else Patches(x, allow_empty=True)
            check_channels(self.in_channels, patches.channels)
            patches.check_normalisation(self.normalisation)
            size = batch_size_for(patches.shape, target.type, self.encoder)
            by_first_layer = shows_every_cell(self.encoder, patches.shape)
            rows = np.arange(len(patches))
            batches = zip(
                (rows[start : start + size] for start in range(0, len(rows), size)),
                patches.batches(size, borrow=only_reads(self.encoder), checked=not by_first_layer),
                strict=True,
            )
            error = patches.unusable_error if by_first_layer else None
            return self._probabilities(len(patches), batches, target, error)
        if self.normalisation is None:
            raise InputError(
                "coords",
                "needs an encoder that carries the normalisation of a tile dataset, which "
                "this one does not",
                hint="Predict patches (N, C, H, W), or pretrain on foundation_tile_dataset().",
            )
        points = read_coords(coords)
        with open_raster(x, "x") as raster:
            found = patches_at(raster, points, self.normalisation, "x")
            tensors = ((rows, torch.from_numpy(patches)) for rows, patches in found)
            return self._probabilities(len(points), tensors, target)

    def _probabilities(
        self,
        n: int,
        batches: Iterable[tuple[NDArray[np.int64], torch.Tensor]],
        device: torch.device,
        error: Callable[[], Exception] | None = None,
    ) -> NDArray[np.float64]:
        """Return one row for each of `n` patches: NaN where no batch has it.

        With `error`, batches are not checked yet, and it makes what to raise for a bad cell.
        """
        encoder, head = (_on_device(part, device).eval() for part in (self.encoder, self.head))
        encoder = folded(encoder)
        if error is not None:
            encoder = FirstLayerCheck(encoder, error).eval()
        probabilities = np.full((n, len(self.classes)), np.nan)
        asked = np.zeros(n, dtype=bool)
        with torch.no_grad():
            for rows, batch in batches:
                logits = head(encode_features(encoder, batch.to(device)))
                probabilities[rows] = logits.cpu().numpy()
                asked[rows] = True
            # Softmax in double: rows sum to 1 within R's own tolerance.
            for part in torch.from_numpy(probabilities).split(_SOFTMAX_ROWS):
                part.copy_(part.softmax(dim=1))
        bad = np.flatnonzero(asked & ~np.isfinite(probabilities).all(axis=1))
        if len(bad):  # else they would all be of the first class
            raise InputError(
                "x",
                f"gives NaN or infinite features in {len(bad)} of {n} patches",
                rows=bad.tolist(),
            )
        return probabilities

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the classifier to one safetensors file, atomically.

        An encoder of your own is saved as weights; `load` then asks for the module.

        Raises
        ------
        WeightsError
            If the encoder's state dict holds something else than tensors.
        """
        write_atomically(path, self.to_bytes())

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], encoder: nn.Module | None = None
    ) -> FoundationClassifier:
        """Read a classifier written by `save`.

        Parameters
        ----------
        path : path-like
            The file.
        encoder : torch.nn.Module, optional
            For a classifier around a module of your own: that module, built anew. A copy of
            it gets the saved weights.

        Raises
        ------
        WeightsError
            If the file is damaged or of another kind, if the encoder is needed and missing,
            or if it does not fit.
        FileNotFoundError
            If there is no such file.
        """
        return cls.from_bytes(Path(path).read_bytes(), encoder=encoder)

    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        tensors = {
            **prefixed("encoder", self.encoder.state_dict()),
            **prefixed("head", self.head.state_dict()),
        }
        metadata = {name: getattr(self, name) for name in _plain_fields()}
        metadata["encoder"] = describe_encoder(self.encoder)
        metadata["val_accuracy_history"] = [  # JSON has no NaN
            None if math.isnan(value) else value for value in self.val_accuracy_history
        ]
        return pack("classifier", tensors, metadata)

    @classmethod
    def from_bytes(cls, data: bytes, encoder: nn.Module | None = None) -> FoundationClassifier:
        """Return the classifier whose `to_bytes` gave `data`; see `load`."""
        given = None if encoder is None else as_module(encoder)
        tensors, metadata = unpack("classifier", data)
        try:
            plain = {name: metadata[name] for name in _plain_fields() if name not in _LATER}
            plain["val_accuracy_history"] = [
                math.nan if value is None else value for value in plain["val_accuracy_history"]
            ]
            config = plain["config"]
            choice("head_type", plain["head_type"], ("linear", "mlp"))
            with torch.device("meta"):  # nothing is allocated before the shapes are known to fit
                head = make_head(
                    plain["head_type"],
                    plain["feature_dim"],
                    len(plain["classes"]),
                    config["hidden"],
                    config["dropout"],
                )
            fill(head, without_prefix("head", tensors), "head", assign=True)
            plain["class_counts"] = _checked_counts(metadata.get("class_counts"), plain["classes"])
            plain["overlapping"] = _checked_number(metadata.get("overlapping"))
            state = without_prefix("encoder", tensors)
            module = rebuild_encoder(metadata["encoder"], state, given)
        except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise WeightsError(f"The description in this file is damaged: {error!r}") from error
        if plain["freeze_backbone"]:
            freeze(module)
        return cls(encoder=module.eval(), head=head.eval(), **plain)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        regime = "linear probing" if self.freeze_backbone else "full fine-tuning"
        if self.freeze_backbone and self.head_type == "mlp":
            regime = "frozen backbone"
        accuracies = [value for value in self.val_accuracy_history if not math.isnan(value)]
        best = f"{max(accuracies):.3f}" if accuracies else "NA"
        classes = ", ".join(str(value) for value in self.classes)
        return [
            "<edaphos_foundation_classifier>",
            f"  classes:       {classes}",
            f"  feature_dim:   {self.feature_dim}",
            f"  head:          {self.head_type}",
            f"  regime:        {regime}",
            f"  device:        {self.device}",
            f"  final loss:    {self.loss_history[-1]:.4f}",
            f"  best val_acc:  {best}",
            *(self.about_overlap() if accuracies else []),
        ]

    def about_overlap(self) -> list[str]:
        """Return the line that speaks of patches that share cells, if any do."""
        if not self.overlapping:
            return []
        total = "" if self.class_counts is None else f" of {sum(self.class_counts)}"
        text = f"{self.overlapping}{total} patches share cells, so val_acc says little"
        return [f"  overlap:       {text}"]

    def __repr__(self) -> str:
        """Return what the R original's ``print()`` shows."""
        return "\n".join(self.describe())


def _plain_fields() -> list[str]:
    return [field.name for field in fields(FoundationClassifier) if field.type != "nn.Module"]


# Fields that files of earlier versions lack.
_LATER = ("class_counts", "overlapping")


def _checked_number(number: Any) -> int | None:
    if number is not None and not (type(number) is int and 0 <= number < 2**31):
        raise ValueError("overlapping is no whole number")
    return number


def _checked_counts(counts: Any, classes: list[ClassLabel]) -> list[int] | None:
    if counts is None:
        return None
    if len(counts) != len(classes) or not all(type(n) is int and 0 <= n < 2**31 for n in counts):
        raise ValueError("class_counts has no whole number for each class")
    return list(counts)


def _on_device(module: nn.Module, device: torch.device) -> nn.Module:
    """Return `module`, or a copy of it on `device` where it lives elsewhere."""
    parameter = next(module.parameters(), None)
    if parameter is None or parameter.device.type == device.type:
        return module
    return own_copy(module).to(device)

"""The classifier that `foundation_fit_classifier()` returns: prediction and files."""

from __future__ import annotations

import builtins
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.ambient import plain
from edaphos_bridge.arguments import choice
from edaphos_bridge.classifier_schema import check_classifier
from edaphos_bridge.devices import on_meta, resolve_device
from edaphos_bridge.encoders.copying import as_module, freeze, own_copy
from edaphos_bridge.encoders.features import (
    batch_size_for,
    check_channels,
    check_features,
    check_size,
    encode_features,
)
from edaphos_bridge.encoders.first_layer_check import FirstLayerCheck, shows_every_cell
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.foundation import (
    as_float32,
    describe_encoder,
    encoder_state,
    fill,
    rebuild_encoder,
)
from edaphos_bridge.encoders.known_modules import only_reads
from edaphos_bridge.errors import InputError
from edaphos_bridge.heads import make_head
from edaphos_bridge.labels import ClassLabel
from edaphos_bridge.normalisation import Normalisation, normalisation_of
from edaphos_bridge.orientation import orientation_to_read
from edaphos_bridge.patches import Patches
from edaphos_bridge.raster.coords import read_coords
from edaphos_bridge.raster.patches_at import normalisation_for, patches_at
from edaphos_bridge.raster.sources import open_raster
from edaphos_bridge.raster.tiles import FoundationTileDataset
from edaphos_bridge.weights.container import (
    pack,
    prefixed,
    require_finite,
    unpack,
    without_prefix,
)
from edaphos_bridge.weights.files import MOST_OF_A_FIT, read_file, save_file
from edaphos_bridge.weights.schema import damaged_description

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
    ordered : bool
        Whether the order of `classes` means something: labels were an ordered Categorical.
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
    ordered: bool = False
    overlapping: int | None = None

    @property
    def normalisation(self) -> Normalisation | None:
        """How raw raster cells become the encoder's input, if it was pretrained on a raster."""
        return normalisation_of(self.encoder)

    @plain
    def predict(
        self,
        x: Any,
        type: str = "class",
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
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
        coords : array-like, shape (N, 2), table, or points of geopandas
            Points in the coordinates of the raster `x`, as in `foundation_embed_at_coords`. The
            patches around them are read in windows and normalised as in pretraining.
        dataset : FoundationTileDataset, optional
            With `coords`: gives means and standard deviations for an encoder that carries no
            `normalisation`. Its patches have the size that the classifier was trained on.

        Returns
        -------
        pandas.Categorical of length N, or pandas.DataFrame (N, n_classes)
            With ``categories = classes``, or with ``columns = classes`` and float64 rows that
            sum to 1. The Categorical is ordered if the labels were. Missing for points outside
            the raster or without data in any band.

        Raises
        ------
        InputError
            If `x` is not such an array, holds missing values, has other channels, or has
            patches that the encoder maps to no finite features.
        """
        is_list = isinstance(type, list | tuple) and not all(isinstance(t, str) for t in type)
        if is_list or hasattr(type, "shape"):
            raise InputError(
                "type",
                "must be one of 'class', 'prob'",
                found=builtins.type(type).__name__,
                hint="Points are given by name: predict(x, coords=points).",
            )
        choice("type", type, ("class", "prob"))
        probabilities = self.predict_proba(x, device=device, coords=coords, dataset=dataset)
        if type == "prob":
            return pd.DataFrame(probabilities, columns=self.classes)
        codes = np.where(np.isnan(probabilities).any(axis=1), -1, probabilities.argmax(axis=1))
        return pd.Categorical.from_codes(
            codes.tolist(), categories=self.classes, ordered=self.ordered
        )

    @plain
    def predict_proba(
        self,
        x: Any,
        device: str | None = None,
        coords: Any = None,
        dataset: FoundationTileDataset | None = None,
    ) -> NDArray[np.float64]:
        """Return class probabilities, shape (N, n_classes), float64, columns as in `classes`.

        Arguments and missing rows are those of `predict`.
        """
        target = resolve_device(self.device if device is None else device)
        if coords is None:
            if dataset is not None:
                raise InputError("dataset", "is for points of a raster", hint="Give `coords` too.")
            patches = x if isinstance(x, Patches) else Patches(x, allow_empty=True)
            check_channels(self.in_channels, patches.channels)
            patches.read_for(self.encoder, training=False)
            if len(patches) and list(patches.shape[2:]) != self.patch_size:
                check_size(self.encoder, patches.read(0, 1), self.patch_size, self.feature_dim)
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
        normalisation = normalisation_for(self.encoder, self.patch_size, dataset)
        orientation = orientation_to_read(self.encoder)
        with open_raster(x, "x") as raster:
            points = read_coords(coords, crs=raster.crs, stack="x")
            found = patches_at(raster, points, normalisation, orientation, "x")
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
        # NaN would be the first class.
        check_features(probabilities, {"encoder": self.encoder, "head": self.head}, "x", asked)
        return probabilities

    @plain
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the classifier to one safetensors file, atomically.

        An encoder of your own is saved as weights; `load` then asks for the module.

        Raises
        ------
        InputError
            If there can be no such file, or it cannot be written.
        WeightsError
            If the encoder's state dict holds something that a file cannot hold, or a weight is
            not finite.
        """
        save_file("path", path, self.to_bytes())

    @classmethod
    @plain
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
        InputError
            If the path is that of a folder, a pipe or a device.
        FileNotFoundError
            If there is no such file.
        """
        return cls.from_bytes(read_file("path", path, MOST_OF_A_FIT), encoder=encoder)

    @plain
    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        encoder, head = encoder_state(self.encoder), as_float32(self.head.state_dict(), "head")
        metadata = {name: getattr(self, name) for name in _plain_fields()}
        metadata["encoder"] = describe_encoder(self.encoder)
        _require_finite(encoder, head, metadata["encoder"])
        metadata["val_accuracy_history"] = [  # JSON has no NaN
            None if math.isnan(value) else value for value in self.val_accuracy_history
        ]
        tensors = {**prefixed("encoder", encoder), **prefixed("head", head)}
        return pack("classifier", tensors, metadata)

    @classmethod
    @plain
    def from_bytes(cls, data: bytes, encoder: nn.Module | None = None) -> FoundationClassifier:
        """Return the classifier whose `to_bytes` gave `data`; see `load`."""
        given = None if encoder is None else as_module(encoder)
        tensors, metadata = unpack("classifier", data)
        plain = check_classifier(metadata)
        description = plain.pop("encoder")
        state, head_state = (without_prefix(part, tensors) for part in ("encoder", "head"))
        _require_finite(state, head_state, description)
        plain["val_accuracy_history"] = [
            math.nan if value is None else value for value in plain["val_accuracy_history"]
        ]
        config = plain["config"]
        with damaged_description():
            with on_meta():  # nothing is allocated before the shapes are known to fit
                head = make_head(
                    plain["head_type"],
                    plain["feature_dim"],
                    len(plain["classes"]),
                    config["hidden"],
                    config["dropout"],
                )
            fill(head, head_state, "head", assign=True)
            module = rebuild_encoder(description, state, given)
        if plain["freeze_backbone"]:
            freeze(module)
        return cls(encoder=module.eval(), head=head.eval(), **plain)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        regime = "linear probing" if self.freeze_backbone else "full fine-tuning"
        if self.freeze_backbone and self.head_type == "mlp":
            regime = "frozen backbone"
        # the weights kept are the last epoch's, which may not be the best
        accuracies, best = self.val_accuracy_history, "NA"
        known = [value for value in accuracies if not math.isnan(value)]
        if known:
            first = accuracies.index(max(known)) + 1
            best = f"{max(known):.3f} (epoch {first}), at the end {accuracies[-1]:.3f}"
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
            *(self.about_overlap() if known else []),
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


def _require_finite(
    encoder: dict[str, torch.Tensor], head: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    require_finite("encoder", encoder, with_masks=description["architecture"] == "custom")
    require_finite("head", head)


def _on_device(module: nn.Module, device: torch.device) -> nn.Module:
    """Return `module`, or a copy of it on `device` where it lives elsewhere."""
    parameter = next(module.parameters(), None)
    if parameter is None or parameter.device.type == device.type:
        return module
    return own_copy(module).to(device)

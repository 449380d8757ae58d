"""What pretraining returns: an encoder with the record of how it was made."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from edaphos_bridge.ambient import plain
from edaphos_bridge.encoders.foundation import describe_encoder, rebuild_encoder, state_for_file
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.encoders.simclr import SimCLREncoder
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.interrupts import imported
from edaphos_bridge.normalisation import Normalisation, normalisation_of
from edaphos_bridge.weights.container import pack, unpack, write_atomically


@dataclass(eq=False, repr=False)
class FoundationPretrain:
    """A pretrained encoder, as returned by `foundation_moco_pretrain` and its sisters.

    It goes as it is into `foundation_fit_classifier`, which uses the features before the
    projection.

    Attributes
    ----------
    encoder : MoCoEncoder or SimCLREncoder
        The trained (query) encoder, in eval mode.
    loss_history : list of float
        One value an epoch.
    config : dict
        The settings, with the seed and the queue size used.
    method : {"moco", "simclr"}
    device : {"cpu", "mps", "cuda"}
        Where it was trained.
    in_channels : int
        Channels C of the patches.
    patch_size : list of int
        Height and width ``[H, W]`` of the patches, in cells.
    """

    encoder: nn.Module
    loss_history: list[float]
    config: dict[str, Any]
    method: str
    device: str
    in_channels: int
    patch_size: list[int]

    @property
    def feature_dim(self) -> int:
        """Width D of the features."""
        return int(self.config["feature_dim"])

    @property
    def proj_dim(self) -> int:
        """Width of the projection."""
        return int(self.config["proj_dim"])

    @property
    def normalisation(self) -> Normalisation | None:
        """How raw raster cells become the encoder's input; None after patches, taken as is."""
        return normalisation_of(self.encoder)

    @property
    def final_loss(self) -> float:
        """The last value of `loss_history`."""
        return self.loss_history[-1]

    def plot(self, ax: Any = None) -> Any:
        """Draw the loss of each epoch and return the axes (needs matplotlib).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        """
        if ax is None:
            _, ax = imported("matplotlib.pyplot").subplots()
        ax.plot(range(1, len(self.loss_history) + 1), self.loss_history)
        ax.set(xlabel="epoch", ylabel=_LOSS[self.method], title=f"{self.method} pretraining")
        return ax

    @plain
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to one safetensors file, atomically."""
        write_atomically(path, self.to_bytes())

    @classmethod
    @plain
    def load(cls, path: str | os.PathLike[str]) -> FoundationPretrain:
        """Read a fit written by `save`.

        Raises
        ------
        WeightsError
            If the file is damaged or of another kind.
        FileNotFoundError
            If there is no such file.
        """
        return cls.from_bytes(Path(path).read_bytes())

    @plain
    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        metadata = {name: getattr(self, name) for name in _plain_fields()}
        metadata["encoder"] = describe_encoder(self.encoder)
        return pack("pretraining", state_for_file(self.encoder, "encoder"), metadata)

    @classmethod
    @plain
    def from_bytes(cls, data: bytes) -> FoundationPretrain:
        """Return the fit whose `to_bytes` gave `data`; see `load`."""
        tensors, metadata = unpack("pretraining", data)
        try:
            plain = {name: metadata[name] for name in _plain_fields()}
            encoder = rebuild_encoder(metadata["encoder"], tensors, given=None)
        except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise WeightsError(f"The description in this file is damaged: {error!r}") from error
        if not isinstance(encoder, MoCoEncoder | SimCLREncoder) or plain["method"] not in _LOSS:
            raise WeightsError("The description in this file is damaged.")
        return cls(encoder=encoder.eval(), **plain)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        widths = (
            f"  in_channels = {self.in_channels}  feature_dim = {self.feature_dim}  "
            f"proj_dim = {self.proj_dim}"
        )
        batch, temperature = self.config["batch_size"], self.config["temperature"]
        if self.method == "moco":
            title = "<edaphos_foundation_moco>  (MoCo v2)"
            settings = (
                f"  queue_size = {self.config['queue_size']}  "
                f"momentum = {self.config['momentum']:.4f}  tau = {temperature:.3g}  "
                f"batch = {batch}"
            )
        else:
            title = "<edaphos_foundation_simclr>"
            settings = f"  batch = {batch}  temperature = {temperature:.3g}"
        loss = f"final {_LOSS[self.method]} = {self.final_loss:.4g}"
        return [title, widths, settings, f"  epochs = {len(self.loss_history)}  {loss}"]

    def __repr__(self) -> str:
        """Return what the R original's ``print()`` shows."""
        return "\n".join(self.describe())


_LOSS = {"moco": "InfoNCE loss", "simclr": "loss"}


def _plain_fields() -> list[str]:
    return [field.name for field in fields(FoundationPretrain) if field.type != "nn.Module"]

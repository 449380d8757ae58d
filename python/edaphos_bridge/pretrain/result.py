"""What pretraining returns: an encoder with the record of how it was made."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.interrupts import imported
from edaphos_bridge.data.normalisation import Normalisation, normalisation_of
from edaphos_bridge.encoders.foundation import describe_encoder, encoder_state, rebuild_encoder
from edaphos_bridge.files.container import pack, require_finite, unpack
from edaphos_bridge.files.disk import MOST_OF_A_FIT, read_file, save_file
from edaphos_bridge.files.schema import damaged_description
from edaphos_bridge.pretrain.schema import check_pretraining


@dataclass(eq=False, repr=False)
class FoundationPretrain:
    """A pretrained encoder, as returned by `foundation_moco_pretrain` and its sisters.

    It goes as it is into `foundation_fit_classifier`, which uses the features before the
    projection.

    Attributes
    ----------
    encoder : MoCoEncoder, SimCLREncoder or SensorEncoder
        The trained (query) encoder, in eval mode. That of two sensors takes the channels of both
        and gives the mean of their features; `foundation_encoder_for` gives that of one.
    loss_history : list of float
        One value an epoch.
    config : dict
        The settings, with the seed and the queue size used.
    method : {"moco", "simclr", "swav"}
    device : {"cpu", "mps", "cuda"}
        Where it was trained.
    in_channels : int
        Channels C of the patches, of both sensors together where there are two.
    patch_size : list of int
        Height and width ``[H, W]`` of the patches, in cells.
    entropy_history : list of float or None
        Of SwAV, one value an epoch: the entropy, in nats, of how often each prototype is the
        nearest one in a batch. ``exp`` of it is how many are in use; below 2 is a collapse.
    """

    encoder: nn.Module
    loss_history: list[float]
    config: dict[str, Any]
    method: str
    device: str
    in_channels: int
    patch_size: list[int]
    entropy_history: list[float] | None = None

    @property
    def feature_dim(self) -> int:
        """Width D of the features."""
        return int(self.config["feature_dim"])

    @property
    def proj_dim(self) -> int:
        """Width of the projection."""
        return int(self.config["proj_dim"])

    @property
    def batch_size(self) -> int:
        """Patches a step."""
        return int(self.config["batch_size"])

    @property
    def queue_size(self) -> int | None:
        """Keys in the queue of MoCo, embeddings in that of SwAV; None for SimCLR."""
        return self.config.get("queue_size")

    @property
    def normalisation(self) -> Normalisation | None:
        """How raw raster cells become the encoder's input; None after patches, taken as is."""
        return normalisation_of(self.encoder)

    @property
    def channels(self) -> list[int]:
        """Channels of each sensor, one or two."""
        return list(getattr(self.encoder, "channels", [self.in_channels]))

    @property
    def final_loss(self) -> float:
        """The last value of `loss_history`."""
        return self.loss_history[-1]

    def plot(self, ax: Any = None) -> Any:
        """Draw the loss of each epoch and return the axes (needs matplotlib).

        Of SwAV, a second scale has the number of prototypes in use.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        """
        if ax is None:
            _, ax = imported("matplotlib.pyplot").subplots()
        ax.plot(range(1, len(self.loss_history) + 1), self.loss_history)
        ax.set(xlabel="epoch", ylabel=_LOSS[self.method], title=f"{self.method} pretraining")
        if self.entropy_history is not None:
            other = ax.twinx()
            used = [math.exp(entropy) for entropy in self.entropy_history]
            other.plot(range(1, len(used) + 1), used, linestyle="dotted")
            other.set(ylabel="prototypes in use (dotted)", ylim=(0, None))
            ax.figure.sca(ax)
        return ax

    @plain
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to one safetensors file, atomically.

        Raises
        ------
        InputError
            If there can be no such file, or it cannot be written.
        WeightsError
            If a weight is not finite.
        """
        save_file("path", path, self.to_bytes())

    @classmethod
    @plain
    def load(cls, path: str | os.PathLike[str]) -> FoundationPretrain:
        """Read a fit written by `save`.

        Raises
        ------
        WeightsError
            If the file is damaged or of another kind.
        InputError
            If the path is that of a folder, a pipe or a device.
        FileNotFoundError
            If there is no such file.
        """
        return cls.from_bytes(read_file("path", path, MOST_OF_A_FIT))

    @plain
    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        state = encoder_state(self.encoder)
        require_finite("encoder", state)
        values = {name: getattr(self, name) for name in _plain_fields()}
        metadata = {name: value for name, value in values.items() if value is not None}
        metadata["encoder"] = describe_encoder(self.encoder)
        return pack("pretraining", state, metadata)

    @classmethod
    @plain
    def from_bytes(cls, data: bytes) -> FoundationPretrain:
        """Return the fit whose `to_bytes` gave `data`; see `load`."""
        tensors, metadata = unpack("pretraining", data)
        plain = check_pretraining(metadata)
        require_finite("encoder", tensors)
        with damaged_description():
            encoder = rebuild_encoder(plain.pop("encoder"), tensors, given=None)
        return cls(encoder=encoder.eval(), **plain)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        channels = " + ".join(map(str, self.channels))
        widths = (
            f"  in_channels = {channels}  feature_dim = {self.feature_dim}  "
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
        elif self.method == "swav":
            title = "<edaphos_foundation_swav>"
            settings = (
                f"  prototypes = {self.config['n_prototypes']}  "
                f"epsilon = {self.config['epsilon']:.3g}  tau = {temperature:.3g}  batch = {batch}"
            )
        else:
            title = "<edaphos_foundation_simclr>"
            settings = f"  batch = {batch}  temperature = {temperature:.3g}"
        loss = f"final {_LOSS[self.method]} = {self.final_loss:.4g}"
        if self.entropy_history is not None:
            loss += f"  prototypes in use = {math.exp(self.entropy_history[-1]):.3g}"
        return [title, widths, settings, f"  epochs = {len(self.loss_history)}  {loss}"]

    def __repr__(self) -> str:
        """Return what the R original's ``print()`` shows."""
        return "\n".join(self.describe())


_LOSS = {"moco": "InfoNCE loss", "simclr": "loss", "swav": "swapped-assignment loss"}


def _plain_fields() -> list[str]:
    return [field.name for field in fields(FoundationPretrain) if field.type != "nn.Module"]

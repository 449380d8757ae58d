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
from edaphos_bridge.encoders.copying import as_module
from edaphos_bridge.encoders.foundation import describe_encoder, encoder_state, rebuild_encoder
from edaphos_bridge.encoders.sensors import SensorEncoder
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
    encoder : torch.nn.Module
        The trained (query) encoder, in eval mode: of the method, or what `encoder` said. That of
        two sensors takes the channels of both and gives the mean of their features;
        `foundation_encoder_for` gives that of one.
    loss_history : list of float
        One value an epoch.
    config : dict
        The settings, with the seed, the widths, the queue size and the steps an epoch used. Where
        an encoder was asked for, ``encoder`` is its name, or "given".
    method : {"moco", "simclr", "rotation", "swav"}
    device : {"cpu", "mps", "cuda"}
        Where it was trained.
    in_channels : int
        Channels C of the patches, of both sensors together where there are two.
    patch_size : list of int
        Height and width ``[H, W]`` of the patches, in cells.
    val_accuracy_history : list of float or None
        After each epoch, in which share of the held-out patches the turn was told; None without
        any, and of the other methods.
    entropy_history : list of float or None
        Of SwAV, one value an epoch: the entropy, in nats, of how often each prototype is the
        nearest one in a batch. ``exp`` of it is how many are in use; below 2 is a collapse.
    probe_history : dict or None
        Of a run with a probe: ``epoch``, when it looked, and ``score``, what it found, two lists;
        ``config["probe"]`` says what it was.
    """

    encoder: nn.Module
    loss_history: list[float]
    config: dict[str, Any]
    method: str
    device: str
    in_channels: int
    patch_size: list[int]
    val_accuracy_history: list[float] | None = None
    entropy_history: list[float] | None = None
    probe_history: dict[str, Any] | None = None

    @property
    def feature_dim(self) -> int:
        """Width D of the features."""
        return int(self.config["feature_dim"])

    @property
    def proj_dim(self) -> int | None:
        """Width of the projection; None for an encoder that has none."""
        return self.config.get("proj_dim")

    @property
    def batch_size(self) -> int:
        """Patches a step."""
        return int(self.config["batch_size"])

    @property
    def queue_size(self) -> int | None:
        """Keys in the queue of MoCo, embeddings in that of SwAV; None for the others."""
        return self.config.get("queue_size")

    @property
    def normalisation(self) -> Normalisation | None:
        """How raw raster cells become the encoder's input; None after patches, taken as is."""
        return normalisation_of(self.encoder)

    @property
    def channels(self) -> list[int]:
        """Channels of each sensor, one or two."""
        encoder = self.encoder
        return list(encoder.channels if isinstance(encoder, SensorEncoder) else [self.in_channels])

    @property
    def final_loss(self) -> float:
        """The last value of `loss_history`."""
        return self.loss_history[-1]

    @property
    def probe_name(self) -> str | None:
        """What its probe measured, as "linear probe accuracy"; None without one."""
        probe = self.config.get("probe")
        return None if probe is None else f"{probe['name']} probe {probe['score']}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the loss of each epoch and return the axes (needs matplotlib).

        The accuracy of held-out patches, the number of prototypes in use and the scores of a probe,
        where there are any, have axes of their own at the right.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.
        """
        if ax is None:
            # constrained: axes at the right have room for their names
            _, ax = imported("matplotlib.pyplot").subplots(layout="constrained")
        ax.plot(range(1, len(self.loss_history) + 1), self.loss_history)
        ax.set(xlabel="epoch", ylabel=_LOSS[self.method], title=f"{self.method} pretraining")
        ax.xaxis.get_major_locator().set_params(integer=True)
        epochs = range(1, len(self.loss_history) + 1)
        others: list[tuple[Any, ...]] = []
        if self.val_accuracy_history is not None:
            others.append(("validation accuracy", epochs, self.val_accuracy_history, "C2--"))
        if self.entropy_history is not None:
            used = [math.exp(entropy) for entropy in self.entropy_history]
            others.append(("prototypes in use", epochs, used, "C3:"))
        if self.probe_history is not None:
            looks = self.probe_history
            others.append((self.probe_name, looks["epoch"], looks["score"], "C1.-"))
        for number, (name, *course) in enumerate(others):
            right = ax.twinx()
            (line,) = right.plot(*course)
            if name == "validation accuracy":
                right.axhline(_CHANCE, linestyle=":", color=line.get_color())
            right.set_ylabel(name, color=line.get_color())
            right.spines["right"].set_position(("outward", 60 * number))
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
    def load(
        cls, path: str | os.PathLike[str], encoder: nn.Module | None = None
    ) -> FoundationPretrain:
        """Read a fit written by `save`.

        Parameters
        ----------
        path : path-like
            The file.
        encoder : torch.nn.Module, optional
            For a fit around a module of your own: that module, built anew. A copy of it gets the
            saved weights.

        Raises
        ------
        WeightsError
            If the file is damaged or of another kind, if the encoder is needed and missing, or if
            it does not fit.
        InputError
            If the path is that of a folder, a pipe or a device.
        FileNotFoundError
            If there is no such file.
        """
        return cls.from_bytes(read_file("path", path, MOST_OF_A_FIT), encoder)

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
    def from_bytes(cls, data: bytes, encoder: nn.Module | None = None) -> FoundationPretrain:
        """Return the fit whose `to_bytes` gave `data`; see `load`."""
        given = None if encoder is None else as_module(encoder)
        tensors, metadata = unpack("pretraining", data)
        plain = check_pretraining(metadata)
        require_finite("encoder", tensors)
        with damaged_description():
            module = rebuild_encoder(plain.pop("encoder"), tensors, given)
        return cls(encoder=module.eval(), **plain)

    def describe(self) -> list[str]:
        """Return the lines that printing shows, the same in R and Python."""
        channels = " + ".join(map(str, self.channels))
        widths = f"in_channels = {channels}  feature_dim = {self.feature_dim}"
        if self.proj_dim is not None:
            widths += f"  proj_dim = {self.proj_dim}"
        if "encoder" in self.config:
            description = describe_encoder(self.encoder)
            asked = description.get("body", description)["architecture"]
            widths = f"encoder = {asked}  {widths}"
        batch, temperature = self.batch_size, self.config.get("temperature")
        if self.method == "moco":
            title = "<edaphos_foundation_moco>  (MoCo v2)"
            settings = (
                f"  queue_size = {self.config['queue_size']}  "
                f"momentum = {self.config['momentum']:.4f}  tau = {temperature:.3g}  "
                f"batch = {batch}"
            )
        elif self.method == "simclr":
            title = "<edaphos_foundation_simclr>"
            settings = f"  batch = {batch}  temperature = {temperature:.3g}"
        elif self.method == "swav":
            title = "<edaphos_foundation_swav>"
            settings = (
                f"  prototypes = {self.config['n_prototypes']}  "
                f"epsilon = {self.config['epsilon']:.3g}  tau = {temperature:.3g}  batch = {batch}"
            )
        else:
            title = "<edaphos_foundation_rotation>"
            settings = f"  mode = {self.config['mode']}  batch = {batch}"
        course = f"  epochs = {len(self.loss_history)}  final {_LOSS[self.method]} = "
        course += f"{self.final_loss:.4g}"
        if self.val_accuracy_history is not None:
            course += f"  val_acc = {self.val_accuracy_history[-1]:.3f}"
        if self.entropy_history is not None:
            course += f"  prototypes in use = {math.exp(self.entropy_history[-1]):.3g}"
        return [title, f"  {widths}", settings, course, *self._about_probe()]

    def _about_probe(self) -> list[str]:
        if self.probe_history is None:
            return []
        scores = self.probe_history["score"]
        best = max(scores)
        epoch = self.probe_history["epoch"][scores.index(best)]
        patience = self.config["probe"]["patience"]
        kept = "kept" if patience is not None else f"at the end {scores[-1]:.3f}"
        return [f"  best {self.probe_name} = {best:.3f} (epoch {epoch}), {kept}"]

    def __repr__(self) -> str:
        """Return what the R original's ``print()`` shows."""
        return "\n".join(self.describe())


_CHANCE = 0.25  # of four quarter turns
_LOSS = {
    "moco": "InfoNCE loss",
    "simclr": "loss",
    "rotation": "cross-entropy",
    "swav": "swapped-assignment loss",
}


def _plain_fields() -> list[str]:
    return [field.name for field in fields(FoundationPretrain) if field.type != "nn.Module"]

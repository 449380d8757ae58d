"""An encoder with its head."""

from __future__ import annotations

import torch
from torch import nn

from edaphos_bridge.basics.devices import device_of
from edaphos_bridge.encoders.copying import is_frozen, own_copy
from edaphos_bridge.encoders.features import encode
from edaphos_bridge.encoders.folding import folded
from edaphos_bridge.encoders.known_modules import dropout_layers
from edaphos_bridge.heads.registry import reads_of


class Model(nn.Module):
    """Patches ``(B, C, H, W)`` to outputs of a task, ``(B, n_outputs)`` or of every cell."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs."""
        outputs: torch.Tensor = self.head(encode(self.encoder, x, reads_of(self.head)))
        return outputs

    def for_prediction(self, device: torch.device) -> Model:
        """Return the same model in eval mode on `device`, as fast as is known of its encoder."""
        encoder, head = (_on_device(part, device).eval() for part in (self.encoder, self.head))
        return Model(folded(encoder), head)

    def for_draws(self, device: torch.device) -> Model:
        """Return a model for prediction whose parts that dropped in training drop on.

        They are copies; all in them but the dropout layers is in eval mode. What drops nothing is
        as `for_prediction` has it.
        """
        ready = self.for_prediction(device)
        for name in self.dropping():
            part = own_copy(getattr(self, name)).to(device).eval()
            for layer in dropout_layers(part):
                layer.train()
            setattr(ready, name, part)
        return ready

    def dropping(self) -> list[str]:
        """Return which parts dropped in training: a frozen encoder did not."""
        parts = {"encoder": self.encoder, "head": self.head}
        return [
            name for name, part in parts.items() if dropout_layers(part) and not is_frozen(part)
        ]


def _on_device(module: nn.Module, device: torch.device) -> nn.Module:
    """Return `module`, or a copy of it on `device` where it lives elsewhere."""
    return module if device_of(module).type == device.type else own_copy(module).to(device)

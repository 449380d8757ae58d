"""Which cells and bands a prediction comes from: Grad-CAM and integrated gradients, by captum."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edaphos_bridge.basics.interrupts import held, pause
from edaphos_bridge.encoders.encoder import concat_pooled, maps_of
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.errors import EdaphosError, InputError
from edaphos_bridge.fits.model import Model
from edaphos_bridge.heads.registry import POOLED_MAPS, reads_of

_BATCH = 16
_PASSES = 256  # patches in one pass of integrated gradients
_SAME = 1e-4

Attribute = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def captum() -> Any:
    """Return captum.attr; or raise `EdaphosError` with how to install it."""
    try:
        with held():
            import captum.attr
    except ImportError as error:
        raise EdaphosError(
            "Attribution needs the package captum. Install it with `pip install captum`."
        ) from error
    return captum.attr


def integrated_gradients(model: nn.Module, baseline: torch.Tensor, n_steps: int) -> Attribute:
    """Return what attributes an output to each cell of each band, shape (B, C, H, W).

    `baseline` ``(1, C, 1, 1)`` is the patch without information. What is attributed to a patch adds
    up to the output for it less that for the baseline.

    References
    ----------
    Sundararajan, M., Taly, A. and Yan, Q. (2017). Axiomatic attribution for deep networks. ICML.
    """
    method = captum().IntegratedGradients(lambda x: model(x.clone()))  # it may write to them

    def attribute(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = method.attribute(
            x,
            baselines=baseline.expand_as(x).contiguous(),
            target=target,
            n_steps=n_steps,
            internal_batch_size=max(_PASSES, len(x)),
        )
        return found

    return attribute


def grad_cam(encoder: nn.Module, head: nn.Module, patch: torch.Tensor) -> Attribute:
    """Return what attributes an output to each cell, shape (B, 1, H, W), none of it negative.

    It works on the encoder's last feature map, and is spread to the cells of the patch. `patch`
    ``(1, C, H, W)`` is one to look for that map with.

    References
    ----------
    Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks via
    gradient-based localization. ICCV.
    """
    model, layer = _with_last_map(encoder, head, patch)
    attr = captum()
    method = attr.LayerGradCam(model, layer)

    def attribute(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        x = x.detach().requires_grad_()  # else the layers of a frozen encoder have no gradient
        coarse = method.attribute(x, target=target, relu_attributions=True)
        found: torch.Tensor = attr.LayerAttribution.interpolate(
            coarse, tuple(x.shape[2:]), interpolate_mode="bilinear"
        )
        return found

    return attribute


def attributed(
    attribute: Attribute,
    x: NDArray[np.float32],
    targets: NDArray[np.intp],
    device: torch.device,
) -> NDArray[np.float32]:
    """Return the attributions of patches ``(N, C, H, W)``, batch after batch."""
    found = []
    for start in range(0, len(x), _BATCH):
        pause()
        batch = torch.from_numpy(x[start : start + _BATCH]).to(device)
        target = torch.from_numpy(targets[start : start + _BATCH].astype(np.int64)).to(device)
        found.append(attribute(batch, target).detach().cpu().float().numpy())
    return np.concatenate(found)


class _OnACopy(Model):
    """A model whose encoder may write to what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.clone())


class _ThroughMaps(nn.Module):
    """A model whose head reads of the encoder's last map alone, which passes `last`."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.last = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = self.last(maps_of(self.encoder, x.clone())[-1])
        pooled = reads_of(self.head) == POOLED_MAPS
        features = concat_pooled(last) if pooled else last.mean(dim=(2, 3))
        outputs: torch.Tensor = self.head(features)
        return outputs


def _with_last_map(
    encoder: nn.Module, head: nn.Module, patch: torch.Tensor
) -> tuple[nn.Module, nn.Module]:
    """Return a model and the layer in it that gives the last feature map.

    Where the features are not the means of that map, the encoder's layers are looked at.
    """
    through_maps = _ThroughMaps(encoder, head)
    if reads_of(head) == POOLED_MAPS:
        return through_maps, through_maps.last
    with torch.no_grad():
        features = encode_features(encoder, patch.clone())
        maps = None
        with contextlib.suppress(InputError):  # it shows none
            maps = maps_of(encoder, patch.clone())[-1].mean(dim=(2, 3))
    if maps is not None and maps.shape == features.shape:
        size = max(1.0, float(features.abs().max()))
        if float((maps - features).abs().max()) <= _SAME * size:
            return through_maps, through_maps.last
    return _OnACopy(encoder, head), _last_layer_with_maps(encoder, patch)


def _last_layer_with_maps(encoder: nn.Module, patch: torch.Tensor) -> nn.Module:
    """Return the last layer that gives a map ``(B, D, h, w)`` of more than one cell.

    Where that is not one for each patch (of two sensors, whose patches are stacked), there is none.
    """
    found: list[tuple[nn.Module, int]] = []

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            found.append((layer, len(output)))

    hooks = []
    with contextlib.suppress(RuntimeError):  # TorchScript takes none
        hooks = [part.register_forward_hook(note) for part in encoder.modules()]
    try:
        with torch.no_grad():
            encode_features(encoder, patch.clone())
    finally:
        for hook in hooks:
            hook.remove()
    if not found or found[-1][1] != len(patch):
        raise InputError(
            "fit",
            "has an encoder without a feature map of more than one cell of each patch, which "
            "Grad-CAM needs",
            found=type(encoder).__name__,
            hint="method = 'integrated_gradients' needs none.",
        )
    return found[-1][0]

"""Calls that pretrain encoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.interop.calls.encoders import encoder_fields, normalisation_fields
from edaphos_bridge.interop.calls.held import encoder_behind, patches, tiles_behind
from edaphos_bridge.interop.calls.probes import probe_of_run
from edaphos_bridge.interop.calls.progress import ToldToR
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.pretrain.run import pretrained
from edaphos_bridge.pretrain.source import PatchSource, Source, TileSource, sensors_of


@plain
def pretrain(method: Any, x: Any, *given: Any) -> dict[str, Any]:
    """``foundation_moco_pretrain()`` and its sisters: plain values."""
    return _pretrained(method, lambda: PatchSource(patches(x, argument="patches")), *given)


@plain
def pretrain_sensors(method: Any, x_a: Any, x_b: Any, *given: Any) -> dict[str, Any]:
    """``foundation_swav_pretrain()``: plain values; `x_b` is None for one sensor."""

    def source() -> Source:
        b = None if x_b is None else patches(x_b, argument="x_b")
        return sensors_of(patches(x_a, argument="x_a"), b)

    return _pretrained(method, source, *given)


@plain
def pretrain_tiles(method: Any, dataset: Any, bands_b: Any, *given: Any) -> dict[str, Any]:
    """``foundation_moco_pretrain_tiles()`` and its sisters: plain values.

    `dataset` is the bytes of its state, `bands_b` None for one sensor.
    """
    return _pretrained(method, lambda: TileSource(tiles_behind(dataset), bands_b), *given)


def _pretrained(
    method: str,
    source: Callable[[], Source],
    encoder: Any,
    settings: dict[str, Any],
    place: dict[str, Any],
    verbose: Any,
    draw: Callable[[], int],
    on_epoch: Callable[..., Any],
) -> dict[str, Any]:
    arguments = {
        **settings,
        **place,
        "verbose": verbose,
        "encoder": encoder_behind(encoder),
        "probe": probe_of_run(settings.get("probe")),
    }
    fitted = pretrained(method, source, arguments, ToldToR(method, on_epoch), draw)
    return pretrain_fields(fitted)


@plain
def filled_encoder(state: Any, module: Any) -> Any:
    """``fit$encoder <- module``: a copy of a module of the user's own, with the fit's weights."""
    return FoundationPretrain.from_bytes(bytes(state), module).encoder


def pretrain_fields(fitted: FoundationPretrain) -> dict[str, Any]:
    """Return the elements of the R object, in its order."""
    return {
        "encoder": encoder_fields(fitted.encoder) or fitted.encoder,
        "loss_history": fitted.loss_history,
        **_if_there("val_accuracy_history", fitted.val_accuracy_history),
        **_if_there("entropy_history", fitted.entropy_history),
        "final_loss": fitted.final_loss,
        # as a double: reticulate would turn a whole number beyond R's integers into 0
        "config": {**fitted.config, "seed": float(fitted.config["seed"])},
        "method": fitted.method,
        "normalisation": normalisation_fields(fitted.normalisation),
        "device": fitted.device,
        "in_channels": fitted.in_channels,
        **_if_there("channels", fitted.channels if fitted.method == "swav" else None),
        "feature_dim": fitted.feature_dim,
        **_if_there("proj_dim", fitted.proj_dim),
        "patch_size": fitted.patch_size,
        "batch_size": fitted.batch_size,
        **_if_there("queue_size", fitted.queue_size),
        **_if_there("probe_history", fitted.probe_history),
        "state": bytearray(fitted.to_bytes()),
        "printed": fitted.describe(),
    }


def _if_there(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {name: value}

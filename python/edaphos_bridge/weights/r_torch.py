"""Files of R torch, serialization version 3: safetensors whose names are an R object beside it.

For a list (a state dict) the safetensors keys are the addresses that the tensors had in R, and
``__robj__`` holds R's list of the names and their addresses. For a module the keys are the names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.r_serialize import RVector, unserialize

METADATA_KEY = "__r__"
NEWEST_VERSION = 3
UNNAMED = "...unnamed..."
"""The name that R torch gives a tensor saved by itself."""
_ROBJ = "__robj__"


def named_tensors(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> dict[str, torch.Tensor]:
    """Return the tensors of a file of R torch by R's names, in R's order.

    Raises `WeightsError` if names and tensors do not belong together one to one.

    Parameters
    ----------
    tensors : mapping of str to torch.Tensor
        All entries of the safetensors file.
    metadata : mapping of str to str
        Its metadata, with R torch's own under ``__r__``.

    Returns
    -------
    dict of str to torch.Tensor
        ``"a.b"`` is element ``b`` of the list ``a``, an element without a name its number, and
        a tensor saved by itself is called ``"...unnamed..."``. What is no tensor is left out.
    """
    kind = _checked_kind(metadata)
    own = {name: tensor for name, tensor in tensors.items() if name != _ROBJ}
    if kind == "list":
        return _joined(own, _r_object(tensors.get(_ROBJ)))
    if kind == "tensor" and list(own) != [UNNAMED]:
        raise WeightsError("This file of R torch should hold one tensor and does not.")
    return own


def leaves(value: RVector, prefix: str = "") -> Iterator[tuple[str, RVector]]:
    """Yield what a nested list holds with names such as ``"a.b"``; no name is a number."""
    names: list[str] = value.names or [""] * len(value.values)
    for number, (name, item) in enumerate(zip(names, value.values, strict=True), start=1):
        full = f"{prefix}{name or number}"
        if item.kind == "list" and not item.classes:
            yield from leaves(item, f"{full}.")
        else:
            yield full, item


def add_once(found: dict[str, torch.Tensor], name: str, tensor: torch.Tensor) -> None:
    """Put a tensor under its name, or raise `WeightsError` if the name is taken."""
    if name in found:
        raise WeightsError(f"This file of R torch has two tensors called {name!r}.")
    found[name] = tensor


def _checked_kind(metadata: Mapping[str, str]) -> str:
    try:
        document: Any = json.loads(metadata[METADATA_KEY])
        kind, version = document["type"], document["version"]
        special = document.get("special_dtype")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"The metadata of this file of R torch is damaged: {error!r}") from error
    if version != NEWEST_VERSION or isinstance(version, bool):
        raise WeightsError(
            f"This file of R torch has serialization version {str(version)[:20]}; in this form "
            f"{NEWEST_VERSION} is known."
        )
    if kind not in ("list", "module", "tensor"):
        raise WeightsError(f"This file of R torch holds a {str(kind)[:40]!r}, which is not known.")
    if special:
        raise WeightsError("This file of R torch holds complex tensors, which no encoder has.")
    return str(kind)


def _r_object(stored: torch.Tensor | None) -> RVector:
    if stored is None or stored.dtype != torch.uint8 or stored.ndim != 1:
        raise WeightsError("This file of R torch lacks the R object with the names.")
    found = unserialize(stored.numpy().tobytes())
    if found.kind != "list":
        raise WeightsError("The R object in this file of R torch is not a list.")
    return found


def _joined(by_address: Mapping[str, torch.Tensor], names: RVector) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    used = set()
    for name, item in leaves(names):
        if "torch_tensor_address" not in item.classes:
            continue
        address = str(item.values[0]) if item.kind == "strings" and len(item.values) == 1 else ""
        if address not in by_address:
            raise WeightsError(f"This file of R torch has no tensor for the name {name!r}.")
        add_once(found, name, by_address[address])
        used.add(address)
    if len(used) != len(by_address):
        raise WeightsError(
            f"This file of R torch has {len(by_address) - len(used)} tensors without a name."
        )
    return found

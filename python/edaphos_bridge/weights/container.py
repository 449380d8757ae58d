"""Files of tensors: safetensors with JSON metadata, written whole or not at all. No pickle."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from edaphos_bridge.errors import WeightsError

FORMAT_VERSION = 1
# One key: safetensors writes several in random order, and equal fits should be equal bytes.
KEY = "edaphos_bridge"

# What safetensors, JSON and torch raise for bytes that are no file of tensors.
_UNREADABLE = (
    safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
    RecursionError, RuntimeError,
)  # fmt: skip


def pack(kind: str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> bytes:
    """Return the bytes of a safetensors file.

    Parameters
    ----------
    kind : str
        What the file holds, e.g. ``"classifier"``.
    tensors : mapping of str to torch.Tensor
        Any dtype that safetensors knows; copied to the cpu.
    metadata : mapping
        JSON values; NaN is not one of them. The versions of the packages are added.
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise WeightsError(
                f"{name!r} in the state dict is a {type(tensor).__name__}, not a tensor: "
                "a safetensors file cannot hold it."
            )
    document = {
        "kind": kind,
        "format_version": FORMAT_VERSION,
        "versions": _versions(),
        **metadata,
    }
    # Clones: tied weights share memory, which safetensors refuses.
    owned = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps(document, allow_nan=False)
    return bytes(safetensors.torch.save(owned, metadata={KEY: text}))


@functools.cache  # each is parsed anew from an installed file
def _versions() -> dict[str, str]:
    return {
        package: importlib.metadata.version(package)
        for package in ("edaphos-bridge", "torch", "safetensors")
    }


def unpack(kind: str, data: bytes) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the metadata of bytes made by `pack`.

    Raises
    ------
    WeightsError
        If the bytes are no safetensors file, hold something else than `kind`, or were
        written by a newer format.
    """
    tensors, metadata = read_safetensors(data)
    try:
        document = json.loads(metadata[KEY])
        found, version = document["kind"], int(document["format_version"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WeightsError("This safetensors file was not written by edaphos_bridge.") from error
    if version > FORMAT_VERSION:
        raise WeightsError(
            f"This file has format {version}; this edaphos_bridge reads up to "
            f"{FORMAT_VERSION}. Update edaphos_bridge to open it."
        )
    if found != kind:
        raise WeightsError(f"This file holds a {found!r}, not a {kind!r}.")
    return tensors, document


def read_safetensors(data: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the metadata of any safetensors file.

    Raises
    ------
    WeightsError
        If the bytes are no safetensors file.
    """
    try:
        views = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = header.get("__metadata__") or {}
        # Clones: views into `data` are aligned by chance, and a kernel that picks its path by
        # alignment could give other last bits in another process.
        tensors = {name: tensor.clone() for name, tensor in views.items()}
    except _UNREADABLE as error:
        raise WeightsError(f"This is not a readable safetensors file: {error}") from error
    return tensors, {str(key): value for key, value in metadata.items()}


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` under a temporary name beside `path`, then rename it into place."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    # os.open, not tempfile: the file gets the permissions that the user's umask gives.
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def prefixed(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state dict with ``prefix.`` before every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def without_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the part of `tensors` under ``prefix.`` with its own names."""
    start = f"{prefix}."
    return {
        name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)
    }

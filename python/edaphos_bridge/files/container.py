"""Files of tensors: safetensors with JSON metadata and a digest over every byte. No pickle."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

import safetensors
import safetensors.torch
import torch

from edaphos_bridge.errors import InputError, WeightsError

FORMAT_VERSION = 2
_FIRST_WITH_DIGEST = 2
# One key: safetensors writes several in random order, and equal fits should be equal bytes.
KEY = "edaphos_bridge"
# Stands where the digest will be while the digest is computed.
_BLANK = "0" * 64
# A header describes tensors; the largest of a user's module has some thousand.
_MOST_HEADER_BYTES = 2**24

# What safetensors, JSON and torch raise for bytes that are no file of tensors.
_UNREADABLE = (
    safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
    RecursionError, RuntimeError,
)  # fmt: skip


def pack(kind: str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> bytes:
    """Return the bytes of a safetensors file of a kind, such as ``"classifier"``.

    Tensors are of any dtype that safetensors knows, and copied to the cpu. The metadata are JSON
    values, of which NaN is none; the versions of the packages are added. Raises `WeightsError` if
    safetensors has no form for one of the tensors, or it is none.
    """
    for name, tensor in tensors.items():
        problem = _problem(tensor)
        if problem:
            raise WeightsError(
                f"{name!r} in the state dict is {problem}: a safetensors file cannot hold it."
            )
    document = {
        "kind": kind,
        "format_version": FORMAT_VERSION,
        "digest": _BLANK,
        "versions": _versions(),
        **metadata,
    }
    # Clones: tied weights share memory, which safetensors refuses.
    owned = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps(document, allow_nan=False)
    data = bytearray(safetensors.torch.save(owned, metadata={KEY: text}))
    place = data.index(_BLANK.encode())
    data[place : place + len(_BLANK)] = _digest(data, place).encode()
    return bytes(data)


def _problem(tensor: Any) -> str:
    """Return what a value is that safetensors has no form for; "" for any other."""
    if not isinstance(tensor, torch.Tensor):
        return f"a {type(tensor).__name__}, not a tensor"
    if tensor.is_nested:
        return "a nested tensor"
    if tensor.layout != torch.strided:
        return f"a tensor of layout {tensor.layout}"
    if tensor.is_quantized or (tensor.is_complex() and tensor.dtype != torch.complex64):
        return f"a tensor of {tensor.dtype}"
    return ""


def _digest(data: bytes | bytearray, place: int) -> str:
    """Return the digest of all bytes but those at `place`, where the digest is kept."""
    view = memoryview(data)
    digest = hashlib.sha256(view[:place])
    digest.update(_BLANK.encode())
    digest.update(view[place + len(_BLANK) :])
    return digest.hexdigest()


@functools.cache  # each is parsed anew from an installed file
def _versions() -> dict[str, str]:
    return {
        package: importlib.metadata.version(package)
        for package in ("edaphos-bridge", "torch", "safetensors")
    }


def unpack(
    kinds: str | tuple[str, ...], data: bytes
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the metadata of bytes made by `pack`.

    Files of format 1 have no digest.

    Raises `WeightsError` if the bytes are no safetensors file, hold something else than `kinds`,
    were written by a newer format, or are not those that were written.
    """
    tensors, metadata = read_safetensors(data)
    try:
        document = json.loads(metadata[KEY])
        found, version = document["kind"], document["format_version"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError("This safetensors file was not written by edaphos_bridge.") from error
    if type(version) is not int or version < 1:
        raise WeightsError(f"This file is damaged: it has format {str(version)[:20]!r}.")
    if version > FORMAT_VERSION:
        raise WeightsError(
            f"This file has format {version}; this edaphos_bridge reads up to "
            f"{FORMAT_VERSION}. Update edaphos_bridge to open it."
        )
    if (version >= _FIRST_WITH_DIGEST) != ("digest" in document):
        raise WeightsError("This file is damaged: its format and its digest do not fit.")
    if "digest" in document:
        _check_digest(data, document.pop("digest"))
    wanted = (kinds,) if isinstance(kinds, str) else kinds
    if found not in wanted:
        raise WeightsError(f"This file holds a {str(found)[:40]!r}, not a {wanted[0]!r}.")
    return tensors, document


def _check_digest(data: bytes, digest: Any) -> None:
    # The first place, as in `pack`: before it are the kind and the format only.
    place = data.find(digest.encode()) if isinstance(digest, str) and len(digest) == 64 else -1
    if place < 0 or _digest(data, place) != digest:
        raise WeightsError("This file is damaged: its content is not what was written.")


def read_safetensors(data: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the metadata of any safetensors file.

    Raises `InputError` if `data` is no bytes. Raises `WeightsError` if the bytes are no safetensors
    file.
    """
    if not isinstance(data, bytes | bytearray):
        raise InputError("data", "must be the bytes of a file", found=type(data).__name__)
    try:
        length = int.from_bytes(data[:8], "little")
        if length > _MOST_HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        views = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + length])
        metadata = header.get("__metadata__") or {}
        # Clones: views into `data` are aligned by chance, and a kernel that picks its path by
        # alignment could give other last bits in another process.
        tensors = {name: tensor.clone() for name, tensor in views.items()}
    except _UNREADABLE as error:
        raise WeightsError(f"This is not a readable safetensors file: {error}") from error
    return tensors, {str(key): value for key, value in metadata.items()}


def looks_like_ours(metadata: Mapping[str, str]) -> bool:
    """Return whether the metadata of `pack` is there under another name: a damaged file."""
    return any("format_version" in value and '"kind"' in value for value in metadata.values())


def require_finite(
    what: str, tensors: Mapping[str, torch.Tensor], *, with_masks: bool = False
) -> None:
    """Raise `WeightsError` if a weight is NaN or infinite: nothing can be computed with it.

    `with_masks` lets infinite ones pass: a module of a user's own may keep a mask of them.
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            continue
        values = tensor.float() if tensor.element_size() == 1 else tensor  # float8
        if bool((values.isnan() if with_masks else ~values.isfinite()).any()):
            raise WeightsError(
                f"The weights of the {what} are not finite: {name!r} holds NaN or infinity."
            )


def prefixed(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state dict with ``prefix.`` before every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def without_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the part of `tensors` under ``prefix.`` with its own names."""
    start = f"{prefix}."
    return {
        name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)
    }

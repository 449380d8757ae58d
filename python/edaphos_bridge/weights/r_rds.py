"""Old files of R torch (serialization up to version 2): a gzip RDS with a list of raw vectors.

Each raw vector is R's serialization of a list whose `values` are an archive of libtorch: a zip
with the storage as plain bytes, and a pickle that says its type, shape and strides. The pickle is
never loaded: its instructions are listed and held against the one sequence that libtorch writes.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
import zlib
from typing import Any

import torch

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.r_serialize import RVector, unserialize
from edaphos_bridge.weights.r_torch import UNNAMED, add_once, leaves

GZIP_START = b"\x1f\x8b\x08"
# Weights hardly compress. Archives of small tensors do, about fifty times, and are small.
_MOST_BYTES = 2**30
_MOST_TIMES = 10
_SPARE_BYTES = 2**24
_CHUNK = 2**16
# What describes one tensor, and how many parts its archive has, of which each takes memory.
_MOST_DESCRIPTION_BYTES = 2**14
_MOST_PARTS = 100

# What zipfile, zlib, pickletools and torch raise for bytes that are no archive of libtorch.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, ArithmeticError, AttributeError, EOFError,
    LookupError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
_DTYPES = {
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}


def rds_tensors(data: bytes) -> dict[str, torch.Tensor]:
    """Return the tensors of an old file of R torch; names as in `r_torch.named_tensors`.

    Raises `WeightsError` if the file is damaged, unpacks to more than its size allows, or holds an
    R module, whose functions are not read.
    """
    outer = unserialize(_unpacked(data))
    kind = outer.element("type")
    values = outer.element("values")
    name = kind.values[0] if kind is not None and kind.kind == "strings" and kind.values else None
    if values is None or name not in ("list", "tensor"):
        raise WeightsError(
            "This RDS file holds no list of tensors of R torch. Of a module save the state dict: "
            'torch::torch_save(module$state_dict(), "encoder.pt").'
        )
    if name == "tensor":
        return {UNNAMED: _tensor(outer)}
    if values.kind != "list":
        raise WeightsError("This file of R torch is damaged: a list was expected.")
    found: dict[str, torch.Tensor] = {}
    for full_name, item in leaves(values):
        if "torch_serialized_tensor" in item.classes:
            if item.kind != "raw":
                raise WeightsError(f"The tensor {full_name!r} is in a form that is not known.")
            add_once(found, full_name, _tensor(unserialize(item.values)))
    return found


def _unpacked(data: bytes) -> memoryview:
    """Return what the gzip file holds; memory is taken up to the bound and no further."""
    most = min(_MOST_BYTES, len(data) * _MOST_TIMES + _SPARE_BYTES)
    unpacker = zlib.decompressobj(wbits=31)  # gzip, with its checksum
    out = bytearray()
    for start in range(0, len(data), _CHUNK):
        waiting = data[start : start + _CHUNK]
        while waiting and not unpacker.eof:
            try:
                out += unpacker.decompress(waiting, min(_CHUNK, most + 1 - len(out)))
            except zlib.error as error:
                raise WeightsError(f"This gzip file is damaged: {error}") from error
            if len(out) > most:
                raise WeightsError("This file unpacks to more than weights of its size can be.")
            waiting = unpacker.unconsumed_tail
        if unpacker.eof and (unpacker.unused_data or start + _CHUNK < len(data)):
            raise WeightsError("This gzip file holds something after its end.")
    if not unpacker.eof:
        raise WeightsError("This gzip file is cut off.")
    return memoryview(out)


def _tensor(serialized: RVector) -> torch.Tensor:
    values = serialized.element("values")
    if values is None or values.kind != "raw":
        raise WeightsError("A tensor in this file of R torch is in a form that is not known.")
    try:
        storage, description = _archive(bytes(values.values))
        return _rebuilt(storage, list(pickletools.genops(description)))
    except _DAMAGED as error:
        raise WeightsError(f"A tensor in this file of R torch is damaged: {error!r}") from error


def _archive(data: bytes) -> tuple[bytes, bytes]:
    """Return the one storage of an archive of libtorch, and its description."""
    if data.count(b"PK\1\2") > _MOST_PARTS:
        raise WeightsError("An archive of libtorch in this file has more parts than a tensor has.")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts: dict[str, bytes] = {}
        for entry in archive.infolist():
            _, _, name = entry.filename.partition("/")
            if name not in ("data/0", "data.pkl", "byteorder") or name in parts:
                if name.startswith("data/") or name in parts:
                    raise WeightsError("A tensor in this file of R torch has several storages.")
                continue
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data):
                raise WeightsError("An archive of libtorch in this file claims what it has not.")
            if name == "data.pkl" and entry.file_size > _MOST_DESCRIPTION_BYTES:
                raise WeightsError("A tensor in this file of R torch has an endless description.")
            parts[name] = archive.read(entry)
    if parts.get("byteorder", b"little") != b"little":
        raise WeightsError("A tensor in this file of R torch is not little-endian.")
    return parts["data/0"], parts["data.pkl"]


# What libtorch writes for one tensor, memo left out; "numbers" stands for shape and strides.
_BEFORE = [
    ("PROTO", 2), ("GLOBAL", "__torch__ Module"), ("EMPTY_TUPLE", None), ("NEWOBJ", None),
    ("EMPTY_DICT", None), ("MARK", None), ("BINUNICODE", "0"),
    ("GLOBAL", "torch._utils _rebuild_tensor_v2"), ("MARK", None), ("MARK", None),
    ("BINUNICODE", "storage"),
]  # fmt: skip
_AFTER = [
    ("GLOBAL", "collections OrderedDict"), ("EMPTY_TUPLE", None), ("REDUCE", None),
    ("TUPLE", None), ("REDUCE", None), ("SETITEMS", None), ("BUILD", None), ("STOP", None),
]  # fmt: skip


class _Steps:
    """The instructions of a pickle, taken one by one; nothing is carried out."""

    def __init__(self, instructions: list[Any]) -> None:
        self._steps = [
            (code.name, argument)
            for code, argument, _ in instructions
            if code.name not in ("BINPUT", "LONG_BINPUT")
        ]

    def take(self, *names: str) -> Any:
        name, argument = self._steps.pop(0)
        if name not in names:
            raise ValueError(f"{name} instead of {' or '.join(names)}")
        return argument

    def expect(self, steps: list[tuple[str, Any]]) -> None:
        for name, argument in steps:
            if self.take(name) != argument:
                raise ValueError(f"another {name} than {argument}")

    def number(self) -> int:
        value = self.take("BININT", "BININT1", "BININT2", "LONG1")
        if value < 0:
            raise ValueError("a negative size")
        return int(value)

    def numbers(self) -> list[int]:
        self.take("MARK")
        found = []
        while self._steps[0][0] != "TUPLE":
            found.append(self.number())
        self.take("TUPLE")
        return found


def _rebuilt(storage: bytes, instructions: list[Any]) -> torch.Tensor:
    steps = _Steps(instructions)
    steps.expect(_BEFORE)
    dtype = _DTYPES[steps.take("GLOBAL")]
    steps.take("BINGET", "BINUNICODE")  # the storage's name; there is only one
    steps.take("BINUNICODE")  # the device it was on
    count = steps.number()
    steps.expect([("TUPLE", None), ("BINPERSID", None)])
    offset, shape, strides = steps.number(), steps.numbers(), steps.numbers()
    steps.take("NEWTRUE", "NEWFALSE")  # requires_grad
    steps.expect(_AFTER)
    if len(storage) != count * dtype.itemsize or len(shape) != len(strides) or len(shape) > 8:
        raise ValueError("its shape and its storage do not fit")
    size = 1
    for extent in shape:
        size *= extent
    last = offset + sum(
        (extent - 1) * stride for extent, stride in zip(shape, strides, strict=True)
    )
    if size > count or (size and last >= count):
        raise ValueError("its shape and its storage do not fit")
    if not size:
        if max(shape) > 2**31:
            raise ValueError("an impossible extent")
        return torch.empty(shape, dtype=dtype)
    if dtype == torch.bool:  # other bytes than 0 and 1 are no booleans
        flat = torch.frombuffer(bytearray(storage), dtype=torch.uint8) != 0
    else:
        flat = torch.frombuffer(bytearray(storage), dtype=dtype)
    view = torch.as_strided(flat, shape, strides, offset)
    return view.clone(memory_format=torch.contiguous_format)

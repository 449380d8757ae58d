"""Plain values between Python and R embedded by rpy2, as reticulate would convert them.

Arrays from R are views of R's memory. A Python object that R only holds is an environment of
class ``edaphosbridge_python_object`` with a key. R's finalizer notes the key, and Python lets the
object go when the next one crosses: R may collect anywhere, where rpy2 has its lock as well, and
what called Python there would wait for ever.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rpy2 import rinterface
from rpy2.rinterface import (
    NULL,
    BoolSexpVector,
    ByteSexpVector,
    FloatSexpVector,
    IntSexpVector,
    ListSexpVector,
    NA_Character,
    NA_Logical,
    NA_Real,
    StrSexpVector,
)

from edaphos_bridge.errors import InputError
from edaphos_bridge.interop.answers import NA_INTEGER

_held: dict[str, Any] = {}
_R_INTEGER = range(-(2**31) + 1, 2**31)


def from_r(value: Any) -> Any:
    """Return an R object as a plain Python value.

    NULL is None; a vector of length 1 without dimensions is a scalar, a longer one a list; an
    array is a view ``numpy.ndarray`` of R's memory, marked read-only; raw is bytes; a named list
    is a dict; a function is a callable on plain values.
    """
    if value is NULL or isinstance(value, type(NULL)):
        return None
    if isinstance(value, rinterface.SexpClosure):
        return lambda *args: from_r(value(*map(to_r, args)))
    if isinstance(value, rinterface.SexpEnvironment):
        return _held_object(value)
    if isinstance(value, ByteSexpVector):
        return np.asarray(value).tobytes()
    if isinstance(value, ListSexpVector):
        items = [from_r(item) for item in value]
        return items if value.names is NULL else dict(zip(value.names, items, strict=True))
    if isinstance(value, StrSexpVector):
        items = list(value)
    elif dimensions(value):
        return view(value)
    elif isinstance(value, BoolSexpVector):
        items = [bool(item) for item in view(value)]
    else:
        items = view(value).tolist()
    return items[0] if len(items) == 1 else items


def dimensions(value: Any) -> tuple[int, ...]:
    """Return the ``dim`` of an R object, () without one."""
    if "dim" not in value.list_attrs():
        return ()
    return tuple(value.do_slot("dim"))


class _Memory:
    """The memory of an R vector, which lives as long as an array on it: rpy2's own may not."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.__array_interface__ = np.asarray(value).__array_interface__


def view(value: Any) -> NDArray[Any]:
    """Return a double, integer or logical R vector or array as a read-only view of its memory."""
    shape = dimensions(value) or (len(value),)
    if 0 in shape:
        array = np.empty(
            shape, dtype=np.float64 if isinstance(value, FloatSexpVector) else np.int32
        )
    else:
        array = np.asarray(_Memory(value))  # column-major, without a copy
    array.flags.writeable = False
    return array


def to_r(value: Any) -> Any:
    """Return a plain Python value as an R object; see `from_r`. Other objects are held for R."""
    if value is None:
        return NULL
    if isinstance(value, rinterface.Sexp):
        return value
    if isinstance(value, bool | np.bool_):
        return BoolSexpVector([bool(value)])
    if isinstance(value, int | np.integer):
        vector = IntSexpVector if int(value) in _R_INTEGER else FloatSexpVector
        return vector([value])
    if isinstance(value, float | np.floating):
        return FloatSexpVector([float(value)])
    if isinstance(value, str):
        return StrSexpVector([value])
    if isinstance(value, bytes | bytearray):
        return ByteSexpVector(bytes(value))
    if isinstance(value, np.ndarray):
        return array_to_r(value)
    if isinstance(value, dict):
        out = ListSexpVector([to_r(item) for item in value.values()])
        out.do_slot_assign("names", StrSexpVector([str(name) for name in value]))
        return out
    if isinstance(value, list | tuple):
        return _sequence_to_r(value)
    return _hold(value)


def _sequence_to_r(values: list[Any] | tuple[Any, ...]) -> Any:
    vectors: dict[type, Callable[[Any], Any]] = {
        bool: BoolSexpVector,
        int: IntSexpVector,
        float: FloatSexpVector,
        str: StrSexpVector,
    }
    kinds = {type(item) for item in values}
    if len(kinds) == 1 and (kind := kinds.pop()) in vectors:
        return vectors[kind](values)
    return ListSexpVector([to_r(item) for item in values])


def array_to_r(array: NDArray[Any]) -> Any:
    """Return a real array as an R double, integer or logical array (copied once).

    Masked cells are NA.
    """
    mask = np.ma.getmask(array)
    array = np.ma.getdata(array)
    missing = None if mask is np.ma.nomask else mask.ravel(order="F")
    if array.dtype.kind == "b":
        values: list[Any] = array.ravel(order="F").tolist()
        if missing is not None:
            values = [NA_Logical if gone else v for v, gone in zip(values, missing, strict=True)]
        vector = BoolSexpVector(values)
    elif array.dtype.kind in "iu" and array.dtype.itemsize <= 4 and array.dtype != np.uint32:
        vector = IntSexpVector.from_memoryview(_flat(array, np.int32, missing, NA_INTEGER))
    else:
        vector = FloatSexpVector.from_memoryview(_flat(array, np.float64, missing, NA_Real))
    if array.ndim > 1:
        vector.do_slot_assign("dim", IntSexpVector(array.shape))
    return vector


def _flat(
    array: NDArray[Any], dtype: Any, missing: NDArray[np.bool_] | None, na: Any
) -> memoryview:
    flat = np.ascontiguousarray(array.ravel(order="F"), dtype=dtype)
    if missing is not None:
        flat = np.where(missing, np.array(na, dtype=dtype), flat)
    return flat.data


def strings_to_r(values: NDArray[Any]) -> Any:
    """Return a masked array of strings as an R character vector or array with NA."""
    flat = values.ravel(order="F").tolist()
    vector = StrSexpVector([NA_Character if value is None else str(value) for value in flat])
    if values.ndim > 1:
        vector.do_slot_assign("dim", IntSexpVector(values.shape))
    return vector


def _hold(value: Any) -> Any:
    _let_go()
    key = uuid.uuid4().hex  # an object that R has read from a file has the key of another session
    _held[key] = value
    return _holder()["hold"](StrSexpVector([key]))


def _let_go() -> None:
    """Drop the objects that R has collected."""
    for key in _holder()["collected"]():
        _held.pop(key, None)


def is_held(key: Any) -> Any:
    """Return whether the object of R's `key` is there: that of another session is not."""
    _let_go()
    return BoolSexpVector([key[0] in _held])


def _held_object(environment: Any) -> Any:
    if "edaphosbridge_python_object" not in environment.rclass:
        return environment
    _let_go()
    key = environment["key"][0]
    if key not in _held:
        raise InputError(
            "encoder",
            "is a Python object of another session",
            hint="Build the module anew and give it again.",
        )
    return _held[key]


# Names in an environment: R may collect between any two lines, and none is lost.
_HOLDER_CODE = """
local({
  gone <- new.env(parent = emptyenv())
  note <- function(object) assign(object$key, TRUE, envir = gone)
  hold <- function(key) {
    object <- new.env(parent = emptyenv())
    object$key <- key
    reg.finalizer(object, note)
    structure(object, class = "edaphosbridge_python_object")
  }
  collected <- function() {
    keys <- ls(gone)
    rm(list = keys, envir = gone)
    keys
  }
  environment()
})
"""


@functools.cache
def _holder() -> Any:
    """Return the R environment with the functions of held objects."""
    return rinterface.evalr(_HOLDER_CODE)

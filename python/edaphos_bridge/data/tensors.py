"""torch tensors of any kind as NumPy arrays, or an error that says what to do first."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.masked import MaskedTensor

from edaphos_bridge.basics.ambient import use_threads
from edaphos_bridge.errors import InputError

_NUMPY_READS = (
    torch.float64, torch.float32, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
    torch.bool,
)  # fmt: skip


def check_tensor(tensor: torch.Tensor, argument: str) -> None:
    """Raise `InputError` unless `tensor` holds the values of a dense array of real numbers.

    Its shape and its slices may be relied on then.
    """
    if tensor.is_nested:
        found, hint = "a nested tensor", "torch.nested.to_padded_tensor() makes it dense."
    elif tensor.device.type == "meta":
        found, hint = "a tensor on the meta device", "It has a shape but no values."
    elif tensor.layout != torch.strided:
        found, hint = f"a tensor of layout {tensor.layout}", ".to_dense() makes it dense."
    elif tensor.is_quantized:
        found, hint = f"a tensor of {tensor.dtype}", ".dequantize() gives its numbers."
    elif tensor.is_complex():
        found, hint = f"a tensor of {tensor.dtype}", "Give its real part, or its size."
    else:
        return
    raise InputError(argument, "must be a dense array of real numbers", found=found, hint=hint)


def tensor_as_numpy(tensor: torch.Tensor, argument: str) -> NDArray[Any]:
    """Return the values of a tensor on any device, masked where a MaskedTensor is.

    A type that NumPy does not know (bfloat16, float8) becomes float32. The memory may be shared.

    Raises `InputError` as `check_tensor`, and for tensors that only stand for values, as inside a
    transform.
    """
    if isinstance(tensor, MaskedTensor):
        values, valid = (
            tensor_as_numpy(part, argument) for part in (tensor.get_data(), tensor.get_mask())
        )
        return np.ma.masked_array(values, mask=~valid)
    check_tensor(tensor, argument)
    if tensor.is_neg() or tensor.dtype not in _NUMPY_READS:
        use_threads()  # torch computes other numbers
    try:
        here = tensor.detach().cpu().resolve_neg()
        if here.is_floating_point() and here.dtype != torch.float64:
            here = here.float()
        return here.numpy()
    except Exception as error:  # torch's own have no common class
        raise InputError(
            argument,
            f"must be a dense array of real numbers ({type(error).__name__}: {error})",
            found=f"a tensor of {tensor.dtype}",
        ) from error

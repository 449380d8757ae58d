"""Make torch's vector functions ready in one thread, before several call them at once.

torch hands square roots, logarithms and the like to MKL, which chooses a kernel when a function
is first called. Where that first call comes from several threads at once, MKL before 2025.0
may run a low-accuracy kernel for one thread's share: relative errors up to 3e-4, once in a
hundred fresh processes under load, in Adam's first step for example. A first call on one
number, from one thread, settles the choice (https://github.com/pytorch/pytorch/issues/188792).

Importing this module does so; every module that starts computations with torch imports it.
"""

from __future__ import annotations

import torch

# What torch 2.4 to 2.13 hands to MKL (aten/src/ATen/cpu/vml.h), where it has MKL.
_FUNCTIONS = [
    "acos", "asin", "atan", "ceil", "cos", "erf", "erfc", "erfinv", "exp", "expm1", "floor",
    "lgamma", "log", "log10", "log1p", "log2", "round", "sin", "sqrt", "tan", "tanh", "trunc",
]  # fmt: skip


def _settle() -> None:
    with torch.inference_mode():
        for dtype in (torch.float32, torch.float64):
            number = torch.full((1,), 0.5, dtype=dtype, device="cpu")
            for name in _FUNCTIONS:
                getattr(torch, name)(number)


_settle()

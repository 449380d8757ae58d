"""Randomness that comes from one seed, whatever else the process draws.

torch's default generators belong to the process: another thread may draw from them at any time.
So all draws come from generators of our own. On the cpu such a generator gives the numbers that
the default one would give for the same seed.
"""

from __future__ import annotations

import functools
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from edaphos_bridge.basics import vector_math  # noqa: F401  (before anything is computed)
from edaphos_bridge.errors import InputError


def draw_seed() -> int:
    """Return a fresh seed from the operating system, small enough for an R integer."""
    return secrets.randbelow(2**31 - 1)


class Randomness:
    """Generators of our own, all with the same seed.

    Parameters
    ----------
    seed : int
    device : torch.device, optional
        Where else than on the cpu numbers are drawn.

    Attributes
    ----------
    generator : torch.Generator
        The cpu's.
    """

    def __init__(self, seed: int, device: torch.device | None = None) -> None:
        self.generator = torch.Generator("cpu").manual_seed(seed)
        self._generators = {"cpu": self.generator}
        if device is not None and device.type in ("cuda", "mps"):
            self._generators[device.type] = torch.Generator(device).manual_seed(seed)

    def states(self) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the state of the cpu's generator, and those of other devices by their names."""
        others = {n: g.get_state() for n, g in self._generators.items() if n != "cpu"}
        return self.generator.get_state(), others

    def restore(self, cpu: torch.Tensor, others: Mapping[str, torch.Tensor]) -> None:
        """Put generators into states that `states` gave, be it of a run on another device."""
        self.generator.set_state(cpu)
        for name in self._generators.keys() & others.keys():
            self._generators[name].set_state(others[name])

    def everywhere(self) -> TorchDispatchMode:
        """Return a context in which this thread draws all its random numbers from here.

        For code that takes no generator: torch's initial weights, dropout, modules of the user's.
        Each call of a kernel takes some microseconds more in it.
        """
        is_compiler_loaded = "torch._dynamo" in sys.modules
        return (_hidden_from_compiler() if is_compiler_loaded else _DrawsFrom)(self._generators)


class _DrawsFrom(TorchDispatchMode):
    """Gives torch's kernels our generators, where they would take a default one."""

    # torch would hide a mode from its compiler, and import that first: some seconds of work.
    _should_skip_dynamo = classmethod(lambda cls: False)

    def __init__(self, generators: dict[str, torch.Generator]) -> None:
        super().__init__()
        self._generators = generators

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        draw = _seeded_form(func)
        if draw is None or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        if torch._C._current_graph_task_id() != -1 and torch.is_grad_enabled():
            raise InputError(
                "encoder",
                "must not draw random numbers a second time for its gradients, as checkpointing "
                "does with dropout: they would be other numbers",
                hint="Train it without checkpointing.",
            )
        generator = self._generators.get(_device_of(args, kwargs))
        if generator is None:  # "meta", for example, where nothing is drawn
            return func(*args, **kwargs)
        return draw(generator, *args, **kwargs)


@functools.cache
def _hidden_from_compiler() -> type[_DrawsFrom]:
    """Return a class that does the same inside modules of `torch.compile`, which would trace it."""

    class Hidden(_DrawsFrom):
        _should_skip_dynamo = classmethod(lambda cls: True)
        __torch_dispatch__ = _DrawsFrom.__torch_dispatch__

    return Hidden


_Draw = Callable[..., Any]


@functools.cache
def _seeded_form(func: Any) -> _Draw | None:
    """Return `func` as a function of a generator and its arguments, or None if it draws nothing."""
    if torch.Tag.nondeterministic_seeded not in getattr(func, "tags", ()):
        return None
    name = func.overloadpacket._qualified_op_name.removeprefix("aten::")
    if name in _WITHOUT_GENERATOR:
        return _WITHOUT_GENERATOR[name]
    overload = func._overloadname
    with_generator = "generator" if overload == "default" else f"{overload}_generator"
    for form in (func, getattr(func.overloadpacket, with_generator, None)):
        if form is not None and any(a.name == "generator" for a in form._schema.arguments):
            return lambda generator, *args, _form=form, **kwargs: _form(
                *args, **{**kwargs, "generator": generator}
            )
    return None  # fused kernels with a dropout of their own, on a GPU


def _like(fill: Callable[..., torch.Tensor]) -> _Draw:
    """Return the seeded form of a kernel that fills a tensor like another one."""

    def draw(generator: torch.Generator, like: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return fill(torch.empty_like(like, **kwargs), *args, generator=generator)

    return draw


def _dropout(
    generator: torch.Generator, x: torch.Tensor, p: float, train: bool | None
) -> tuple[torch.Tensor, torch.Tensor]:
    kept = torch.empty_like(x, dtype=torch.bool)
    if train is False:
        return x.clone(), kept.fill_(True)
    kept.bernoulli_(1 - p, generator=generator)
    return x * kept * (0.0 if p == 1 else 1 / (1 - p)), kept


_WITHOUT_GENERATOR: dict[str, _Draw] = {
    "rand_like": _like(torch.Tensor.uniform_),
    "randn_like": _like(torch.Tensor.normal_),
    "randint_like": _like(
        lambda out, *ends, generator: out.random_(*_ends(ends), generator=generator)
    ),
    "native_dropout": _dropout,
}


def _ends(ends: tuple[int, ...]) -> tuple[int, int]:
    return (0, ends[0]) if len(ends) == 1 else (ends[0], ends[1])


def _device_of(args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """Return where a kernel draws: where it is told to, or where its tensors are."""
    if kwargs.get("device") is not None:
        return torch.device(kwargs["device"]).type
    tensors = (value for value in args if isinstance(value, torch.Tensor))
    return next((tensor.device.type for tensor in tensors), "cpu")

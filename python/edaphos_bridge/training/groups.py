"""The groups of a model that train at rates of their own: blocks of the encoder, then the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from edaphos_bridge.encoders.encoder import groups_of
from edaphos_bridge.errors import InputError
from edaphos_bridge.training.phase import AnyPhase, Phase

Modules = list[nn.Module]

_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


class Groups:
    """The groups of a model, made once, before its first phase.

    Parameters
    ----------
    encoder, head : torch.nn.Module
    split : optional
        As `encoder_groups` has it.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module, split: Any = None) -> None:
        blocks = encoder_groups(encoder, split)
        self._modules = [*blocks, [head]]
        self._parameters = [*parameters_of(blocks, encoder), list(head.parameters())]
        grouped = {id(m) for block in blocks for module in block for m in module.modules()}
        self._rest = [  # of the first group, as parameters of no group are
            m for m in encoder.modules() if id(m) not in grouped and not list(m.children())
        ]
        self._model = (encoder, head)
        self._trainable = {id(p) for p in self._all() if p.requires_grad}  # as the user left it
        self._norms = {id(p) for p in self._all_of_norms()}

    def __len__(self) -> int:
        return len(self._parameters)

    def prepare(self, phase: Phase) -> list[dict[str, Any]]:
        """Let gradients reach what trains in a phase, and return it for its optimiser.

        Returns
        -------
        list of dict
            With ``params``, ``rate``, ``weight_decay`` and ``group``, the group's number.
        """
        first, rates = phase.first_trained(len(self)), phase.rates(len(self))
        found = []
        for number, (parameters, rate) in enumerate(zip(self._parameters, rates, strict=True)):
            for p in parameters:
                trains = number >= first or (phase.norms == "train" and id(p) in self._norms)
                p.requires_grad_(trains and id(p) in self._trainable)
            trained = [p for p in parameters if p.requires_grad]
            decays = [p for p in trained if phase.decay_norms or not self._is_spared(p)]
            kept = {id(p) for p in decays}
            spared = [p for p in trained if id(p) not in kept]
            for params, decay in ((decays, phase.weight_decay), (spared, 0.0)):
                if params:
                    group = {"params": params, "rate": rate, "lr": rate, "weight_decay": decay}
                    found.append({**group, "group": number})
        return found

    def require_trained(self, phases: Sequence[AnyPhase]) -> None:
        """Raise `InputError` for a phase in which no parameter trains."""
        for phase in phases:
            if isinstance(phase, Phase) and not self.prepare(phase):
                raise InputError(
                    "head",
                    "has no parameter that requires a gradient, and nothing else is to train",
                    found=type(self._model[1]).__name__,
                )
        self.restore()

    def train(self, phase: Phase) -> None:
        """Put the model in train mode, and what a phase locks in eval mode."""
        for part in self._model:
            part.train()
        if phase.is_probe(len(self)):
            self._model[0].eval()
        locked = self._modules[: phase.first_trained(len(self))]
        if phase.norms == "lock" and locked:
            for module in [*self._rest, *(module for modules in locked for module in modules)]:
                module.eval()

    def restore(self) -> None:
        """Let gradients reach what they reached before the first phase."""
        for p in self._all():
            p.requires_grad_(id(p) in self._trainable)

    def _all(self) -> list[nn.Parameter]:
        return [p for parameters in self._parameters for p in parameters]

    def _all_of_norms(self) -> list[nn.Parameter]:
        modules = (module for part in self._model for module in part.modules())
        norms = [module for module in modules if isinstance(module, _NORMS)]
        return [p for norm in norms for p in norm.parameters(recurse=False)]

    def _is_spared(self, parameter: nn.Parameter) -> bool:
        """Return whether it is of a norm layer or a bias, which have one dimension."""
        return id(parameter) in self._norms or parameter.ndim <= 1


def encoder_groups(encoder: nn.Module, split: Any = None) -> list[Modules]:
    """Return the blocks of an encoder, input first.

    Parameters
    ----------
    split : sequence of sequences of str, or callable, optional
        Names of submodules for each group, as ``named_modules()`` has them; or what gives the
        modules of each group when it is called with the encoder. By default the encoder's own
        ``groups()``, else its top-level parts.

    Raises
    ------
    InputError
        If they are no groups of this encoder's modules.
    """
    if split is None:
        return groups_of(encoder)
    if isinstance(split, Callable):  # type: ignore[arg-type]
        try:
            groups = [list(group) for group in split(encoder)]
        except Exception as error:  # a user's code may fail in any way
            raise InputError(
                "split", f"fails on the encoder: {type(error).__name__}: {error}"
            ) from error
    elif isinstance(split, Sequence) and not isinstance(split, str | bytes):
        groups = [_named(encoder, group) for group in split]
    else:
        raise InputError(
            "split", "must name the submodules of each group", found=type(split).__name__
        )
    known = {id(module) for module in encoder.modules()}
    if not groups or any(not group or not {*map(id, group)} <= known for group in groups):
        raise InputError(
            "split",
            "must give groups of at least one module of the encoder each",
            found=[len(group) for group in groups],
        )
    return groups


def parameters_of(groups: Sequence[Modules], encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters of each group, each once; those of no group are the first's."""
    taken: set[int] = set()
    found = []
    for group in groups:
        parameters = [p for module in group for p in module.parameters()]
        own = {id(p): p for p in parameters if id(p) not in taken}
        taken |= own.keys()
        found.append(list(own.values()))
    rest = [p for p in encoder.parameters() if id(p) not in taken]
    return [rest + found[0], *found[1:]]


def _named(encoder: nn.Module, names: Any) -> Modules:
    modules = dict(encoder.named_modules())
    if isinstance(names, str) or not isinstance(names, Sequence):
        names = [names]
    unknown = [name for name in names if not isinstance(name, str) or name not in modules]
    if unknown:
        raise InputError(
            "split",
            "must name submodules of the encoder",
            found=unknown,
            hint=f"Its own are {', '.join(name for name, _ in encoder.named_children())}.",
        )
    return [modules[name] for name in names]

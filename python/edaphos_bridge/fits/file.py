"""Fits in files: one kind, ``fit``, of a task, an encoder, a head and the record of training.

What earlier versions wrote, ``classifier``, is read as the same description.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.devices import on_meta
from edaphos_bridge.encoders.copying import freeze
from edaphos_bridge.encoders.features import find_shapes
from edaphos_bridge.encoders.foundation import (
    as_float32,
    describe_encoder,
    encoder_state,
    fill,
    rebuild_encoder,
)
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.container import (
    pack,
    prefixed,
    require_finite,
    unpack,
    without_prefix,
)
from edaphos_bridge.files.schema import check, damaged_description, is_flag, is_table, list_of
from edaphos_bridge.fits.schema import check_fit
from edaphos_bridge.heads.decoder import MAPS, MapShapes
from edaphos_bridge.heads.decoders import make_decoder
from edaphos_bridge.heads.own_decoder import as_decoder
from edaphos_bridge.heads.registry import CUSTOM, make_head
from edaphos_bridge.tasks.task import Task

State = dict[str, torch.Tensor]


def pack_fit(task: Task, encoder: nn.Module, head: nn.Module, values: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file of a fit; `values` are those that `check_fit` knows."""
    return pack("fit", *_described(task, encoder, head, values))


def pack_members(
    members: Sequence[tuple[Task, nn.Module, nn.Module, Mapping[str, Any]]],
) -> bytes:
    """Return the bytes of a file of several fits, each as `pack_fit` takes it.

    An encoder that all of them share stands once in it.
    """
    shared = all(encoder is members[0][1] for _, encoder, _, _ in members)
    tensors: State = {}
    described = []
    for number, member in enumerate(members):
        states, metadata = _described(*member)
        if shared and number:
            states = prefixed("head", without_prefix("head", states))
        tensors |= prefixed(f"members.{number}", states)
        described.append(metadata)
    return pack("fit", tensors, {"members": described, "shared_encoder": shared})


def _described(
    task: Task, encoder: nn.Module, head: nn.Module, values: Mapping[str, Any]
) -> tuple[State, dict[str, Any]]:
    """Return the tensors of a fit and what a file says of it."""
    states = encoder_state(encoder), as_float32(head.state_dict(), "head")
    metadata = {
        "task": {"name": task.name, **task.describe()},
        "encoder": describe_encoder(encoder),
        **values,
        "score_history": [  # JSON has no NaN
            None if math.isnan(value) else value for value in values["score_history"]
        ],
    }
    _require_finite(*states, metadata["encoder"])
    return {**prefixed("encoder", states[0]), **prefixed("head", states[1])}, metadata


def unpack_fit(
    tasks: Mapping[str, type[Task]],
    data: bytes,
    given: nn.Module | None,
    given_head: nn.Module | None = None,
) -> dict[str, Any]:
    """Return the elements of the fit in `data`: its task, its modules, and the values given.

    Parameters
    ----------
    tasks : mapping of str to type
        The tasks that it may be a fit of, by name.
    given, given_head : torch.nn.Module, optional
        Modules of the user's own, which a file cannot hold; copies of them are filled.
    """
    tensors, metadata = unpack(("fit", "classifier"), data)
    if metadata["kind"] == "classifier":
        metadata = _upgraded(metadata)
    if "members" in metadata:
        raise WeightsError(
            "This file holds the members of an ensemble: FoundationEnsemble.load() reads it."
        )
    return _elements(tensors, metadata, tasks, given, given_head)


def unpack_members(
    tasks: Mapping[str, type[Task]],
    data: bytes,
    given: nn.Module | None,
    given_head: nn.Module | None = None,
) -> list[dict[str, Any]]:
    """Return the elements of each fit of a file of `pack_members`; see `unpack_fit`."""
    tensors, metadata = unpack("fit", data)
    if "members" not in metadata:
        raise WeightsError("This file holds one fit, not the members of an ensemble.")
    found = check(metadata, {"members": list_of(is_table), "shared_encoder": is_flag})
    members = []
    for number, described in enumerate(found["members"]):
        own = without_prefix(f"members.{number}", tensors)
        if found["shared_encoder"]:
            own |= prefixed("encoder", without_prefix("members.0.encoder", tensors))
        members.append(_elements(own, described, tasks, given, given_head))
    return members


def _elements(
    tensors: State,
    metadata: Mapping[str, Any],
    tasks: Mapping[str, type[Task]],
    given: nn.Module | None,
    given_head: nn.Module | None,
) -> dict[str, Any]:
    """Return the elements of a fit from its tensors and what the file says of it."""
    values = check_fit(metadata, tasks)
    description, task = values.pop("encoder"), values["task"]
    state, head_state = (without_prefix(part, tensors) for part in ("encoder", "head"))
    _require_finite(state, head_state, description)
    values["score_history"] = [
        math.nan if value is None else value for value in values["score_history"]
    ]
    config = values["config"]
    own_head = None
    if given_head is not None or values["head_type"] == CUSTOM:
        own_head = _copied(given_head)
        if task.has_masks:
            own_head = as_decoder(own_head)
    with damaged_description():
        encoder = rebuild_encoder(description, state, given)
        if own_head is not None:
            head = own_head
        elif task.has_masks:
            head = _decoder(values, encoder)
        else:
            with on_meta():  # nothing is allocated before the shapes are known to fit
                head = make_head(
                    values["head_type"],
                    values["feature_dim"],
                    task.n_outputs,
                    config["hidden"],
                    config["dropout"],
                )
        fill(head, head_state, "head", assign=own_head is None)
    if values["freeze_backbone"]:
        freeze(encoder)
    return {"encoder": encoder.eval(), "head": head.eval(), **values}


def _decoder(values: Mapping[str, Any], encoder: nn.Module) -> nn.Module:
    """Return the decoder of a file, made for the maps of its encoder; no weight is allocated."""
    patch = torch.zeros(1, values["in_channels"], *values["patch_size"])
    shapes = MapShapes.of(find_shapes(encoder, patch, MAPS))
    with on_meta():
        return make_decoder(values["head_type"], shapes, values["task"].n_outputs)


def _copied(head: nn.Module | None) -> nn.Module:
    if head is None:
        raise WeightsError(
            "The head of this fit is a module of your own, and a file holds weights, not code. "
            "Build that module and give it as `head=`."
        )
    if not isinstance(head, nn.Module):
        raise InputError("head", "must be a torch.nn.Module", found=type(head).__name__)
    return copy.deepcopy(head)


def _upgraded(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a classifier of version 0.1.0 as that of a fit."""
    values = dict(metadata)
    of_task = ("classes", "ordered", "class_counts")
    values["task"] = {
        "name": "classification",
        **{name: values.pop(name) for name in of_task if name in values},
    }
    if "val_accuracy_history" in values:
        values["score_history"] = values.pop("val_accuracy_history")
    return values


def _require_finite(encoder: State, head: State, description: Mapping[str, Any]) -> None:
    require_finite("encoder", encoder, with_masks=description["architecture"] == "custom")
    require_finite("head", head)

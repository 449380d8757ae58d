"""Fits in files: one kind, ``fit``, of a task, an encoder, a head and the record of training.

What earlier versions wrote, ``classifier``, is read as the same description.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from edaphos_bridge.basics.devices import on_meta
from edaphos_bridge.encoders.copying import freeze
from edaphos_bridge.encoders.foundation import (
    as_float32,
    describe_encoder,
    encoder_state,
    fill,
    rebuild_encoder,
)
from edaphos_bridge.files.container import (
    pack,
    prefixed,
    require_finite,
    unpack,
    without_prefix,
)
from edaphos_bridge.files.schema import damaged_description
from edaphos_bridge.fits.schema import check_fit
from edaphos_bridge.heads.registry import make_head
from edaphos_bridge.tasks.task import Task

State = dict[str, torch.Tensor]


def pack_fit(task: Task, encoder: nn.Module, head: nn.Module, values: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file of a fit; `values` are those that `check_fit` knows."""
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
    tensors = {**prefixed("encoder", states[0]), **prefixed("head", states[1])}
    return pack("fit", tensors, metadata)


def unpack_fit(task_class: type[Task], data: bytes, given: nn.Module | None) -> dict[str, Any]:
    """Return the elements of the fit in `data`: its task, its modules, and the values given.

    Parameters
    ----------
    task_class : type
        The task that it must be a fit of.
    given : torch.nn.Module, optional
        A module of the user's own, which a file cannot hold; a copy of it is filled.
    """
    tensors, metadata = unpack(("fit", "classifier"), data)
    if metadata["kind"] == "classifier":
        metadata = _upgraded(metadata)
    values = check_fit(metadata, task_class)
    description, task = values.pop("encoder"), values["task"]
    state, head_state = (without_prefix(part, tensors) for part in ("encoder", "head"))
    _require_finite(state, head_state, description)
    values["score_history"] = [
        math.nan if value is None else value for value in values["score_history"]
    ]
    config = values["config"]
    with damaged_description():
        with on_meta():  # nothing is allocated before the shapes are known to fit
            head = make_head(
                values["head_type"],
                values["feature_dim"],
                task.n_outputs,
                config["hidden"],
                config["dropout"],
            )
        fill(head, head_state, "head", assign=True)
        encoder = rebuild_encoder(description, state, given)
    if values["freeze_backbone"]:
        freeze(encoder)
    return {"encoder": encoder.eval(), "head": head.eval(), **values}


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

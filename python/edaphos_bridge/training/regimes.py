"""The two regimes of transfer: linear probing on cached features, and full fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.data.labels import Labels
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.copying import freeze
from edaphos_bridge.encoders.features import batch_size_for, encode_features, find_feature_dim
from edaphos_bridge.encoders.foundation import ARCHITECTURES
from edaphos_bridge.encoders.known_modules import draws_of
from edaphos_bridge.errors import warn
from edaphos_bridge.heads.registry import LinearHead, make_head
from edaphos_bridge.optim.adam import adam
from edaphos_bridge.training.backprop import Backprop
from edaphos_bridge.training.cached_features import cached_features
from edaphos_bridge.training.linear import LinearProbe
from edaphos_bridge.training.loop import Learner, Report, train
from edaphos_bridge.training.plan import (
    Plan,
    draw_plan,
    validation_size,
    warn_about_untrained_classes,
)
from edaphos_bridge.training.settings import FitSettings

_EVAL_ROWS = 4096  # rows of cached features at once in validation


@dataclass(frozen=True)
class Trained:
    """Modules in eval mode after training, and the record of it."""

    encoder: nn.Module
    head: nn.Module
    feature_dim: int
    settings: FitSettings
    loss_history: list[float]
    val_accuracy_history: list[float]


class EncoderWithHead(nn.Module):
    """Patches ``(B, C, H, W)`` to logits ``(B, n_classes)``."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        logits: torch.Tensor = self.head(encode_features(self.encoder, x))
        return logits


def train_classifier(
    encoder: nn.Module,
    patches: Patches,
    labels: Labels,
    settings: FitSettings,
    device: torch.device,
    report: Report,
    draw: Callable[[], int] = draw_seed,
    *,
    plan: Plan | None = None,
    head: nn.Module | None = None,
) -> Trained:
    """Train a head on `encoder`, and `encoder` too unless ``settings.freeze_backbone``.

    Parameters
    ----------
    encoder : torch.nn.Module
        Trained or frozen in place: a copy of the caller's.
    patches : Patches, shape (N, C, H, W)
        The patches.
    labels : Labels
        Their classes.
    draw : callable
        Gives the seed when the settings have none; called when the input is known to be good.
    plan, head : optional
        The seam for replaying a recorded run: rows and order, and an initial head, instead
        of those drawn from the seed.
    """
    validation_size(len(patches), settings.val_split)
    encoder.to(device)
    targets = labels.codes.to(device)
    regime = _frozen if settings.freeze_backbone else _full
    with draws_of(encoder, Randomness(0, device)):  # a lazy module draws its weights here
        feature_dim = find_feature_dim(encoder, patches.read(0, 1).to(device))
        learner_for = regime(encoder, patches, targets, settings, feature_dim)
    seed = draw() if settings.seed is None else settings.seed
    settings = replace(settings, seed=seed)
    randomness = Randomness(seed, device)
    plan = plan or draw_plan(len(patches), settings.val_split, randomness.generator)
    warn_about_untrained_classes(labels.codes, labels.classes, plan)
    with randomness.everywhere():
        head = head or make_head(
            settings.head, feature_dim, len(labels.classes), settings.hidden, settings.dropout
        )
    losses, accuracies = train(
        learner_for(head.to(device), randomness),
        plan.to(device),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        report=report,
    )
    if type(encoder) in ARCHITECTURES.values():
        encoder.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Trained(encoder.eval(), head.eval(), feature_dim, settings, losses, accuracies)


def _frozen(
    encoder: nn.Module,
    patches: Patches,
    targets: torch.Tensor,
    settings: FitSettings,
    feature_dim: int,
) -> Callable[[nn.Module, Randomness], Learner]:
    """Encode the patches once, and return what trains a head on their features."""
    features = cached_features(freeze(encoder), patches, targets.device, feature_dim)

    def learner(head: nn.Module, randomness: Randomness) -> Learner:
        if isinstance(head, LinearHead):
            return LinearProbe(head, features, targets, settings.lr, settings.weight_decay)
        optimizer = adam(
            [{"params": list(head.parameters()), "lr": settings.lr}], settings.weight_decay
        )
        return Backprop(
            head, lambda rows: features[rows], targets, optimizer, _EVAL_ROWS, randomness
        )

    return learner


def _full(
    encoder: nn.Module,
    patches: Patches,
    targets: torch.Tensor,
    settings: FitSettings,
    feature_dim: int,
) -> Callable[[nn.Module, Randomness], Learner]:
    """Check the patches, and return what trains a head together with the encoder."""
    trainable = _trainable(encoder)
    # Faster for the encoders of ours; a module of the user's own may need the usual layout.
    layout = torch.contiguous_format
    if type(encoder) in ARCHITECTURES.values():
        layout = torch.channels_last
        encoder.to(memory_format=layout)  # type: ignore[call-overload]
    if patches.in_memory:
        inputs = _rows_in_layout(patches, layout, targets.device)
    else:
        patches.check()

        def inputs(rows: torch.Tensor) -> torch.Tensor:
            batch = patches.rows(rows.cpu()).to(targets.device)
            return batch.contiguous(memory_format=layout)

    backbone_lr = settings.lr * settings.backbone_lr_mult
    size = batch_size_for(patches.shape, targets.device.type, encoder)

    def learner(head: nn.Module, randomness: Randomness) -> Learner:
        groups = [
            {"params": list(head.parameters()), "lr": settings.lr},
            {"params": trainable, "lr": backbone_lr},
        ]
        optimizer = adam(groups, settings.weight_decay)
        model = EncoderWithHead(encoder, head)
        return Backprop(model, inputs, targets, optimizer, size, randomness)

    return learner


def _rows_in_layout(
    patches: Patches, layout: torch.memory_format, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Copy all patches into one tensor on `device`, and return what takes rows of it."""
    x = torch.empty(patches.shape, memory_format=layout, device=device)
    size = batch_size_for(patches.shape)
    for part, batch in zip(x.split(size), patches.batches(size, borrow=True), strict=True):
        part.copy_(batch)
    if layout != torch.channels_last:
        return lambda rows: x.index_select(0, rows)
    in_memory_order = x.movedim(1, -1)  # a patch is one piece of memory, fast to copy
    return lambda rows: in_memory_order.index_select(0, rows).movedim(-1, 1)


def _trainable(encoder: nn.Module) -> list[nn.Parameter]:
    parameters = list(encoder.parameters())
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable and (parameters or isinstance(encoder, torch.jit.ScriptModule)):
        warn(
            "no parameter of the encoder requires a gradient, so only the head is trained; "
            "set requires_grad on those to fine-tune."
        )
    return trainable

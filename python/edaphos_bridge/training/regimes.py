"""The two regimes of transfer: linear probing on cached features, and full fine-tuning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from edaphos_bridge.encoders.copying import freeze
from edaphos_bridge.encoders.features import (
    batch_size_for,
    encode_batches,
    encode_features,
    find_feature_dim,
)
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.heads import make_head
from edaphos_bridge.labels import Labels
from edaphos_bridge.seeding import draw_seed, seeded
from edaphos_bridge.training.batchnorm import single_values_use_running_statistics
from edaphos_bridge.training.loop import Report, train
from edaphos_bridge.training.plan import Plan, draw_plan, warn_about_untrained_classes
from edaphos_bridge.training.settings import FitSettings


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
    x: torch.Tensor,
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
    x : torch.Tensor, shape (N, C, H, W), float32
        The patches.
    labels : Labels
        Their classes.
    draw : callable
        Gives the seed when the settings have none; called when the input is known to be good.
    plan, head : optional
        The seam for replaying a recorded run: rows and order, and an initial head, instead
        of those drawn from the seed.
    """
    encoder.to(device)
    with seeded(0, device):  # a lazy module draws its weights here
        feature_dim = find_feature_dim(encoder, x[:1].to(device))
    seed = draw() if settings.seed is None else settings.seed
    settings = replace(settings, seed=seed)
    # enable_grad: Ctrl-C inside a no_grad() of before may have left gradients off for good.
    with seeded(seed, device), torch.enable_grad():
        plan = plan or draw_plan(len(x), settings.val_split)
        warn_about_untrained_classes(labels.codes, labels.classes, plan)
        if head is None:
            n_classes = len(labels.classes)
            head = make_head(
                settings.head, feature_dim, n_classes, settings.hidden, settings.dropout
            )
        head.to(device)
        groups = [{"params": list(head.parameters()), "lr": settings.lr}]
        if settings.freeze_backbone:
            model = head
            inputs = _cached_features(freeze(encoder), x, device, feature_dim)
        else:
            model = EncoderWithHead(encoder, head)
            inputs = x.to(device)
            lr = settings.lr * settings.backbone_lr_mult
            groups.append({"params": _trainable(encoder), "lr": lr})
        with single_values_use_running_statistics(model):
            losses, accuracies = train(
                model,
                inputs,
                labels.codes.to(device),
                plan,
                torch.optim.Adam(groups, weight_decay=settings.weight_decay),
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                eval_batch_size=batch_size_for(x.shape),
                report=report,
            )
    return Trained(encoder.eval(), head.eval(), feature_dim, settings, losses, accuracies)


def _cached_features(
    encoder: nn.Module, x: torch.Tensor, device: torch.device, feature_dim: int
) -> torch.Tensor:
    features = encode_batches(encoder, x.split(batch_size_for(x.shape)), device, feature_dim)
    bad = torch.nonzero(~torch.isfinite(features).all(dim=1)).flatten().tolist()
    if bad:
        patches = f"{len(bad)} of {len(x)} patches"
        raise InputError("encoder", f"returns NaN or infinite features for {patches}", rows=bad)
    return features


def _trainable(encoder: nn.Module) -> list[nn.Parameter]:
    parameters = list(encoder.parameters())
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if parameters and not trainable:
        warnings.warn(
            "no parameter of the encoder requires a gradient, so only the head is trained; "
            "set requires_grad on those to fine-tune.",
            EdaphosWarning,
            stacklevel=5,  # the caller of the public function
        )
    return trainable

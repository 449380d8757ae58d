"""Fits by the engine itself, and the plain loop that they are compared with."""

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.encoders.features import encode_features
from edaphos_bridge.fits import run as engine
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.plan import Plan
from edaphos_bridge.training.settings import FitSettings

N, N_TRAIN, EPOCHS = 41, 33, 3


def plan_of_41():
    """33 training rows: with batches of 32 the last has one patch."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.randperm(N, generator=generator)
    orders = [torch.randperm(N_TRAIN, generator=generator) for _ in range(EPOCHS)]
    return Plan(rows[:N_TRAIN].sort().values, rows[N_TRAIN:], lambda epoch: orders[epoch])


def fitted(patches, labels, encoder, **changes):
    """Train a classifier with some settings changed."""
    task = Classification.of(labels)
    return engine_fit(FoundationClassifier, task, labels.codes, encoder, patches, **changes)


def engine_fit(
    kind,
    task,
    targets,
    encoder,
    patches,
    *,
    plan=None,
    initial_head=None,
    events=None,
    **changes,
):
    """Train what a task learns with some settings changed."""
    settings = {
        "freeze_backbone": True,
        "head": "linear",
        "hidden": (6,),
        "dropout": 0.0,
        "epochs": EPOCHS,
        "batch_size": 32,
        "lr": 0.01,
        "weight_decay": 0.1,
        "backbone_lr_mult": 0.5,
        "val_split": 0.2,
        "seed": 1,
        **changes,
    }
    return engine.fit(
        kind,
        task,
        targets,
        encoder,
        Patches(patches),
        FitSettings.checked(**settings),
        torch.device("cpu"),
        events or Events(),
        plan=plan,
        head=initial_head,
    )


class Adam:
    """Adam with coupled weight decay, written out."""

    def __init__(self, parameters, lr, weight_decay):
        self.parameters = list(parameters)
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]
        self.lr, self.weight_decay, self.t = lr, weight_decay, 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, (m, v) in zip(self.parameters, self.moments, strict=True):
            if p.grad is None:
                continue
            g = p.grad + self.weight_decay * p
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            m_hat, v_hat = m / (1 - 0.9**self.t), v / (1 - 0.999**self.t)
            p.sub_(self.lr * m_hat / (v_hat.sqrt() + 1e-8))
            p.grad = None


def plain_loop(encoder, head, patches, codes, plan, *, frozen, backbone_lr=0.005, batch=32):
    """The original's loop with validation in eval mode: nothing cached, nothing clever."""
    optimizers = [Adam(head.parameters(), 0.01, 0.1)]
    if frozen:
        encoder.requires_grad_(False)
    else:
        optimizers.append(Adam(encoder.parameters(), backbone_lr, 0.1))
    losses, accuracies = [], []
    for epoch in range(EPOCHS):
        order = plan.train_rows[plan.permutation(epoch)]
        batch_losses = []
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            encoder.train(not frozen)
            head.train()
            if len(rows) == 1 and not frozen:  # no variance: the running statistics serve
                for part in encoder.modules():
                    if isinstance(part, nn.BatchNorm1d):
                        part.eval()
            logits = head(encode_features(encoder, patches[rows]))
            loss = functional.cross_entropy(logits, codes[rows])
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            batch_losses.append(loss.item())
        losses.append(sum(batch_losses) / len(batch_losses))
        encoder.eval()
        head.eval()
        with torch.no_grad():
            logits = head(encode_features(encoder, patches[plan.val_rows]))
        accuracies.append((logits.argmax(1) == codes[plan.val_rows]).double().mean().item())
    return losses, accuracies

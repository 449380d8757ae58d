"""Fits by the engine itself, with settings and rows that suit comparison with a plain loop."""

import torch

from edaphos_bridge.classifier import FoundationClassifier
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.fits import run as engine
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.training.plan import Plan
from edaphos_bridge.training.settings import FitSettings

N, N_TRAIN, EPOCHS = 41, 33, 3


def plan_of_41():
    """33 training rows: with batches of 32 the last has one patch."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.randperm(N, generator=generator)
    orders = [torch.randperm(N_TRAIN, generator=generator) for _ in range(EPOCHS)]
    return Plan(rows[:N_TRAIN].sort().values, rows[N_TRAIN:], lambda epoch: orders[epoch])


def fitted(
    patches, labels, encoder, *, plan=None, initial_head=None, report=lambda report: None, **changes
):
    """Train a classifier with some settings changed."""
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
        FoundationClassifier,
        Classification.of(labels),
        labels.codes,
        encoder,
        Patches(patches),
        FitSettings.checked(**settings),
        torch.device("cpu"),
        report,
        plan=plan,
        head=initial_head,
    )

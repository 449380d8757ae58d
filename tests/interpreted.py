"""What tests of interpretation look at: predictions written out, and a regressor."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge import FoundationClassifier
from edaphos_bridge.fits.result import FoundationFit
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.tasks.task import Task


@dataclass(frozen=True)
class Numbers(Task):
    """Stands for regression: outputs are the targets' values."""

    name = "regression"
    score_range = (0.0, math.inf)
    highest_is_best = False

    n: int = 1
    names: list[str] | None = None

    @property
    def n_outputs(self):
        return self.n

    def loss(self, outputs, targets):
        return functional.mse_loss(outputs, targets)

    def counts(self, outputs, targets):
        return torch.stack([(outputs - targets).square().sum(), torch.tensor(len(targets))])

    def score(self, counts):
        return float((counts[0] / counts[1]).sqrt())

    def values(self, outputs):
        return outputs

    def describe(self):
        return {}

    @classmethod
    def from_description(cls, description):
        return cls()


class Regressor(FoundationFit):
    task_class = Numbers
    title = "numbers"
    score_name = "val_rmse"


class BandMeans(nn.Module):
    """The encoder whose features are the means of the bands."""

    def forward(self, x):
        return x.mean(dim=(2, 3))

    def maps(self, x):
        return [x]


def fit_with(task, encoder, weight, bias=None, *, size=(5, 5), kind=None):
    """A fit with a linear head of these weights, shape (n_outputs, D), made without training."""
    weight = torch.as_tensor(weight, dtype=torch.float32)
    head = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias))
    return (kind or (FoundationClassifier if task.name == "classification" else Regressor))(
        task=task,
        encoder=encoder.eval(),
        head=head.eval(),
        loss_history=[1.0],
        score_history=[math.nan],
        config={},
        feature_dim=weight.shape[1],
        head_type="linear",
        freeze_backbone=True,
        device="cpu",
        in_channels=3,
        patch_size=list(size),
    )


def classifier_of_means(weight, classes=("clay", "loam", "sand"), **values):
    return fit_with(Classification(list(classes)), BandMeans(), weight, **values)


def guesses(n, k, seed=1):
    """Class codes, and probabilities that are right more often than not."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, size=n)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[codes]
    return codes, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

"""What tests of interpretation look at: predictions written out, and a regressor."""

import math

import numpy as np
import torch
from torch import nn

from edaphos_bridge import FoundationClassifier, FoundationRegressor
from edaphos_bridge.tasks.classification import Classification
from edaphos_bridge.tasks.regression import Regression


def numbers(n=1, names=None):
    """Regression whose targets have mean 0 and standard deviation 1: outputs are their values."""
    return Regression([0.0] * n, [1.0] * n, names, "mse", 60)


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
    return (
        kind or (FoundationClassifier if task.name == "classification" else FoundationRegressor)
    )(
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

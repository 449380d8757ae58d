"""The small network of the rotation pretext task: two convolutions and a dense layer."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from edaphos_bridge.encoders.named import NamedEncoder
from edaphos_bridge.errors import InputError

SMALLEST_PATCH = 4
"""Cells to a side that two poolings leave one cell of."""


class RotationEncoder(NamedEncoder):
    """Two 2x2 convolutions with pooling and dropout, and a dense layer on all cells of the map.

    Weights begin as Keras begins them: Glorot's uniform distribution, biases 0. As there, a
    convolution pads the last row and column, and pooling leaves out what is no whole 2x2 square.

    Parameters
    ----------
    in_channels : int
        Channels C of the patches.
    feature_dim : int
        Width of the features.
    patch_size : int
        Height and width of the patches, in cells, at least 4. The dense layer has a weight for
        each cell of its map, so the encoder takes no others.

    References
    ----------
    Strassmann, A. and Pawel, S. (2020). Self-supervised learning, a course session in R with
    Keras; its network is that of TensorFlow's blog, "Fashion-MNIST with tf.Keras" (2018).
    """

    architecture = "rotation"
    settings = ("in_channels", "feature_dim", "patch_size")

    def __init__(self, in_channels: int, feature_dim: int = 256, *, patch_size: int) -> None:
        super().__init__()
        if patch_size < SMALLEST_PATCH:
            raise InputError(
                "patch_size",
                f"must be at least {SMALLEST_PATCH}: two poolings leave no cell of less",
                found=patch_size,
            )
        self.in_channels = in_channels
        self.feature_dim = feature_dim
        self.patch_size = patch_size
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=2)
        self.drop1 = nn.Dropout(0.3)
        self.conv2 = nn.Conv2d(64, 32, kernel_size=2)
        self.drop2 = nn.Dropout(0.3)
        self.dense = nn.Linear(32 * (patch_size // 4) ** 2, feature_dim)
        self.drop3 = nn.Dropout(0.5)
        for layer in (self.conv1, self.conv2, self.dense):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return maps of 64 channels and H x W cells, of 32 and half as many, and of 32 pooled.

        Patches may be of any size here. The dense layer reads the cells of the last one.
        """
        fine = functional.relu_(self.conv1(_padded(x)))
        h = self.drop1(functional.max_pool2d(fine, 2))
        coarse = functional.relu_(self.conv2(_padded(h)))
        return [fine, coarse, self.drop2(functional.max_pool2d(coarse, 2))]

    def groups(self) -> list[list[nn.Module]]:
        """Return the blocks below the head, input first."""
        return [[self.conv1], [self.conv2], [self.dense]]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches ``(B, C, patch_size, patch_size)`` to features ``(B, feature_dim)``."""
        if tuple(x.shape[2:]) != (self.patch_size, self.patch_size):
            raise InputError(
                "encoder",
                f"takes patches of {self.patch_size} x {self.patch_size} cells alone",
                found=" x ".join(str(int(extent)) for extent in x.shape[2:]),
                hint="Its dense layer has a weight for each cell: make one for that size.",
            )
        features: torch.Tensor = self.drop3(
            functional.relu(self.dense(self.maps(x)[-1].flatten(1)))
        )
        return features


def _padded(x: torch.Tensor) -> torch.Tensor:
    """Return maps with a column of zeros at the right and a row below, as Keras' ``same`` does."""
    return functional.pad(x, (0, 1, 0, 1))

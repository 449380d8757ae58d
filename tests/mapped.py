"""A small raster with holes, fits on tiles of it, and the naive map: one patch a cell."""

from __future__ import annotations

import functools
import os

import numpy as np
import torch

from edaphos_bridge import (
    foundation_encoder,
    foundation_finetune_ensemble,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_tile_dataset,
)
from edaphos_bridge.maps.run import Output
from edaphos_bridge.predict_raster import predict_raster

HEIGHT, WIDTH, SIZE = 41, 53, 8


@functools.cache
def cells() -> np.ndarray:
    """Four bands that vary smoothly, with holes; not to be changed."""
    rng = np.random.default_rng(5)
    raster = rng.normal(size=(4, HEIGHT, WIDTH)).cumsum(axis=1).cumsum(axis=2)
    raster = 50 + 10 * (raster - raster.mean(axis=(1, 2), keepdims=True)) / raster.std()
    raster[:, 5:13, 20:31] = np.nan  # wider than a patch
    raster[:, -1, :3] = np.nan
    raster[1, 30:, 7] = np.nan
    raster.flags.writeable = False
    return raster


@functools.cache
def tiles():
    """Patches of the raster."""
    return foundation_tile_dataset(cells(), patch_size=SIZE, n_patches=120, seed=1)


@functools.cache
def encoder(name="moco"):
    """An encoder that knows the raster."""
    module = foundation_encoder(name, 4, feature_dim=8, proj_dim=4, seed=1).eval()
    module.normalisation = tiles().normalisation
    return module


@functools.cache
def brightness() -> np.ndarray:
    """A number for each patch."""
    return tiles().read(np.arange(120)).mean(axis=(1, 2, 3)).astype(float)


@functools.cache
def classifier(**settings):
    """A fit of three classes."""
    y = np.array(["wet", "moist", "dry"])[np.digitize(brightness(), [-0.3, 0.3])]
    settings = {"epochs": 3, "seed": 1, "val_split": 0, **settings}
    return foundation_fit_classifier(encoder(), tiles(), y.tolist(), **settings)


@functools.cache
def regressor(**settings):
    """A fit of one number."""
    settings = {"epochs": 2, "seed": 1, "val_split": 0, **settings}
    return foundation_fit_regressor(encoder(), tiles(), brightness(), **settings)


@functools.cache
def multilabel():
    """A fit of two labels."""
    y = [[name for name, t in (("sand", -0.2), ("silt", 0.2)) if b > t] for b in brightness()]
    return foundation_fit_multilabel(encoder(), tiles(), y, epochs=2, seed=1, val_split=0)


@functools.cache
def ensemble():
    """Three classifiers."""
    y = np.where(brightness() > 0, "wet", "dry").tolist()
    return foundation_finetune_ensemble(
        encoder(), tiles(), y, task="classification", K_ens=3, epochs=2, val_split=0
    )


def centres(stride: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of the cells in the middles of squares."""
    rows = np.minimum(np.arange(-(-HEIGHT // stride)) * stride + stride // 2, HEIGHT - 1)
    cols = np.minimum(np.arange(-(-WIDTH // stride)) * stride + stride // 2, WIDTH - 1)
    return rows, cols


def at_centres(stride: int) -> np.ndarray:
    """Points in the cells of the map, row by row."""
    rows, cols = centres(stride)
    right, down = np.meshgrid(cols + 0.5, rows + 0.5)
    return np.stack([right.ravel(), down.ravel()], axis=1)


def as_layers(values: np.ndarray, stride: int) -> np.ndarray:
    """Rows of values, one a cell, as layers."""
    rows, cols = centres(stride)
    return values.reshape(len(rows), len(cols), -1).transpose(2, 0, 1)


def map_of(fit, raster, out, tell, **changes):
    """Map to a file and tell of each block."""
    given = {
        "out": out, "block_size": 16, "client": None, "overwrite": False, "resume": True,
        "options": None, "verbose": False,
    }  # fmt: skip
    settings = {
        "type": None, "stride": 1, "method": "exact", "dataset": None, "device": None,
        "n_draws": None, "seed": None, "colours": None,
    }  # fmt: skip
    for name, value in changes.items():
        (given if name in given else settings)[name] = value
    return predict_raster(fit, raster, Output.of(**given, tell=tell), **settings)


class NotesArrivals(torch.nn.Module):
    """An encoder that notes in a file each process that it is unpickled in."""

    def __init__(self, notes):
        super().__init__()
        self.notes = str(notes)
        self.normalisation = tiles().normalisation

    def __setstate__(self, state):
        super().__setstate__(state)
        with open(self.notes, "a") as file:
            file.write(f"{os.getpid()}\n")

    def forward(self, x):
        return x.mean(dim=(2, 3))

"""Writes the fixtures of format version 1: see README.md. Only version 0.1.0 can do it.

usage: python tests/data/v1/write.py    with the package at commit 5f39043
"""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

import numpy as np
import rasterio
import torch
from torch import nn

from edaphos_bridge import (
    FoundationClassifier,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_embed,
    foundation_moco_pretrain,
    foundation_moco_pretrain_tiles,
    foundation_probe_sweep,
    foundation_simclr_embed,
    foundation_simclr_pretrain,
    foundation_tile_dataset,
    foundation_weights_save,
)
from edaphos_bridge.encoders.moco import MoCoEncoder
from edaphos_bridge.pretrain.checkpoint import FILE, Checkpoints
from edaphos_bridge.raster.tile_file import tiles_to_bytes

HERE = Path(__file__).parent
LIVING = 4
"""Channels of each hidden layer of a MoCo encoder that compute something."""


def narrow(module: MoCoEncoder) -> None:
    """Silence most channels, so that files are zeros for the most part and compress well.

    A silent channel has kernels of 0 and a bias of -1 before its ReLU. It is 0 for any input, no
    gradient passes it, and Adam leaves it as it is.
    """
    backbone = module.backbone
    with torch.no_grad():
        for number in range(1, 6):
            conv, bn = getattr(backbone, f"conv{number}"), getattr(backbone, f"bn{number}")
            if number > 1:
                conv.weight[:, LIVING:] = 0
                conv.weight *= 3  # few inputs are left to sum
            if number < 5:
                for tensor in (conv.weight, conv.bias):
                    tensor[LIVING:] = 0
                bn.bias[LIVING:] = -1


def born_narrow() -> None:
    """Make every MoCo encoder of this process a narrow one."""
    original = MoCoEncoder.__init__

    def init(self: MoCoEncoder, *widths: int, **named: int) -> None:
        original(self, *widths, **named)
        narrow(self)

    MoCoEncoder.__init__ = init  # type: ignore[method-assign]


def own_module() -> nn.Sequential:
    """Return a module of a user's own; tests build it again from these lines."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def keep(name: str, data: bytes, expected: np.ndarray) -> None:
    """Write a file of ours, compressed, and beside it what it gave."""
    (HERE / f"{name}.safetensors.gz").write_bytes(gzip.compress(data, mtime=0))
    np.save(HERE / f"{name}.npy", expected)


def scene() -> None:
    """Write the raster: three bands with their own means and spreads."""
    rng = np.random.default_rng(6)
    bands = rng.normal(size=(3, 20, 24)) * [[[1]], [[50]], [[0.1]]] + [[[20]], [[1000]], [[-5]]]
    bands[1, 2, 3] = -9999
    profile = {
        "driver": "GTiff", "count": 3, "height": 20, "width": 24, "dtype": "float32",
        "transform": rasterio.Affine(10, 0, 500, 0, -10, 900), "crs": "EPSG:32723",
        "nodata": -9999, "compress": "deflate",
    }  # fmt: skip
    with rasterio.open("scene.tif", "w", **profile) as file:
        file.write(bands.astype("float32"))
        file.descriptions = ("clay", "ndvi", "slope")


def classifiers(tile_fit, simclr_fit, x, y) -> None:
    """Write a classifier of each kind, with the probabilities of `x`."""
    settings = {"batch_size": 8, "epochs": 20, "lr": 0.05, "seed": 4}
    moco = foundation_encoder("moco", 3, feature_dim=6, proj_dim=4, seed=1)
    numbers, truth = [3 - int(label == "Оксисол") for label in y], [label == "clay" for label in y]
    mlp = {"head": "mlp", "hidden": (8, 5), "dropout": 0.1, "weight_decay": 1e-4}
    tuned = {"freeze_backbone": False, "val_split": 0}
    sweep = foundation_probe_sweep(moco, x, y, lr=0.1, weight_decay=0, C=(0.1, 10), seeds=(1, 2))
    fits: dict[str, FoundationClassifier] = {
        "probe_on_moco_of_tiles": foundation_fit_classifier(tile_fit, x, y, **settings),
        "mlp_on_simclr": foundation_fit_classifier(simclr_fit, x, numbers, **mlp, **settings),
        "fine_tuned_moco": foundation_fit_classifier(moco, x, truth, **tuned, **settings),
        "probe_on_own_module": foundation_fit_classifier(own_module(), x, y, **settings),
        "best_of_sweep": sweep.classifier,
    }
    for name, fit in fits.items():
        keep(name, fit.to_bytes(), fit.predict_proba(x))


def checkpoint(name: str, pretrain, embed, x) -> None:
    """Write the checkpoint of step 2 of 4, with the features of `x` when all were done."""
    original, kept = Checkpoints.save, {}

    def save(self, progress) -> None:
        original(self, progress)
        kept[progress.step] = (Path(folder) / FILE).read_bytes()

    Checkpoints.save = save
    with tempfile.TemporaryDirectory() as folder:
        fit = pretrain(x, checkpoint_dir=folder, checkpoint_every=1, **CHECKPOINTED)
    Checkpoints.save = original
    keep(f"checkpoint_of_{name}", kept[2], embed(fit, x))
    np.save(HERE / f"checkpoint_of_{name}_losses.npy", fit.loss_history)


CHECKPOINTED = {
    "feature_dim": 6, "proj_dim": 4, "batch_size": 6, "epochs": 4, "lr": 1e-4, "seed": 5,
}  # fmt: skip
"""The arguments of the runs whose checkpoints are kept, the patches apart."""


def main() -> None:
    """Write all files."""
    torch.set_num_threads(1)
    born_narrow()
    os.chdir(HERE)  # a data set keeps its paths as they were given: relative, here
    rng = np.random.default_rng(7)
    y = ["Оксисол" if row % 3 else "clay" for row in range(12)]
    x = rng.normal(size=(12, 3, 9, 9))
    x[::3, 1] += 1.5  # clay is bright in the second channel
    x = np.round(x, 2).astype("float32")
    np.save("patches.npy", x)
    scene()
    tiles = foundation_tile_dataset("scene.tif", patch_size=9, n_patches=12, seed=2)
    keep("tiles", tiles_to_bytes(tiles), tiles.read(range(3)))
    small = {"feature_dim": 6, "proj_dim": 4, "batch_size": 6, "epochs": 2, "seed": 1}
    tile_fit = foundation_moco_pretrain_tiles(tiles, **small)
    simclr_fit = foundation_simclr_pretrain(x, **small)
    keep("pretraining_moco_of_tiles", tile_fit.to_bytes(), foundation_moco_embed(tile_fit, x))
    keep("pretraining_simclr", simclr_fit.to_bytes(), foundation_simclr_embed(simclr_fit, x))
    with tempfile.TemporaryDirectory() as folder:
        for name, fit, embed in (
            ("encoder_moco_of_tiles", tile_fit, foundation_moco_embed),
            ("encoder_simclr", simclr_fit, foundation_simclr_embed),
        ):
            path = foundation_weights_save(fit, Path(folder) / name)
            keep(name, path.read_bytes(), embed(fit, x, projection=True))
    classifiers(tile_fit, simclr_fit, x, y)
    checkpoint("moco", foundation_moco_pretrain, foundation_moco_embed, x)
    checkpoint("simclr", foundation_simclr_pretrain, foundation_simclr_embed, x)


if __name__ == "__main__":
    main()

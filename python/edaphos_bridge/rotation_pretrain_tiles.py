"""`foundation_rotation_pretrain_tiles()`."""

from __future__ import annotations

import os
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.pretrain.run import pretrained
from edaphos_bridge.pretrain.source import TileSource
from edaphos_bridge.raster.tiles import FoundationTileDataset


@plain
def foundation_rotation_pretrain_tiles(
    dataset: FoundationTileDataset,
    *,
    mode: str = "all",
    feature_dim: int = 256,
    batch_size: int = 64,
    epochs: int = 10,
    lr: float = 0.001,
    val_split: float = 0.2,
    seed: int | None = None,
    verbose: bool = False,
    device: str = "cpu",
    checkpoint_dir: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: str | os.PathLike[str] | None = None,
    steps_per_epoch: int | None = None,
    encoder: Any = None,
    probe: Probe | None = None,
) -> FoundationPretrain:
    """Pretrain by turns on the tiles of a raster, read as they are needed.

    The same training as `foundation_rotation_pretrain`, with the same meaning of every argument.
    The encoder carries the dataset's means, standard deviations, band names and patch size, which
    `foundation_embed_at_coords` and ``predict(..., coords=)`` use on raw rasters. Tiles may share
    cells, of which the accuracy of held-out tiles then says too much.

    Parameters
    ----------
    dataset : FoundationTileDataset
        From `foundation_tile_dataset`.
    mode, feature_dim, batch_size, epochs, lr, val_split, seed, verbose, device
        See `foundation_rotation_pretrain`.
    checkpoint_dir, checkpoint_every, resume
        See `foundation_moco_pretrain_tiles`.
    steps_per_epoch, probe
        See `foundation_rotation_pretrain`.
    encoder : str, torch.nn.Module or fit, optional
        See `foundation_moco_pretrain_tiles`.

    Returns
    -------
    FoundationPretrain
        With ``normalisation``; goes straight into `foundation_fit_classifier`. Errors are those
        of `foundation_rotation_pretrain`.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_rotation_pretrain_tiles, foundation_tile_dataset
    >>> stack = np.random.default_rng(1).normal(size=(4, 40, 50))
    >>> dataset = foundation_tile_dataset(stack, patch_size=9, n_patches=60, seed=1)
    >>> fit = foundation_rotation_pretrain_tiles(dataset, batch_size=16, epochs=2, seed=1)
    >>> fit.encoder.patch_size, fit.normalisation.bands
    (9, ('band_1', 'band_2', 'band_3', 'band_4'))
    """
    return pretrained("rotation", lambda: TileSource(dataset), locals())

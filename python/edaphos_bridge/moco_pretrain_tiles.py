"""`foundation_moco_pretrain_tiles()`."""

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
def foundation_moco_pretrain_tiles(
    dataset: FoundationTileDataset,
    *,
    feature_dim: int = 64,
    proj_dim: int = 32,
    queue_size: int = 1024,
    momentum: float = 0.999,
    temperature: float = 0.07,
    batch_size: int = 16,
    epochs: int = 100,
    lr: float = 0.03,
    crop_ratio: tuple[float, float] = (0.6, 1.0),
    flip_prob: float = 0.5,
    rot90_prob: float = 0.75,
    channel_drop_prob: float = 0.2,
    cutout_prob: float = 0.3,
    cutout_size_ratio: float = 0.2,
    brightness_jitter: float = 0.2,
    noise_sd: float = 0.1,
    seed: int | None = None,
    verbose: bool = False,
    device: str = "cpu",
    checkpoint_dir: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: str | os.PathLike[str] | None = None,
    steps_per_epoch: int = 1,
    momentum_schedule: str | None = None,
    encoder: Any = None,
    probe: Probe | None = None,
) -> FoundationPretrain:
    """Pretrain a MoCo v2 encoder on the tiles of a raster, read as they are needed.

    The same training as `foundation_moco_pretrain`, with the same meaning of every argument:
    **an epoch is one step on one batch** unless `steps_per_epoch` is given. The encoder carries
    the dataset's means, standard deviations, band names and patch size, which
    `foundation_embed_at_coords` and ``predict(..., coords=)`` use on raw rasters.

    Parameters
    ----------
    dataset : FoundationTileDataset
        From `foundation_tile_dataset`.
    feature_dim, proj_dim, queue_size, momentum, temperature, batch_size
        See `foundation_moco_pretrain`.
    epochs : int
        Steps, unless `steps_per_epoch` is given; 100 by default, as in edaphos.
    lr, crop_ratio, flip_prob, rot90_prob, channel_drop_prob, cutout_prob, cutout_size_ratio
        See `foundation_moco_pretrain`.
    brightness_jitter, noise_sd, seed, verbose, device
        See `foundation_moco_pretrain`.
    checkpoint_dir, checkpoint_every
        See `foundation_moco_pretrain`. A run goes on only with the same tiles: the same cells of
        a raster with the same statistics.
    resume : path-like, optional
        A folder with a checkpoint to go on from, as in edaphos. Nothing is written to it unless it
        is the `checkpoint_dir` too, from which a run goes on by itself; where both have a
        checkpoint, the further one is used.
    steps_per_epoch, momentum_schedule, probe
        See `foundation_moco_pretrain`.
    encoder : str, torch.nn.Module or fit, optional
        See `foundation_moco_pretrain`. One that carries a normalisation must have been pretrained
        with the dataset's.

    Returns
    -------
    FoundationPretrain
        With ``normalisation``; goes straight into `foundation_fit_classifier`. Errors are those
        of `foundation_moco_pretrain`.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_moco_pretrain_tiles, foundation_tile_dataset
    >>> stack = np.random.default_rng(1).normal(size=(4, 40, 50))
    >>> dataset = foundation_tile_dataset(stack, patch_size=9, n_patches=60, seed=1)
    >>> fit = foundation_moco_pretrain_tiles(dataset, epochs=3, seed=1)
    >>> fit.patch_size, fit.normalisation.bands
    ([9, 9], ('band_1', 'band_2', 'band_3', 'band_4'))
    """
    return pretrained("moco", lambda: TileSource(dataset), locals())

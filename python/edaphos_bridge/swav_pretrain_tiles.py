"""`foundation_swav_pretrain_tiles()`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.pretrain.run import pretrained
from edaphos_bridge.pretrain.source import TileSource
from edaphos_bridge.raster.tiles import FoundationTileDataset


@plain
def foundation_swav_pretrain_tiles(
    dataset: FoundationTileDataset,
    bands_b: Sequence[str] | None = None,
    *,
    feature_dim: int = 64,
    proj_dim: int = 32,
    n_prototypes: int = 32,
    temperature: float = 0.1,
    epsilon: float = 0.05,
    sinkhorn_iterations: int = 3,
    freeze_prototypes_steps: int = 0,
    queue_size: int = 0,
    queue_start: int = 0,
    shared_stem: bool | None = None,
    small_crops: int = 0,
    small_crop_ratio: tuple[float, float] = (0.3, 0.6),
    batch_size: int = 32,
    epochs: int = 100,
    lr: float = 0.001,
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
    encoder: Any = None,
    probe: Probe | None = None,
) -> FoundationPretrain:
    """Pretrain an encoder of one or two sensors on the tiles of a raster, read as they are needed.

    The same training as `foundation_swav_pretrain`, with the same meaning of every argument. The
    bands of both sensors lie in one raster, which `foundation_tile_align` makes of two.

    Parameters
    ----------
    dataset : FoundationTileDataset
        From `foundation_tile_dataset`, of the bands of both sensors: every band has data at the
        centre of a patch.
    bands_b : sequence of str, optional
        Names of the bands that are those of sensor b; all others are those of sensor a. By default
        there is one sensor.
    feature_dim, proj_dim, n_prototypes, temperature, epsilon, sinkhorn_iterations
        See `foundation_swav_pretrain`.
    freeze_prototypes_steps, queue_size, queue_start, shared_stem, small_crops, small_crop_ratio
        See `foundation_swav_pretrain`.
    batch_size : int
        See `foundation_swav_pretrain`.
    epochs : int
        Steps, unless `steps_per_epoch` is given; 100 by default.
    lr, crop_ratio, flip_prob, rot90_prob, channel_drop_prob, cutout_prob, cutout_size_ratio
        See `foundation_swav_pretrain`.
    brightness_jitter, noise_sd, seed, verbose, device
        See `foundation_swav_pretrain`.
    checkpoint_dir, checkpoint_every, resume, steps_per_epoch
        See `foundation_moco_pretrain_tiles`.
    encoder : str, torch.nn.Module or fit, optional
        See `foundation_swav_pretrain`. One that carries a normalisation must have been pretrained
        with that of these bands, or of those of sensor a.
    probe : Probe, optional
        See `foundation_swav_pretrain`: channels are the bands of a, then those of b.

    Returns
    -------
    FoundationPretrain
        With ``normalisation``, of the bands of a, then those of b. So has the encoder of both,
        which reads rasters of both; `foundation_encoder_for` gives that of one sensor with its own
        bands. Errors are those of `foundation_swav_pretrain`.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_swav_pretrain_tiles, foundation_tile_dataset
    >>> from edaphos_bridge import foundation_encoder_for
    >>> stack = np.random.default_rng(1).normal(size=(5, 40, 50))
    >>> dataset = foundation_tile_dataset(stack, patch_size=9, n_patches=60, seed=1)
    >>> fit = foundation_swav_pretrain_tiles(dataset, ["band_4", "band_5"], epochs=3, seed=1)
    >>> foundation_encoder_for(fit, "b").normalisation.bands
    ('band_4', 'band_5')
    """
    return pretrained("swav", lambda: TileSource(dataset, bands_b), locals())

"""`foundation_swav_pretrain()`."""

from __future__ import annotations

import os
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.pretrain.run import pretrained
from edaphos_bridge.pretrain.source import sensors_of


@plain
def foundation_swav_pretrain(
    x_a: Any,
    x_b: Any = None,
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
    epochs: int = 30,
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
    steps_per_epoch: int = 1,
    encoder: Any = None,
    probe: Probe | None = None,
) -> FoundationPretrain:
    """Pretrain an encoder of one sensor, or of two that see the same places, without labels.

    Each view of a patch is assigned to prototypes, which train with the encoder, so that a batch
    uses all of them equally (its codes, by Sinkhorn-Knopp). The loss asks to predict the codes of
    one view from the others. Of two sensors, one view is the patch of sensor a and the other that
    of sensor b: the difference between them is an augmentation that is given. Of one sensor, both
    are random views of the same patch.

    As in `foundation_moco_pretrain`, **an epoch is one step on one batch** unless `steps_per_epoch`
    is given.

    Parameters
    ----------
    x_a : array-like, torch.Tensor, tile data set or path, shape (N, Ca, H, W)
        Patches of sensor a, as in `foundation_moco_pretrain`.
    x_b : the same, shape (N, Cb, H, W), optional
        Patches of sensor b: row by row of the same places as those of `x_a`, and of their size.
        `foundation_swav_pretrain_tiles` takes two sensors from one raster.
    feature_dim, proj_dim : int
        Widths of the features and of the projection that is compared with prototypes.
    n_prototypes : int
        Number of prototypes K, at least 2.
    temperature : float
        Divides the cosines of embeddings and prototypes in what is predicted.
    epsilon : float
        Divides them in the codes: the smaller, the nearer codes are to one prototype each. The
        paper's 0.05; 0.03 helps where the embeddings collapse.
    sinkhorn_iterations : int
        Iterations of Sinkhorn-Knopp.
    freeze_prototypes_steps : int
        First steps in which the prototypes do not train; the paper's implementation has 313.
    queue_size : int
        Earlier embeddings of each view that are assigned together with a batch, so that a small
        batch need not use all prototypes; 0 for none.
    queue_start : int
        Steps before the queue begins to fill. It is used when it is full.
    shared_stem : bool, optional
        Whether both sensors share the first layer of the encoder, as they share all others. By
        default where they have the same number of channels. Otherwise each has one of its own.
    small_crops : int
        Small crops of each patch of each sensor that predict the codes as well (multi-crop).
    small_crop_ratio : pair of float in (0, 1]
        Range of the ratio of a small crop's sides to the patch's. They are resized to the larger.
    batch_size, epochs, lr
        See `foundation_moco_pretrain`.
    crop_ratio, flip_prob, rot90_prob, channel_drop_prob, cutout_prob, cutout_size_ratio
        See `foundation_moco_pretrain`. Each view has changes of its own, those of two sensors too.
    brightness_jitter, noise_sd
        See `foundation_moco_pretrain`. With ``crop_ratio=(1, 1)`` and 0 for all others, the second
        sensor is the only augmentation.
    seed, verbose, device, checkpoint_dir, checkpoint_every, steps_per_epoch
        See `foundation_moco_pretrain`.
    encoder : str, torch.nn.Module or fit, optional
        What to train instead of MoCo's encoder, see `foundation_moco_pretrain`. Of two sensors a
        module is that of sensor a, which must begin with a convolution unless `shared_stem`; or it
        is the encoder of both that an earlier run has made.
    probe : Probe, optional
        As in `foundation_moco_pretrain`. Of two sensors its patches have the channels of both, and
        it sees the mean of their features.

    Returns
    -------
    FoundationPretrain
        Goes straight into `foundation_fit_classifier`; with two sensors on patches of both, their
        channels one after the other. `foundation_encoder_for` gives the encoder of one sensor, or
        of both in another way. ``entropy_history`` says how many prototypes are in use.

    Warns
    -----
    EdaphosWarning
        If the last epoch used fewer than two prototypes: the embeddings have collapsed. If there
        are not so many steps that the queue is ever full.

    Raises
    ------
    InputError
        If `x_b` does not go with `x_a`, and as `foundation_moco_pretrain`, as all other errors.

    Notes
    -----
    What validates must not show places that were trained on. Patches of both sensors side by side,
    ``np.concatenate([x_a, x_b], axis=1)``, are one row a place, which a split never parts. Where
    they are rows of their own, ``np.concatenate([x_a, x_b])``, both rows of a place are a group:
    ``groups=np.tile(np.arange(N), 2)``.

    References
    ----------
    Caron, M., Misra, I., Mairal, J., Goyal, P., Bojanowski, P. and Joulin, A. (2020). Unsupervised
    learning of visual features by contrasting cluster assignments. NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_encoder_for, foundation_swav_pretrain
    >>> rng = np.random.default_rng(1)
    >>> visible, radar = rng.normal(size=(60, 4, 9, 9)), rng.normal(size=(60, 2, 9, 9))
    >>> fit = foundation_swav_pretrain(visible, radar, epochs=3, seed=1)
    >>> fit.channels, foundation_encoder_for(fit, "b").in_channels
    ([4, 2], 2)
    """
    return pretrained("swav", lambda: sensors_of(*_patches(x_a, x_b)), locals())


def _patches(x_a: Any, x_b: Any) -> tuple[Patches, Patches | None]:
    return Patches(x_a, argument="x_a"), None if x_b is None else Patches(x_b, argument="x_b")

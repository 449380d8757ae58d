"""`foundation_moco_pretrain()`."""

from __future__ import annotations

import os
from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.pretrain.result import FoundationPretrain
from edaphos_bridge.pretrain.run import pretrained
from edaphos_bridge.pretrain.source import PatchSource


@plain
def foundation_moco_pretrain(
    patches: Any,
    *,
    feature_dim: int = 64,
    proj_dim: int = 32,
    queue_size: int = 1024,
    momentum: float = 0.999,
    temperature: float = 0.07,
    batch_size: int = 16,
    epochs: int = 30,
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
    steps_per_epoch: int = 1,
    momentum_schedule: str | None = None,
    encoder: Any = None,
    probe: Probe | None = None,
) -> FoundationPretrain:
    """Pretrain a MoCo v2 encoder on patches without labels.

    Two random views of each patch of a batch go through a query encoder, which trains, and a
    key encoder, which follows it by an exponential moving average. The loss (InfoNCE) asks
    which key shows the same patch, among it and a queue of earlier keys.

    As in edaphos, **an epoch is one step on one batch**, not a pass over the patches:
    ``epochs=30`` takes 30 steps. With `steps_per_epoch`, ``epochs * steps_per_epoch`` steps
    are taken; ``ceil(N / batch_size)`` makes an epoch about one pass.

    Parameters
    ----------
    patches : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches of any real dtype and memory order, without missing values; best with zero
        mean and unit variance per channel; at least two. Those that are not in memory are read
        step by step, see `foundation_fit_classifier`.
    feature_dim, proj_dim : int
        Widths of the features and of the projection that the loss sees. An `encoder` that has
        widths of its own keeps them: then leave these out.
    queue_size : int
        Keys in the queue; ``max(2, N - batch_size)`` if that is less.
    momentum : float
        Weight of the old key encoder in the moving average, in [0, 1].
    temperature : float
        Divides the cosines in the loss. The MoCo v2 paper uses 0.2.
    batch_size : int
        Patches a step, at least 2; all patches, with a warning, if there are fewer.
    epochs : int
        Steps, unless `steps_per_epoch` is given.
    lr : float
        Learning rate of Adam, constant.
    crop_ratio : pair of float in (0, 1]
        Range of the ratio of a crop's sides to the patch's.
    flip_prob : float
        Probability of a left-right flip and, separately, of an up-down flip.
    rot90_prob : float
        Probability of a turn by 90, 180 or 270 degrees (180 where H is not W).
    channel_drop_prob : float
        Probability of each channel to be set to zero.
    cutout_prob, cutout_size_ratio : float
        Probability of a box of zeros, and the ratio of its sides to the patch's.
    brightness_jitter : float
        Each channel is multiplied by a number in 1 ± this, in [0, 1).
    noise_sd : float
        Standard deviation of the Gaussian noise on every cell.
    seed : int, optional
        The only source of randomness: same seed, machine and threads give bit-equal results
        on the cpu. None draws one; ``fit.config["seed"]`` keeps it.
    verbose : bool
        Print the loss of epoch 1, every 10th and the last. Otherwise a progress bar shows in
        a terminal.
    device : {"cpu", "mps", "cuda"}
        Falls back to the cpu with a `DeviceFallbackWarning`.
    checkpoint_dir : path-like, optional
        Folder for checkpoints. A run that was killed goes on from the last one when the same
        call is made again, and ends bit-equal to one that was never interrupted. With
        ``seed=None`` it goes on with the seed of the checkpoint. With more `epochs` a run that
        had ended is made longer, and ends bit-equal to one of that length; not with a
        `momentum_schedule`, where every step depends on the number of steps. The folder belongs
        to one run at a time.
    checkpoint_every : int, optional
        Steps between two checkpoints; 100 by default. The last step always makes one.
    steps_per_epoch : int
        Steps an epoch; ``loss_history`` has their mean.
    momentum_schedule : {None, "cosine"}
        "cosine" raises the momentum to 1 in the course of the run (as BYOL does).
    encoder : str, torch.nn.Module or fit, optional
        What to train instead of the method's own encoder. A name of `foundation_encoder` makes a
        new one, its weights drawn from `seed`: "moco", "simclr" and "rotation" of the widths asked
        for, an XResNet as it is by default. Of a module of yours, of `foundation_encoder`'s or in a
        fit, a copy is trained, from the weights it has; see `foundation_fit_classifier` for what
        may be one. One without a projection gets MoCo's beside it, which the fit does not keep: its
        encoder gives the features before that.
    probe : LinearProbe, KNNProbe or SegmentationProbe, optional
        Looks every few epochs at what the encoder is worth for labelled patches. The run is the
        same with and without it, to the last bit, unless the probe has patience, which ends it and
        keeps the best encoder.

    Returns
    -------
    FoundationPretrain
        Goes straight into `foundation_fit_classifier`.

    Raises
    ------
    InputError
        If an argument or the encoder cannot be used, or `checkpoint_dir` holds the checkpoint of
        another run; before any training.
    WeightsError
        If the checkpoint is damaged.
    TrainingError
        If pretraining diverges.

    References
    ----------
    Chen, X., Fan, H., Girshick, R. and He, K. (2020). Improved baselines with momentum
    contrastive learning. arXiv:2003.04297.
    He, K., Fan, H., Wu, Y., Xie, S. and Girshick, R. (2020). Momentum contrast for
    unsupervised visual representation learning. CVPR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_moco_pretrain
    >>> patches = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> fit = foundation_moco_pretrain(patches, epochs=3, seed=1)
    >>> fit.feature_dim, len(fit.loss_history), fit.config["queue_size"]
    (64, 3, 44)
    """
    return pretrained("moco", lambda: PatchSource(Patches(patches, argument="patches")), locals())

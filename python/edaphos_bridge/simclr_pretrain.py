"""`foundation_simclr_pretrain()`."""

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
def foundation_simclr_pretrain(
    patches: Any,
    *,
    feature_dim: int = 32,
    proj_dim: int = 16,
    batch_size: int = 8,
    epochs: int = 30,
    lr: float = 0.005,
    temperature: float = 0.2,
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
    """Pretrain a SimCLR encoder on patches without labels.

    Two random views of each patch of a batch (flips with probability 0.5 each, channels set
    to zero with probability 0.2, Gaussian noise) go through the encoder. The loss (NT-Xent)
    asks of each view which of the other 2B - 1 shows the same patch.

    As in edaphos, **an epoch is one step on one batch**, not a pass over the patches; see
    `foundation_moco_pretrain`.

    Parameters
    ----------
    patches : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches of any real dtype and memory order, without missing values, at least two. Those
        that are not in memory are read step by step, see `foundation_fit_classifier`.
    feature_dim, proj_dim : int
        Widths of the features and of the projection that the loss sees. An `encoder` that has
        widths of its own keeps them: then leave these out.
    batch_size : int
        Patches B a step, at least 2; all patches, with a warning, if there are fewer.
    epochs : int
        Steps, unless `steps_per_epoch` is given.
    lr : float
        Learning rate of Adam, constant.
    temperature : float
        Divides the cosines in the loss.
    noise_sd : float
        Standard deviation of the Gaussian noise on every cell.
    seed, verbose, device, checkpoint_dir, checkpoint_every, steps_per_epoch, encoder, probe
        As in `foundation_moco_pretrain`.

    Returns
    -------
    FoundationPretrain
        Goes straight into `foundation_fit_classifier`. Errors are those of
        `foundation_moco_pretrain`.

    References
    ----------
    Chen, T., Kornblith, S., Norouzi, M. and Hinton, G. (2020). A simple framework for
    contrastive learning of visual representations. ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_simclr_pretrain
    >>> patches = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> fit = foundation_simclr_pretrain(patches, epochs=3, seed=1)
    >>> fit.feature_dim, len(fit.loss_history)
    (32, 3)
    """
    return pretrained("simclr", lambda: PatchSource(Patches(patches, argument="patches")), locals())

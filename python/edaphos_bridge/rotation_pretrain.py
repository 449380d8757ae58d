"""`foundation_rotation_pretrain()`."""

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
def foundation_rotation_pretrain(
    patches: Any,
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
    steps_per_epoch: int | None = None,
    encoder: Any = None,
    probe: Probe | None = None,
) -> FoundationPretrain:
    """Pretrain an encoder without labels, by telling the quarter turn of patches.

    Patches are turned by 0, 90, 180 and 270 degrees, and a linear layer on the encoder's features
    tells which turn it was; the loss is the cross-entropy of the four. How well it tells that of
    patches that are held out stands in ``val_accuracy_history``. Chance is 0.25. Patches seen from
    straight above may have no direction, and then there is nothing to tell: see that accuracy.

    Unlike in `foundation_moco_pretrain`, **an epoch is about one pass** over the patches that
    train, unless `steps_per_epoch` is given.

    Parameters
    ----------
    patches : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Square patches, for the method's own encoder of at least 4 x 4 cells, of any real dtype and
        memory order, without missing values. Those that are not in memory are read step by
        step, see `foundation_fit_classifier`.
    mode : {"all", "fixed"}
        "all" takes every patch of a batch in all four turns, as Gidaris et al. do; "fixed" draws
        one turn for each patch, which it keeps for the whole run.
    feature_dim : int
        Width of the features. An `encoder` that has a width of its own keeps it: then leave this
        out.
    batch_size : int
        Patches a step; with "all" the encoder sees four times as many. All that train, with a
        warning, if there are fewer.
    epochs : int
        Passes, or `steps_per_epoch` steps each.
    lr : float
        Learning rate of Adam, constant.
    val_split : float
        Share of the patches that are held out, in [0, 1); 0 holds out none. They are drawn one by
        one: where patches share cells, the accuracy says little.
    seed, verbose, device, checkpoint_dir, checkpoint_every
        As in `foundation_moco_pretrain`.
    steps_per_epoch : int, optional
        Steps an epoch; by default as many as the batches of the patches that train.
        ``loss_history`` has their mean.
    encoder : str, torch.nn.Module or fit, optional
        What to train instead of the method's own encoder, see `foundation_moco_pretrain`. A
        projection that it has is left as it is.
    probe : Probe, optional
        As in `foundation_moco_pretrain`.

    Returns
    -------
    FoundationPretrain
        By default its encoder is that of ``foundation_encoder("rotation", ...)``, with dropout
        while it trains. Goes straight into `foundation_fit_classifier`.

    Raises
    ------
    InputError
        If an argument or the encoder cannot be used, patches are not square, or `checkpoint_dir`
        holds the checkpoint of another run; before any training.
    WeightsError
        If the checkpoint is damaged.
    TrainingError
        If pretraining diverges.

    References
    ----------
    Gidaris, S., Singh, P. and Komodakis, N. (2018). Unsupervised representation learning by
    predicting image rotations. ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_rotation_pretrain
    >>> patches = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
    >>> fit = foundation_rotation_pretrain(patches, batch_size=16, epochs=2, seed=1)
    >>> fit.feature_dim, len(fit.val_accuracy_history), fit.config["steps_per_epoch"]
    (256, 2, 3)
    """
    return pretrained(
        "rotation", lambda: PatchSource(Patches(patches, argument="patches")), locals()
    )

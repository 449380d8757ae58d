"""`foundation_few_label_experiment()`: what pretraining is worth where labels are few."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.arguments import flag
from edaphos_bridge.experiments.few_label_result import FoundationFewLabelExperiment
from edaphos_bridge.experiments.few_label_run import PartReport, few_label_experiment


@plain
def foundation_few_label_experiment(
    methods: Mapping[str, Any],
    x: Any,
    y: Any,
    labels: float | Sequence[float],
    *,
    per_class: bool = False,
    repeats: int = 20,
    test: Any = None,
    folds: Any = None,
    groups: Any = None,
    blocks: Any = None,
    block_size: float | None = None,
    buffer: float = 0.0,
    k: int | None = None,
    standardise: bool = False,
    epochs: int = 10,
    scratch_epochs: int | Sequence[int] | None = None,
    freeze_to: int = -1,
    lr: float = 1e-3,
    batch_size: int = 1,
    val_split: float = 0.2,
    device: str = "cpu",
    n_jobs: int = 1,
    checkpoint_dir: Any = None,
    seed: int | None = None,
    verbose: bool = False,
) -> FoundationFewLabelExperiment:
    """Compare pretrained encoders with each other and with none, on few labels drawn many times.

    For every repeat and number of labels the same labels go to all methods:

    * each encoder **frozen, then not**: a linear head for `epochs` on what is frozen, then
      `epochs` of everything with a fresh Adam; in the table under the name of the method;
    * the same encoder's features as they are, by logistic regression: ``"<method>, probe"``;
    * the encoder's layers **from scratch**, all trained together from random weights. The
      protocol of the course gives them `epochs`, half of what a pretrained encoder trains;
      ``2 * epochs`` are a matched budget. Both are rows;
    * logistic regression on **raw pixels**, **random convolutions** and **image statistics**
      (mean, sd, minimum and maximum of each band), which know of no encoder.

    Logistic regressions have a penalty of ``C = 1`` on standardised features and learn from all
    labels drawn; whatever trains in epochs learns from all but a share `val_split` of them.

    Parameters
    ----------
    methods : mapping of str to encoder, fit or callable
        What is compared, by name: an encoder, or a fit with one, which must not have seen the
        tested patches; or a function ``(x, seed=)`` that pretrains one on the patches that train,
        labelled or not, such as `foundation_moco_pretrain` or a ``functools.partial`` of it. It
        is called once for each fold.
    x : array-like, torch.Tensor or path, shape (N, C, H, W)
        As in `foundation_fit_classifier`; read into memory.
    y : as in `foundation_fit_classifier`
        Where a label is missing (None, NaN or NA), the patch is there for pretraining alone.
    labels : float or sequence of float
        How many labels are drawn, one of each class and the rest at random; infinity is all
        there are. A smaller draw is part of a larger one.
    per_class : bool
        Whether `labels` are of each class, or as many as it has.
    repeats : int
        Draws of labels and of random weights, at least 2.
    test : pair of x and y, optional
        What is tested. All of `x` trains then, and a pretraining function is called once.
    folds, groups, blocks, block_size, buffer, k
        As in `foundation_cross_validate`, without `test`: repeats test the folds in turn, and
        nothing of a tested fold is seen by what is pretrained beside it. By default 5 folds of
        single rows.
    standardise : bool
        Whether each band gets mean 0 and sd 1 over the patches that train, fold by fold.
    epochs : int
        Of each of the two phases of a pretrained encoder.
    scratch_epochs : int or sequence of int, optional
        Of training from scratch, a row of the tables each; ``(epochs, 2 * epochs)`` by default,
        none where it is empty.
    freeze_to : int
        First group that trains in the first phase, as in `foundation_phase`: the head alone by
        default. The course froze the convolutions and trained its dense layer with the head,
        ``freeze_to=-2`` of a rotation encoder.
    lr, batch_size : as in `foundation_phase`
        A `batch_size` of 1 is that of the course.
    val_split : float
        Share of the labels that do not train what trains in epochs, in [0, 1); of each class one
        always does. The course held out 0.2, and so does the default. Nothing is chosen by them.
    device : as in `foundation_fit_classifier`
    n_jobs : int
        How many fits, or pretraining functions, run at once, each in one thread of a process of
        its own. With more than 1, encoders must be ours; a function that cannot be given to
        another process (a lambda, or one of the script itself) runs in this one.
    checkpoint_dir : path-like, optional
        A folder for what is finished, encoders too: a call that was stopped goes on from there.
        Pretraining functions must then be ours, or a ``functools.partial`` of one; parts of a
        call with other settings or data are refused.
    seed : int, optional
        The only source of randomness. Repeat r has ``seed + r - 1``. None draws one, or takes
        that of `checkpoint_dir`; ``config["seed"]`` keeps it.
    verbose : bool
        Print a line for each fit. Otherwise a progress bar shows in a terminal.

    Returns
    -------
    FoundationFewLabelExperiment

    Raises
    ------
    InputError
        If an argument cannot be used, or `checkpoint_dir` holds parts of another call.
    TrainingError
        If training diverges.

    References
    ----------
    Strassmann, A. and Pawel, S. (2020). Self-supervised learning, a course session in R with
    Keras. (the protocol)
    Kolesnikov, A., Zhai, X. and Beyer, L. (2019). Revisiting self-supervised visual
    representation learning. CVPR. (what a comparison depends on)

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from edaphos_bridge import foundation_few_label_experiment, foundation_simclr_pretrain
    >>> y = np.arange(60) % 3
    >>> x = np.random.default_rng(1).normal(size=(60, 4, 5, 5)) + y[:, None, None, None]
    >>> found = foundation_few_label_experiment(
    ...     {"SimCLR": partial(foundation_simclr_pretrain, epochs=2)},
    ...     x, y, 12, repeats=2, k=2, epochs=1, batch_size=4, seed=1,
    ... )
    >>> found.methods[:3]
    ['SimCLR', 'SimCLR, probe', 'from scratch, 1 epoch']
    >>> found.methods[4:]
    ['raw pixels', 'random convolutions', 'image statistics']
    >>> found.table["n_train"].unique().tolist()
    [12]
    """
    parting = {
        "folds": folds,
        "groups": groups,
        "blocks": blocks,
        "block_size": block_size,
        "buffer": buffer,
        "k": k,
    }
    settings = {
        "labels": labels,
        "per_class": per_class,
        "repeats": repeats,
        "standardise": standardise,
        "epochs": epochs,
        "scratch_epochs": scratch_epochs,
        "freeze_to": freeze_to,
        "lr": lr,
        "batch_size": batch_size,
        "val_split": val_split,
        "device": device,
    }
    with _console(flag("verbose", verbose)) as tell:
        return few_label_experiment(
            methods,
            x,
            y,
            test,
            settings,
            parting,
            n_jobs=n_jobs,
            checkpoint_dir=checkpoint_dir,
            seed=seed,
            tell=tell,
        )


@contextmanager
def _console(verbose: bool) -> Iterator[Callable[[PartReport], None]]:
    """Yield what prints lines (`verbose`) or draws a bar (only in a terminal)."""
    if verbose:
        yield lambda report: print(report.line, flush=True)
        return
    # disable=None: no bar where stderr is not a terminal
    with tqdm(desc="few labels", disable=None, leave=False) as bar:

        def show(report: PartReport) -> None:
            bar.total = report.total
            bar.set_postfix_str(report.status, refresh=False)
            bar.update(report.done - bar.n)

        yield show

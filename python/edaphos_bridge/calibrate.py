"""Probabilities that mean what they say: `foundation_calibrate()`."""

from __future__ import annotations

from typing import Any

from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.interpretation.calibration import calibrated
from edaphos_bridge.interpretation.outputs import CLASSIFICATION, as_fit, as_patches, truth_of


@plain
def foundation_calibrate(fit: Any, x: Any, y: Any) -> Any:
    """Return a classifier with calibrated probabilities, by temperature scaling.

    One number T is found on held-out patches, by L-BFGS: that for which ``softmax(logits / T)`` has
    the smallest cross-entropy. No class changes, only how sure the classifier is. The last layer of
    a copy of its head is divided by T, so that `predict`, files and R have it without more; `fit`
    is not changed.

    Parameters
    ----------
    fit : FoundationClassifier or FoundationProbeSweep
        What to calibrate; of a sweep its classifier.
    x : array-like, torch.Tensor, tile data set or path, shape (N, C, H, W)
        Patches that it was not trained on.
    y : array-like, shape (N,)
        Their classes.

    Returns
    -------
    FoundationClassifier
        ``config["temperature"]`` is T; above 1 the classifier was too sure.

    Raises
    ------
    InputError
        If an argument cannot be used, or the head does not end in a linear layer.

    Warns
    -----
    EdaphosWarning
        If no temperature is best: the patches are all classified right, or no better than by
        chance.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural
    networks. ICML.
    """
    known = as_fit(fit, CLASSIFICATION)
    patches = as_patches(x)
    return calibrated(known, patches, truth_of(known, y, len(patches)))

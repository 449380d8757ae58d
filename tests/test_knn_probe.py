"""`KNNProbe`: the accuracy of `foundation_knn()` on held-out rows."""

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge import KNNProbe, foundation_knn
from edaphos_bridge.encoders.copying import freeze, own_copy
from edaphos_bridge.errors import InputError


@pytest.mark.parametrize("k", [1, 7])
def test_the_score_is_the_accuracy_of_the_neighbours_votes(encoder, easy, k):
    x, y = easy
    x, y = x + 3 * np.random.default_rng(2).normal(size=x.shape), y
    probe = KNNProbe(x, y, k=k, temperature=0.2, val_split=0.4)
    train, held_out = (rows.numpy() for rows in (probe.plan.train_rows, probe.plan.val_rows))
    found = foundation_knn(
        encoder, x[train], y[train], x[held_out], y[held_out], k=k, temperature=0.2, n_boot=0
    )
    right = found.outcome.probabilities.argmax(axis=1) == y[held_out]
    score = probe.score(freeze(own_copy(encoder)))
    assert_close(score, right.mean(), 1e-12)
    assert 0 < score < 1


def test_more_neighbours_than_there_are_is_refused(easy):
    assert KNNProbe(*easy, k=48).plan.train_rows.shape == (48,)
    with pytest.raises(InputError, match="`k` must be at most 48, the neighbours that there are"):
        KNNProbe(*easy, k=49)


@pytest.mark.parametrize(("argument", "value"), [("k", 0), ("k", 1.5), ("temperature", 0)])
def test_arguments_that_cannot_be_used_are_named(easy, argument, value):
    with pytest.raises(InputError) as caught:
        KNNProbe(*easy, **{argument: value})
    assert caught.value.argument == argument

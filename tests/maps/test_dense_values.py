"""The dense way gives about the values of the exact one, whatever the blocks."""

import numpy as np
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import (
    foundation_embed_raster,
    foundation_fit_classifier,
    foundation_predict_raster,
)
from edaphos_bridge.errors import EdaphosWarning, InputError
from edaphos_bridge.maps.dense_values import _ranges
from mapped import cells, classifier, encoder, ensemble, regressor, tiles


@pytest.mark.parametrize("stride", [1, 3])
def test_the_map_does_not_depend_on_the_blocks(stride):
    maps = [
        foundation_predict_raster(
            classifier(), cells(), type="prob", method="dense", stride=stride, block_size=size
        ).values
        for size in (16, 64)
    ]
    assert_close(maps[0], maps[1], 1e-5)


@pytest.mark.parametrize("name", ["moco", "simclr"])
def test_embeddings_explain_most_of_the_exact_ones(name):
    exact, dense = (
        foundation_embed_raster(encoder(name), cells(), method=method).values
        for method in ("exact", "dense")
    )
    known = np.isfinite(exact)
    assert np.array_equal(known, np.isfinite(dense))
    # a raster of few patches teaches little of what padding does
    left = ((exact - dense)[known] ** 2).mean() / exact[known].var()
    assert left < 0.5


def test_classes_are_mostly_the_exact_ones_and_no_data_stays():
    exact, dense = (
        foundation_predict_raster(classifier(), cells(), method=method).values[0]
        for method in ("exact", "dense")
    )
    assert np.array_equal(exact == 0, dense == 0)
    assert (exact == dense).mean() > 0.8


def test_members_of_an_ensemble_and_regressors_map_too():
    found = foundation_predict_raster(ensemble(), cells(), method="dense", stride=4)
    assert found.band.values.tolist() == ["dry_mean", "wet_mean", "dry_sd", "wet_sd"]
    known = np.isfinite(found.values[0])
    assert_close(found.values[:2].sum(axis=0)[known], np.ones(known.sum(), np.float32), 1e-6)
    assert np.isfinite(foundation_predict_raster(regressor(), cells(), method="dense").values).any()


def test_an_encoder_of_a_users_own_is_refused():
    class Own(torch.nn.Module):
        normalisation = tiles().normalisation

        def forward(self, x):
            return x.mean(dim=(2, 3))

    fit = foundation_fit_classifier(Own(), tiles(), ["a", "b"] * 60, epochs=1, seed=1, val_split=0)
    for verb, given in ((foundation_predict_raster, fit), (foundation_embed_raster, Own())):
        with pytest.raises(InputError, match="`method` can be 'dense' only for"):
            verb(given, cells(), method="dense")


def test_maxima_are_warned_of():
    fit = classifier(head="concat_pool")
    with pytest.warns(EdaphosWarning, match="maxima of feature maps"):
        foundation_predict_raster(fit, cells(), method="dense", stride=4)


def test_draws_are_refused():
    fit = regressor(head="mlp", dropout=0.3)
    with pytest.raises(InputError, match="`method` must be 'exact' for draws"):
        foundation_predict_raster(fit, cells(), method="dense", n_draws=3)


def test_starts_are_ranges_but_for_the_last():
    assert list(_ranges(np.array([3]))) == [(slice(0, 1), range(3, 4))]
    assert list(_ranges(np.array([0, 4, 8]))) == [(slice(0, 3), range(0, 9, 4))]
    found = list(_ranges(np.array([0, 4, 6])))
    assert found == [(slice(0, 2), range(0, 5, 4)), (slice(2, 3), range(6, 7))]

"""Tables of cells: a row a cell, a column a band, for fits on patches of 1 x 1 cells."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from closeness import assert_close
from edaphos_bridge import (
    foundation_encoder,
    foundation_finetune_ensemble,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_mcdropout_predict,
    foundation_tile_dataset,
)
from edaphos_bridge.data.normalisation import Normalisation
from edaphos_bridge.errors import EdaphosWarning, InputError

BANDS = ["clay", "ndvi", "slope"]
MEANS, SDS = np.array([20.0, 1000.0, -5.0]), np.array([1.0, 50.0, 0.1])
FEW = {"epochs": 2, "seed": 1}


@pytest.fixture(scope="module")
def raw():
    """Forty cells of three bands in units of their own."""
    return np.random.default_rng(3).normal(size=(40, 3)) * SDS + MEANS


@pytest.fixture(scope="module")
def y(raw):
    return np.where(raw[:, 0] > MEANS[0], "Oxisol", "Ultisol")


@pytest.fixture(scope="module")
def x(raw):
    """The cells as an encoder learnt to see them, as patches."""
    return ((raw - MEANS) / SDS)[:, :, None, None]


@pytest.fixture(scope="module")
def encoder():
    encoder = foundation_encoder("moco", 3, seed=1)
    encoder.normalisation = Normalisation(tuple(BANDS), tuple(MEANS), tuple(SDS), True, 1)
    return encoder


@pytest.fixture(scope="module")
def fit(encoder, x, y):
    return foundation_fit_classifier(encoder, x, y, **FEW)


@pytest.fixture(scope="module")
def plain(x, y):
    """A fit that knows no names of bands, and no units."""
    return foundation_fit_classifier(foundation_encoder("moco", 3, seed=1), x, y, **FEW)


def test_raw_cells_are_predicted_as_their_normalised_patches(fit, raw, x):
    table = pd.DataFrame(raw.copy(), columns=BANDS)
    assert_close(fit.predict_proba(table), fit.predict_proba(x), 1e-6)
    assert fit.predict(table).equals(fit.predict(x))
    assert fit.predict(table, type="prob").columns.tolist() == ["Oxisol", "Ultisol"]
    np.testing.assert_array_equal(fit.predict_proba(raw), fit.predict_proba(table))


def test_columns_are_taken_by_the_names_of_the_bands_whatever_else_is_there(fit, raw):
    table = pd.DataFrame(raw.copy(), columns=BANDS)
    other = table[["slope", "clay", "ndvi"]].assign(soil="Oxisol")
    np.testing.assert_array_equal(fit.predict_proba(other), fit.predict_proba(table))


def test_without_names_columns_are_the_channels_in_order(plain, x):
    cells = x[:, :, 0, 0]
    expected = plain.predict_proba(x)
    for table in (
        pd.DataFrame(cells, columns=["a", "b", "c"]),
        pd.DataFrame(cells),
        cells,
        cells.tolist(),
        torch.from_numpy(cells),
        np.asfortranarray(cells),
        np.array(list(map(tuple, cells)), dtype=[("a", float), ("b", float), ("c", float)]),
    ):
        assert_close(plain.predict_proba(table), expected, 1e-6)


def test_a_row_with_a_missing_number_is_missing(fit, raw):
    table = pd.DataFrame(raw, columns=BANDS).astype({"ndvi": "Float64"})
    table.loc[[3, 8], "ndvi"] = pd.NA
    table.loc[5, "clay"] = np.inf
    whole = fit.predict_proba(pd.DataFrame(raw, columns=BANDS))
    found = fit.predict_proba(table)
    gone = np.isin(np.arange(40), [3, 5, 8])
    assert np.array_equal(np.isnan(found).any(axis=1), gone)
    assert_close(found[~gone], whole[~gone], 1e-6)
    assert np.array_equal(fit.predict(table).isna(), gone)
    masked = np.ma.masked_array(raw, mask=np.zeros(raw.shape, bool))
    masked[3, 1] = np.ma.masked
    assert np.isnan(fit.predict_proba(masked)[3]).all()
    assert fit.predict(table.iloc[[3]]).isna().all()
    assert len(fit.predict(table.iloc[:0])) == 0


def test_all_tasks_ensembles_and_draws_of_dropout_take_tables(encoder, x, raw):
    table = pd.DataFrame(raw.copy(), columns=BANDS)
    table.loc[2, "slope"] = np.nan
    how = {"head": "mlp", "dropout": 0.3, "epochs": 2}
    clay = x[:, 0, 0, 0]
    regressor = foundation_fit_regressor(encoder, x, clay, seed=1, **how)
    labels = foundation_fit_multilabel(encoder, x, [["a"], []] * 20, seed=1, **how)
    ensemble = foundation_finetune_ensemble(encoder, x, clay, "regression", K_ens=2, **how)
    rest = np.arange(40) != 2
    assert_close(regressor.predict(table)[rest], regressor.predict(x)[rest], 1e-5)
    assert np.isnan(regressor.predict(table)[2])
    assert labels.predict(table)[rest].equals(labels.predict(x)[rest].astype("boolean"))
    assert labels.predict(table).iloc[2].isna().all()
    assert_close(ensemble.predict(table)[:, rest], ensemble.predict(x)[:, rest], 1e-5)
    assert np.isnan(ensemble.predict(table, type="mean")[2])
    draws = foundation_mcdropout_predict(regressor, table, 3, seed=1)
    assert np.isnan(draws).any(axis=0).tolist() == (~rest).tolist()


def test_an_encoder_without_normalisation_takes_that_of_a_dataset(plain, fit, x, raw):
    stack = np.random.default_rng(1).normal(size=(3, 9, 9)) * SDS[:, None, None]
    tiles = foundation_tile_dataset(stack + MEANS[:, None, None], 2, 5, seed=1)
    found = plain.predict_proba(raw, dataset=tiles)
    known = (raw - tiles.means) / tiles.sds
    assert_close(found, plain.predict_proba(known[:, :, None, None]), 1e-6)


def test_a_missing_column_is_named(fit, raw):
    table = pd.DataFrame(raw, columns=["clay", "NDVI", "height"])
    with pytest.raises(InputError, match=r"`x` must have a column .* none for ndvi, slope; found"):
        fit.predict(table)
    with pytest.raises(InputError, match=r"`x` must have 3 columns, one a channel.*found .40, 2"):
        fit.predict(raw[:, :2])


def test_columns_that_cannot_be_used_are_refused(fit, plain, raw):
    table = pd.DataFrame(raw.copy(), columns=BANDS)
    with pytest.raises(InputError, match="`x` must have numbers in its column 'ndvi'"):
        fit.predict(table.assign(ndvi="high"))
    with pytest.raises(InputError, match=r"`x` must have one column for each band; found .'clay'"):
        fit.predict(pd.concat([table, table[["clay"]]], axis=1))
    with pytest.raises(InputError, match="`x` must have columns of different names"):
        plain.predict(table.set_axis(["a", "a", "b"], axis=1))
    with pytest.raises(InputError, match="`x` must be a table of cells"):
        plain.predict([["a", "b", "c"]])


def test_a_fit_on_larger_patches_says_what_to_call_instead(encoder, raw, y):
    large = np.random.default_rng(1).normal(size=(40, 3, 5, 5))
    fit = foundation_fit_classifier(encoder, large, y, **FEW)
    for table in (raw, pd.DataFrame(raw, columns=BANDS)):
        with pytest.raises(InputError, match=r"`x` must be .* 5 x 5 cells.*predict\(fit, stack\)"):
            fit.predict(table)


def test_cells_in_other_units_are_a_warning(fit, raw):
    with pytest.warns(EdaphosWarning, match="`x` does not look like.*the same units"):
        fit.predict(pd.DataFrame(raw * 1000, columns=BANDS))


def test_a_table_of_another_package_is_known_by_its_columns(fit, raw):
    table = pd.DataFrame(raw.copy(), columns=BANDS)

    class Table(SimpleNamespace):
        def __getitem__(self, name):
            return table[name].to_numpy()

    found = fit.predict_proba(Table(columns=BANDS))
    np.testing.assert_array_equal(found, fit.predict_proba(table))

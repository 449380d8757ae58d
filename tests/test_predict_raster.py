"""`foundation_predict_raster()`: a map has what `predict()` says of the patch around a cell."""

import json
import math
import time

import dask.array
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.shutil
import torch
import xarray
from rasterio import Affine
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    foundation_embed_raster,
    foundation_fit_classifier,
    foundation_mcdropout_predict,
    foundation_predict_raster,
)
from edaphos_bridge.errors import EdaphosWarning, InputError
from mapped import (
    as_layers,
    at_centres,
    cells,
    classifier,
    encoder,
    ensemble,
    map_of,
    multilabel,
    regressor,
    tiles,
)

STRIDES = (1, 4, 8)


def naive(fit, stride, **how):
    """The map by cutting the patches."""
    return as_layers(fit.predict_proba(cells(), coords=at_centres(stride), **how), stride)


def codes(prob):
    return np.where(np.isnan(prob[0]), 0, prob.argmax(axis=0) + 1)


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("block_size", [16, 23, 64])
@pytest.mark.parametrize("stride", STRIDES)
def test_probabilities_are_those_of_the_patches(stride, block_size):
    found = foundation_predict_raster(
        classifier(), cells(), type="prob", stride=stride, block_size=block_size
    )
    expected = naive(classifier(), stride)
    assert found.dims == ("band", "y", "x")
    assert found.dtype == np.float32
    assert found.band.values.tolist() == ["dry", "moist", "wet"]
    assert np.isnan(expected).any()
    assert_close(found.values, expected.astype(np.float32), 1e-6)


@pytest.mark.parametrize("stride", STRIDES)
def test_classes_are_codes_in_their_order_and_0_without_data(stride):
    found = foundation_predict_raster(classifier(), cells(), stride=stride)
    prob = naive(classifier(), stride)
    gap = np.diff(np.sort(np.nan_to_num(prob), axis=0), axis=0)[-1]
    sure = (gap > 1e-6) | np.isnan(prob[0])  # of equal probabilities rounding decides
    assert sure.mean() > 0.99
    assert found.dtype == np.uint8
    assert np.array_equal(found.values[0][sure], codes(prob)[sure])


@pytest.mark.parametrize("kind", ["entropy", "margin", "least_confidence"])
def test_doubt_is_that_of_the_probabilities(kind):
    found = foundation_predict_raster(classifier(), cells(), type=kind, stride=4).values[0]
    prob = np.sort(naive(classifier(), 4), axis=0)
    expected = {
        "entropy": -(prob * np.log(prob)).sum(axis=0) / np.log(3),
        "margin": 1 - (prob[2] - prob[1]),
        "least_confidence": 1 - prob[2],
    }[kind]
    assert_close(found, expected.astype(np.float32), 1e-6)


def test_several_layers_come_in_the_order_asked_for():
    found = foundation_predict_raster(classifier(), cells(), type=["margin", "prob"], stride=4)
    assert found.band.values.tolist() == ["margin", "dry", "moist", "wet"]
    prob = foundation_predict_raster(classifier(), cells(), type="prob", stride=4)
    assert np.array_equal(found.values[1:], prob.values, equal_nan=True)


def test_a_regressor_maps_its_target():
    found = foundation_predict_raster(regressor(), cells(), stride=4)
    expected = as_layers(regressor().predict(cells(), coords=at_centres(4)), 4)
    assert found.band.values.tolist() == ["response"]
    assert_close(found.values, expected.astype(np.float32), 1e-6, size=np.nanmax(abs(expected)))


def test_labels_of_which_a_patch_has_several_are_a_layer_each():
    fit = multilabel()
    prob = foundation_predict_raster(fit, cells(), type="prob", stride=4)
    held = foundation_predict_raster(fit, cells(), stride=4)
    assert held.band.values.tolist() == ["sand", "silt"]
    assert_close(prob.values, naive(fit, 4).astype(np.float32), 1e-6)
    expected = np.where(np.isnan(prob.values), np.nan, prob.values >= 0.5)
    assert np.array_equal(held.values, expected, equal_nan=True)


def test_layers_that_two_kinds_would_share_say_which_they_are_of():
    found = foundation_predict_raster(multilabel(), cells(), type=["class", "prob"], stride=8)
    assert found.band.values.tolist() == ["sand_class", "silt_class", "sand_prob", "silt_prob"]


def test_an_ensemble_maps_mean_and_standard_deviation():
    found = foundation_predict_raster(ensemble(), cells(), stride=4)
    assert found.band.values.tolist() == ["dry_mean", "wet_mean", "dry_sd", "wet_sd"]
    points = at_centres(4)
    for first, kind in ((0, "mean"), (2, "sd")):
        expected = as_layers(ensemble().predict(cells(), kind, coords=points).to_numpy(), 4)
        assert_close(found.values[first : first + 2], expected.astype(np.float32), 1e-6)
    prob = as_layers(ensemble().predict(cells(), "mean", coords=points).to_numpy(), 4)
    classes = foundation_predict_raster(ensemble(), cells(), type="class", stride=4)
    assert np.array_equal(classes.values[0], codes(prob))


def test_draws_of_dropout_do_not_depend_on_who_computes_a_block(tmp_path):
    fit = regressor(head="mlp", dropout=0.3)
    how = {"stride": 4, "n_draws": 40, "seed": 7, "block_size": 16}
    found = foundation_predict_raster(fit, cells(), **how)
    assert found.band.values.tolist() == ["mean", "sd"]
    again = found.isel(y=slice(None, None, -1)).compute().isel(y=slice(None, None, -1))
    assert np.array_equal(found.values, again.values, equal_nan=True)
    other = foundation_predict_raster(fit, cells(), **{**how, "seed": 8})
    assert not np.array_equal(found.values, other.values, equal_nan=True)
    # another set of draws of the same distribution: their means lie a few standard errors apart
    draws = foundation_mcdropout_predict(fit, cells(), 40, seed=1, coords=at_centres(4))
    expected = as_layers(draws.mean(axis=0), 4)[0]
    error = as_layers(draws.std(axis=0), 4)[0] / np.sqrt(40)
    known = np.isfinite(expected)
    assert (abs(found.values[0] - expected)[known] < 8 * error[known] + 1e-6).all()
    assert np.array_equal(np.isnan(found.values[0]), np.isnan(expected))


def test_a_module_of_a_users_own_maps_too(encoder_that_writes):
    fit = encoder_that_writes
    found = foundation_predict_raster(fit, cells(), type="prob", block_size=16)
    assert_close(found.values, naive(fit, 1).astype(np.float32), 1e-6)


@pytest.fixture
def encoder_that_writes():
    """A fit on a module that writes to what it is given."""

    class Writes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.normalisation = tiles().normalisation

        def forward(self, x):
            return x.mul_(2).mean(dim=(2, 3))

    y = ["a", "b"] * 60
    return foundation_fit_classifier(Writes(), tiles(), y, epochs=2, seed=1, val_split=0)


class Keeps(torch.nn.Module):
    """Its features are what a hook has kept, as of many encoders that others trained."""

    def __init__(self):
        super().__init__()
        self.normalisation = tiles().normalisation
        self.first = torch.nn.Flatten()
        self.first.register_forward_hook(self.keep)

    def keep(self, module, given, found):
        self.kept = found

    def forward(self, x):
        self.first(x)
        time.sleep(0.001)  # another thread's turn
        return self.kept[:, ::16] + 0


@pytest.mark.parametrize("what", ["encoder", "head"])
def test_a_module_that_keeps_something_in_between_runs_in_one_thread_at_a_time(
    write_tif, tmp_path, what, several_threads
):
    own, raster = Keeps(), write_tif("in.tif", cells(), nodata=np.nan)
    y = ["a", "b"] * 60
    if what == "encoder":
        fit = foundation_fit_classifier(own, tiles(), y, epochs=1, seed=1, val_split=0)
    else:
        head = torch.nn.Sequential(KeepsFeatures(), torch.nn.Linear(8, 2))
        fit = foundation_fit_classifier(
            encoder(), tiles(), y, head=head, epochs=1, seed=1, val_split=0
        )
    how = {"type": "prob", "block_size": 16}
    out = foundation_predict_raster(fit, raster, tmp_path / "map.tif", **how)
    alone = foundation_predict_raster(fit, raster, **how).compute(scheduler="synchronous")
    with rasterio.open(out) as file:
        assert_close(file.read(), alone.values, 1e-6)
    if what == "encoder":
        out = foundation_embed_raster(own, raster, tmp_path / "e.tif", block_size=16)
        alone = foundation_embed_raster(own, raster).compute(scheduler="synchronous")
        with rasterio.open(out) as file:
            assert_close(file.read(), alone.values, 1e-6)


class KeepsFeatures(torch.nn.Module):
    """Part of a head that keeps its input for a moment."""

    def forward(self, x):
        self.kept = x
        time.sleep(0.001)
        return self.kept + 0


# --- rasters -------------------------------------------------------------------------------------

GRIDS = {
    "north up": Affine(30, 0, 500000, 0, -30, 7400000),
    "south up": Affine(30, 0, 500000, 0, 30, 7400000 - 30 * 41),
    "turned": Affine(20, 10, 500000, 10, -20, 7400000),
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("stride", [1, 4])
def test_a_file_gives_a_file_on_its_grid(write_tif, tmp_path, name, stride):
    grid = GRIDS[name]
    raster = cells()[:, ::-1] if grid.e > 0 else cells()
    path = write_tif("in.tif", np.ascontiguousarray(raster), transform=grid, nodata=np.nan)
    out = foundation_predict_raster(
        classifier(), path, tmp_path / "out.tif", type="prob", stride=stride, block_size=16
    )
    assert out == tmp_path / "out.tif"
    with rasterio.open(out) as file:
        assert file.crs.to_epsg() == 32723
        upright = Affine(30, 0, 500000, 0, -30, 7400000) if grid.e > 0 else grid
        a, b, c, d, e, f = upright[:6]
        assert file.transform[:6] == (a * stride, b * stride, c, d * stride, e * stride, f)
        assert file.descriptions == ("dry", "moist", "wet")
        assert np.isnan(file.nodata)
        assert_close(file.read(), naive(classifier(), stride).astype(np.float32), 1e-6)


def test_a_data_array_gives_coordinates_of_the_middles_of_cells():
    coords = {"y": 1000 - 10 * np.arange(41.0), "x": 200 + 10 * np.arange(53.0)}
    array = xarray.DataArray(cells(), dims=("band", "y", "x"), coords=coords)
    found = foundation_predict_raster(classifier(), array, type="prob", stride=4)
    plain = foundation_predict_raster(classifier(), cells(), type="prob", stride=4)
    assert found.y.values[:2].tolist() == [985.0, 945.0]
    assert found.x.values[:2].tolist() == [215.0, 255.0]
    assert np.array_equal(found.values, plain.values, equal_nan=True)


def test_a_list_of_aligned_files_is_one_raster(write_tif, tmp_path):
    paths = [
        write_tif(
            f"{number}.tif",
            cells()[number : number + 1],
            nodata=np.nan,
            transform=GRIDS["north up"],
            names=(f"band_{number + 1}",),
        )
        for number in range(4)
    ]
    found = foundation_predict_raster(classifier(), paths, type="prob", stride=4)
    assert_close(found.values, naive(classifier(), 4).astype(np.float32), 1e-6)


@pytest.mark.parametrize("shape", [(4, 1, 1), (4, 3, 60), (4, 7, 2)])
def test_a_raster_smaller_than_a_patch_maps_too(shape):
    raster = cells()[:, 20 : 20 + shape[1], : shape[2]]
    found = foundation_predict_raster(classifier(), raster, type="prob")
    down, right = np.mgrid[: shape[1], : raster.shape[2]]
    points = np.stack([right.ravel() + 0.5, down.ravel() + 0.5], axis=1)
    expected = classifier().predict_proba(raster, coords=points)
    assert_close(found.values.reshape(3, -1).T, expected.astype(np.float32), 1e-6)


# --- the file ------------------------------------------------------------------------------------


@pytest.fixture
def class_map(write_tif, tmp_path):
    big = np.tile(cells(), (1, 4, 4))
    path = write_tif("in.tif", np.ascontiguousarray(big), nodata=np.nan)
    colours = {"wet": "#0000ff", "dry": "#ff0000", "moist": "#00ff00"}
    return foundation_predict_raster(
        classifier(),
        path,
        tmp_path / "soil.tif",
        colours=colours,
        block_size=100,
        options={"BLOCKSIZE": 128},
    )


def test_a_map_of_classes_is_a_cloud_optimised_geotiff_with_names_and_colours(class_map):
    with rasterio.open(class_map) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.block_shapes == [(128, 128)]
        assert file.compression == rasterio.enums.Compression.deflate
        assert file.overviews(1)
        assert file.dtypes == ("uint8",)
        assert file.nodata == 0
        assert file.descriptions == ("class",)
        colours = [file.colormap(1)[code] for code in (1, 2, 3)]
    assert colours == [(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)]
    beside = class_map.with_name("soil.tif.aux.xml").read_text()
    assert [beside.index(name) for name in ("dry", "moist", "wet")]
    assert sorted(path.name for path in class_map.parent.iterdir()) == [
        "in.tif", "soil.tif", "soil.tif.aux.xml",
    ]  # fmt: skip


def test_a_map_is_replaced_only_if_asked_for_and_takes_its_names_along(class_map, write_tif):
    raster = class_map.parent / "in.tif"
    before = class_map.read_bytes()
    with pytest.raises(InputError, match=r"`out` exists already.*overwrite=True"):
        foundation_predict_raster(classifier(), raster, class_map)
    assert class_map.read_bytes() == before
    foundation_predict_raster(
        classifier(), raster, class_map, type="prob", stride=8, overwrite=True
    )
    with rasterio.open(class_map) as file:
        assert file.count == 3
    assert not class_map.with_name("soil.tif.aux.xml").exists()


def test_equal_calls_write_equal_bytes(write_tif, tmp_path):
    maps = [tmp_path / f"{number}.tif" for number in range(2)]
    for path in maps:
        foundation_predict_raster(classifier(), cells(), path, type="prob", block_size=16)
    assert maps[0].read_bytes() == maps[1].read_bytes()


def test_options_are_those_of_gdals_driver(write_tif, tmp_path):
    path = write_tif("in.tif", cells(), nodata=np.nan)
    out = foundation_predict_raster(
        classifier(), path, tmp_path / "a.tif", options={"COMPRESS": "LZW"}
    )
    with rasterio.open(out) as file:
        assert file.compression == rasterio.enums.Compression.lzw
    with pytest.raises(InputError, match="`options`"):
        foundation_predict_raster(
            classifier(), cells(), tmp_path / "b.tif", options={"COMPRESS": "NONSENSE"}
        )
    assert not (tmp_path / "b.tif").exists()


# --- progress ------------------------------------------------------------------------------------


def test_verbose_prints_blocks_rate_and_time_left(tmp_path, capsys):
    foundation_predict_raster(
        classifier(), cells(), tmp_path / "a.tif", stride=2, block_size=16, verbose=True
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[map] block 1/4  ")
    assert lines[-1].startswith("[map] block 4/4  ")
    assert lines[-1].endswith(" blocks/s  0:00:00 left")


# --- bad input -----------------------------------------------------------------------------------

BAD = {
    "fit": ({"fit": "moco"}, "`fit` must be a fit with a head"),
    "an encoder": ({"fit": encoder()}, "foundation_embed_raster"),
    "type": ({"type": "response"}, "`type` must be one of 'class', 'prob', 'entropy'"),
    "classes beside others": ({"type": ["class", "prob"]}, "'class' alone"),
    "no type": ({"type": []}, "`type` must be one or some of"),
    "twice": ({"type": ["prob", "prob"]}, "`type` must be one or some of"),
    "stride": ({"stride": 0}, "`stride` must be a positive whole number"),
    "block_size": ({"block_size": 8}, "`block_size`"),
    "method": ({"method": "fast"}, "`method` must be one of 'exact', 'dense'"),
    "bands": ({"stack": cells()[:3]}, "`stack` must have 4 bands"),
    "stack": ({"stack": "nowhere.tif"}, "`stack` cannot be opened"),
    "no folder": ({"out": "no/where/a.tif"}, "`out` names a folder that does not exist"),
    "colours": ({"colours": {"wet": "#000000"}}, "`colours` must have a colour for every class"),
    "a colour": ({"colours": ["blue", "#000000", "#ffffff"]}, "`colours` must be written"),
    "client": ({"client": 7, "out": "a.tif"}, "`client` must be a distributed.Client"),
    "client without out": ({"client": "tcp://1"}, "`client` is for maps that go to a file"),
    "options": ({"options": 7}, "`options` must be creation options"),
    "draws of an ensemble": ({"fit": ensemble(), "n_draws": 5}, "`n_draws` is for a single fit"),
    "no dropout": ({"n_draws": 5}, "`n_draws` needs a fit with dropout"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_before_anything_is_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    changes, message = BAD[name]
    arguments = {"fit": classifier(), "stack": cells(), **changes}
    with pytest.raises(InputError, match=message):
        foundation_predict_raster(**arguments)
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_given_is_changed(snapshot):
    fit = classifier()
    before = snapshot(fit.encoder), snapshot(fit.head)
    raster = cells().copy()
    foundation_predict_raster(fit, raster, stride=4).compute()
    assert (snapshot(fit.encoder), snapshot(fit.head)) == before
    assert np.array_equal(raster, cells(), equal_nan=True)


def test_a_table_of_the_map_has_the_classes_of_predict():
    found = foundation_predict_raster(classifier(), cells(), stride=8)
    expected = classifier().predict(cells(), coords=at_centres(8))
    names = pd.Categorical.from_codes(
        found.values.ravel().astype(int) - 1, categories=found.attrs["classes"]
    )
    assert names.equals(expected)


def test_colours_that_mean_nothing_are_refused():
    with pytest.raises(InputError, match="`colours` are for a map of classes"):
        foundation_predict_raster(classifier(), cells(), type="prob", colours=["#000000"] * 3)
    with pytest.raises(InputError, match="`colours` must be of the classes dry, moist, wet"):
        foundation_predict_raster(classifier(), cells(), colours={"swamp": "#000000"})


def test_draws_go_on_with_the_seed_of_the_blocks_that_are_there(tmp_path):
    fit, out = regressor(head="mlp", dropout=0.3), tmp_path / "map.tif"
    how = {"stride": 2, "n_draws": 5, "block_size": 16}

    def stop(report):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        map_of(fit, cells(), out, stop, **how)
    seed = json.loads((tmp_path / "map.tif.parts" / "map.json").read_text())["seed"]
    foundation_predict_raster(fit, cells(), out, **how)
    other = foundation_predict_raster(fit, cells(), tmp_path / "b.tif", seed=seed, **how)
    assert out.read_bytes() == other.read_bytes()


def test_a_vrt_is_a_raster(write_tif, tmp_path):
    path = write_tif("in.tif", cells(), nodata=np.nan)
    vrt = tmp_path / "in.vrt"
    rasterio.shutil.copy(path, vrt, driver="VRT")
    found = foundation_predict_raster(classifier(), vrt, type="prob", stride=4)
    assert_close(found.values, naive(classifier(), 4).astype(np.float32), 1e-6)


def test_an_array_that_dask_computes_is_read_block_by_block(tmp_path):
    array = dask.array.from_array(cells(), chunks=(4, 16, 16))
    coords = {"y": 1000 - 10 * np.arange(41.0), "x": 200 + 10 * np.arange(53.0)}
    lazy = xarray.DataArray(array, dims=("band", "y", "x"), coords=coords)
    found = foundation_predict_raster(classifier(), lazy, type="prob", stride=4, block_size=16)
    assert_close(found.values, naive(classifier(), 4).astype(np.float32), 1e-6)
    out = tmp_path / "map.tif"
    with pytest.warns(EdaphosWarning, match="no coordinate reference system"):
        foundation_predict_raster(classifier(), lazy, out, type="prob", stride=4, block_size=16)
    with rasterio.open(out) as file:
        assert file.transform[:6] == (40, 0, 195, 0, -40, 1005)
        assert np.array_equal(file.read(), found.values, equal_nan=True)


def test_a_fit_on_patches_of_another_size_than_the_encoders_reads_those_it_was_trained_on():
    x = tiles().sample(40, seed=1)[:, :, 1:6, 1:6].astype(np.float64)
    fit = foundation_fit_classifier(encoder(), x, np.arange(40) % 3, epochs=1, seed=1)
    assert fit.patch_size == [5, 5]
    found = foundation_predict_raster(fit, cells(), type="prob", stride=8)
    point = at_centres(8)
    assert_close(found.values, as_layers(fit.predict_proba(cells(), coords=point), 8), 1e-6)
    at = 15  # away from holes
    col, row = np.floor(point[at]).astype(int)
    patch = cells()[:, row - 2 : row + 3, col - 2 : col + 3]
    assert np.isfinite(patch).all()
    known = tiles().normalisation.apply(patch, np.isfinite(patch)).astype(np.float32)
    expected = fit.predict_proba(known[None])[0]
    assert_close(found.values.reshape(len(expected), -1)[:, at], expected, 1e-5)


class Overflowing(nn.Linear):
    """A head whose outputs are NaN where features are as large as those of values for no data."""

    def forward(self, features):
        large = features.abs().amax(dim=1, keepdim=True) > 1e4
        return torch.where(large, math.nan, super().forward(features))


def test_what_cannot_be_predicted_is_said_of_the_stack():
    raw = cells().copy()
    raw[:, 20:24, 20:24] = 1e9
    fit = classifier(head=Overflowing(8, 3))
    with pytest.warns(EdaphosWarning, match="does not look like"):
        found = foundation_predict_raster(fit, raw, stride=4)
    with pytest.raises(InputError, match="NaN or infinite") as caught:
        found.load()
    assert caught.value.argument == "stack"

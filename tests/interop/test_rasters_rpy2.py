"""Rasters in R inside this process: terra names the files, the numbers are Python's."""

import re

import numpy as np
import pandas as pd
import pytest
import rasterio
import rpy2.robjects as ro

from closeness import assert_close
from edaphos_bridge import (
    foundation_embed_at_coords,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_pretrain_tiles,
    foundation_patches_at_coords,
    foundation_tile_align,
    foundation_tile_dataset,
)
from edaphos_bridge.interop.rpy2 import install
from edaphos_bridge.weights.encoder_file import encoder_to_bytes
from raster_shapes import Frame, polygon

SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 2, "seed": 1}
SMALL_IN_R = "feature_dim = 6, proj_dim = 4, batch_size = 8, epochs = 2, seed = 1"
POINTS = np.array([[505.0, 895.0], [705.0, 755.0], [495.0, 755.0]])


@pytest.fixture
def path(tmp_path):
    stack = np.random.default_rng(1).normal(size=(3, 30, 40))
    stack[:, 7, 7] = np.nan
    profile = {
        "driver": "GTiff", "count": 3, "height": 30, "width": 40, "dtype": "float64",
        "transform": rasterio.Affine(10, 0, 500, 0, -10, 900), "crs": "EPSG:32723",
    }  # fmt: skip
    with rasterio.open(tmp_path / "stack.tif", "w", **profile) as file:
        file.write(stack)
        file.descriptions = ("clay", "ndvi", "slope")
    return tmp_path / "stack.tif"


@pytest.fixture
def r(path):
    install()
    ro.globalenv["path"] = str(path)
    ro.r("stack <- terra::rast(path)")
    ro.r("dataset <- foundation_tile_dataset(stack, patch_size = 5, n_patches = 30, seed = 2)")
    ro.r("points <- rbind(c(505, 895), c(705, 755), c(495, 755))")
    return ro.r


@pytest.fixture
def dataset(path):
    return foundation_tile_dataset(path, patch_size=5, n_patches=30, seed=2)


def test_a_dataset_is_pythons(r, dataset):
    assert np.array_equal(np.array(r("dataset$cells")) - 1, dataset.cells)
    assert tuple(r("dataset$means")) == dataset.means
    assert list(r("capture.output(print(dataset))")) == dataset.describe()
    sampled = np.array(r("dataset$sample(4, seed = 3)"))
    assert np.array_equal(sampled, dataset.sample(4, seed=3).astype(np.float64))


def test_pretraining_embeddings_and_predictions_are_pythons_bits(r, dataset, path):
    fit = foundation_moco_pretrain_tiles(dataset, **SMALL)
    r(f"fit <- foundation_moco_pretrain_tiles(dataset, {SMALL_IN_R})")
    assert bytes(r("fit$state")) == fit.to_bytes()

    features = np.array(r("foundation_embed_at_coords(fit, points, stack)"))
    expected = foundation_embed_at_coords(fit, POINTS, path).astype(np.float64)
    assert np.array_equal(features, expected, equal_nan=True)
    assert np.isnan(expected).any(axis=1).tolist() == [False, False, True]

    x = foundation_patches_at_coords(fit, POINTS[:2], path)
    classifier = foundation_fit_classifier(fit, x, ["a", "b"], epochs=2, val_split=0, seed=1)
    r("x <- foundation_patches_at_coords(fit, points[1:2, ], stack)")
    r("classifier <- foundation_fit_classifier(fit, x, c('a', 'b'), epochs = 2, val_split = 0,"
      " seed = 1)")  # fmt: skip
    assert bytes(r("classifier$state")) == classifier.to_bytes()
    prob = np.array(r("predict(classifier, stack, type = 'prob', coords = points)"))
    assert np.array_equal(prob, classifier.predict_proba(path, coords=POINTS), equal_nan=True)
    assert r("is.na(predict(classifier, stack, coords = points))")[2]
    codes = np.array(r("as.integer(predict(classifier, stack, coords = points))"))[:2]
    assert (codes - 1).tolist() == classifier.predict(path, coords=POINTS).codes[:2].tolist()


def test_a_raster_without_a_file_crosses_as_bytes_and_a_mask_as_a_file(r, path):
    r("kept <- foundation_tile_dataset(stack * 2, patch_size = 5, n_patches = 30, seed = 2)")
    expected = foundation_tile_dataset(path, patch_size=5, n_patches=30, seed=2)
    assert np.array_equal(np.array(r("kept$cells")) - 1, expected.cells)
    found = np.array(r("kept$sample(4, seed = 3)"))
    assert_close(found, expected.sample(4, seed=3), 1e-6)
    r("mask <- stack[[1]] > 0")
    r("masked <- foundation_tile_dataset(stack, 5, 30, mask, seed = 2)")
    with rasterio.open(path) as file:
        mask = np.nan_to_num(file.read(1)) > 0
    expected = foundation_tile_dataset(path, 5, 30, mask, seed=2)
    assert np.array_equal(np.array(r("masked$cells")) - 1, expected.cells)


@pytest.mark.parametrize("up", [False, True])
def test_a_file_of_either_order_of_rows_gives_pythons_bits(r, path, tmp_path, up):
    with rasterio.open(path) as file:
        cells, profile = file.read(), file.profile
    if up:
        profile["transform"] = rasterio.Affine(10, 0, 500, 0, 10, 600)
    with rasterio.open(tmp_path / "other.tif", "w", **profile) as file:
        file.write(cells)
        file.descriptions = ("clay", "ndvi", "slope")
    ro.globalenv["other"] = str(tmp_path / "other.tif")
    tiles = foundation_tile_dataset(tmp_path / "other.tif", 5, 30, seed=2)
    expected = foundation_patches_at_coords(tiles, POINTS[:2], tmp_path / "other.tif")
    for stack in ("other", "terra::rast(other)"):
        r(f"tiles <- foundation_tile_dataset({stack}, 5, 30, seed = 2)")
        r(f"x <- foundation_patches_at_coords(tiles, points[1:2, ], {stack})")
        assert np.array_equal(np.array(r("tiles$cells")) - 1, tiles.cells)
        assert np.array_equal(np.array(r("x")), expected.astype(np.float64))


def test_points_of_sf_and_an_assigned_normalisation_are_pythons_bits(r, path):
    r("encoder <- foundation_encoder('moco', in_channels = 3, seed = 1)")
    r("encoder$normalisation <- dataset; encoder$patch_orientation <- 'transposed'")
    encoder = foundation_encoder("moco", 3, seed=1)
    encoder.normalisation = foundation_tile_dataset(path, 5, 30, seed=2).normalisation
    encoder.patch_orientation = "transposed"
    assert bytes(r("encoder$state")) == encoder_to_bytes(encoder)
    r("sf_points <- sf::st_as_sf(data.frame(points), coords = 1:2, crs = 32723)")
    found = np.array(r("foundation_embed_at_coords(moco = encoder, sf_points, stack)"))
    expected = foundation_embed_at_coords(encoder, POINTS, path)
    assert np.array_equal(found, expected.astype(np.float64), equal_nan=True)


def test_what_nothing_uses_is_refused_under_rpy2_too(r):
    refused = r(
        "tryCatch(generics::tidy(foundation_moco_pretrain_tiles(dataset, epochs = 1), n = 1),"
        " edaphosbridge_input_error = conditionMessage)"
    )
    assert refused[0] == "`n` is no argument of tidy(). It takes no more arguments."
    assigned = r("tryCatch(dataset$means <- 1, edaphosbridge_input_error = conditionMessage)")
    assert "cannot be assigned" in assigned[0]


def test_aligned_rasters_are_pythons_bits(r, path, tmp_path):
    r("coarse <- terra::project(terra::aggregate(stack[[1]], 3, na.rm = TRUE), 'EPSG:4326')")
    r("terra::writeRaster(coarse, sub('stack', 'coarse', path), datatype = 'FLT8S')")
    r("coarse <- terra::rast(sub('stack', 'coarse', path))")
    r("aligned <- foundation_tile_align(list(stack, coarse), method = c('near', 'cubic'))")
    found = np.array(r("terra::as.array(aligned)")).transpose(2, 0, 1)
    expected = foundation_tile_align([path, tmp_path / "coarse.tif"], method=["nearest", "cubic"])
    with rasterio.open(expected) as file:
        assert np.array_equal(found, file.read(), equal_nan=True)


def test_a_data_frame_of_cells_is_predicted_as_in_python(r, dataset):
    encoder = foundation_encoder("moco", in_channels=3, seed=1)
    encoder.normalisation = dataset.normalisation
    cells = np.random.default_rng(5).normal(size=(12, 3))
    cells[3, 1] = np.nan
    ro.globalenv["raw"] = ro.r.matrix(ro.FloatVector(cells.ravel(order="F")), 12)
    r("cells <- stats::setNames(as.data.frame(raw), c('clay', 'ndvi', 'slope'))")
    r("known <- foundation_encoder('moco', in_channels = 3, seed = 1)")
    r("known$normalisation <- dataset")
    r("x <- array(raw, c(12, 3, 1, 1)); x[4, 2, 1, 1] <- 0")
    r("fit <- foundation_fit_classifier(known, x, rep(c('a', 'b'), 6), epochs = 1, seed = 1)")
    x = np.where(np.isnan(cells), 0, cells)[:, :, None, None]
    fit = foundation_fit_classifier(encoder, x, ["a", "b"] * 6, epochs=1, seed=1)
    expected = fit.predict_proba(pd.DataFrame(cells, columns=["clay", "ndvi", "slope"]))
    assert np.isnan(expected).any(axis=1).tolist() == [row == 3 for row in range(12)]
    for given in ("cells", "cells[3:1]", "as.matrix(cells)", "raw"):
        found = np.array(r(f"predict(fit, {given}, type = 'prob')"))
        assert np.array_equal(found, expected, equal_nan=True)


WKT = [
    "POLYGON ((502 601, 702 608, 633 753, 502 601))",
    "POLYGON ((751 753, 861 751, 863 859, 751 753))",
]


@pytest.mark.parametrize("crs", ["EPSG:32723", "EPSG:4326"])
def test_masks_of_polygons_are_pythons_bits(r, path, crs):
    rings = [re.findall(r"(\d+) (\d+)", text) for text in WKT]
    labels = Frame(
        [polygon([(float(x), float(y)) for x, y in ring[:-1]]) for ring in rings],
        "EPSG:32723", crop=pd.Series(["soy", "maize"]),
    )  # fmt: skip
    expected = foundation_tile_dataset(path, 5, 30, seed=2, labels=labels, field="crop")
    ro.globalenv["wkt"] = ro.StrVector(WKT)
    r("fields <- terra::vect(wkt, crs = 'EPSG:32723'); fields$crop <- c('soy', 'maize')")
    r(f"fields <- terra::project(fields, '{crs}')")
    settings = "patch_size = 5, n_patches = 30, seed = 2"
    r(f"labelled <- foundation_tile_dataset(stack, {settings}, labels = fields, field = 'crop')")
    assert np.array_equal(np.array(r("labelled$cells")) - 1, expected.cells)
    assert np.array_equal(np.array(r("labelled$coords")), expected.coords)
    codes = np.array(r("labelled$masks()"))
    assert list(r("levels(labelled$masks())")) == expected.classes
    assert np.array_equal(np.where(codes < 0, -1, codes - 1), expected.masks().codes)


def test_levels_of_a_raster_are_its_classes(r, path):
    r("land <- stack[[1]] > 0; levels(land) <- data.frame(value = 0:1, land = c('wet', 'dry'))")
    r("labelled <- foundation_tile_dataset(stack, 5, 30, seed = 2, labels = land)")
    with rasterio.open(path) as file:
        land = np.where(np.isnan(file.read(1)), None, np.where(file.read(1) > 0, "dry", "wet"))
    expected = foundation_tile_dataset(path, 5, 30, seed=2, labels=land)
    assert list(r("labelled$classes")) == ["wet", "dry"]
    codes = np.array(r("labelled$masks()"))
    assert np.array_equal(np.where(codes < 0, -1, 2 - codes), expected.masks().codes)

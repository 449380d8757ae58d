"""The same map from Python, from R through reticulate and from R inside Python."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rpy2.robjects as ro

from edaphos_bridge import (
    foundation_embed_raster,
    foundation_fit_classifier,
    foundation_moco_pretrain_tiles,
    foundation_patches_at_coords,
    foundation_predict_raster,
    foundation_tile_dataset,
)
from edaphos_bridge.interop.calls import call
from edaphos_bridge.interop.rpy2 import install
from edaphos_bridge.weights.encoder_file import encoder_to_bytes

ROOT = Path(__file__).parents[2]
SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 2, "seed": 1}
POINTS = np.array([[555.0, 845.0], [705.0, 755.0], [805.0, 655.0]])
HEAD = {"head": "mlp", "hidden": [8], "dropout": 0.3, "epochs": 2, "val_split": 0, "seed": 1}

# One R program for both entrances from R; `out` and `entrance` are set before it.
R_CODE = """
stack <- terra::rast(file.path(out, "stack.tif"))
dataset <- foundation_tile_dataset(stack, patch_size = 5, n_patches = 30, seed = 2)
encoder <- foundation_moco_pretrain_tiles(
  dataset, feature_dim = 6, proj_dim = 4, batch_size = 8, epochs = 2, seed = 1
)
points <- rbind(c(555, 845), c(705, 755), c(805, 655))
x <- foundation_patches_at_coords(encoder, points, stack)
fit <- foundation_fit_classifier(
  encoder, x, c("wet", "dry", "wet"), head = "mlp", hidden = 8, dropout = 0.3, epochs = 2,
  val_split = 0, seed = 1
)
to <- function(name) file.path(out, paste0(entrance, "-", name, ".tif"))
colours <- c(wet = "#0000ff", dry = "#ffff00")
of_classes <- predict(fit, stack, filename = to("class"), colours = colours)
levels_of <- do.call(paste, terra::levels(of_classes)[[1]])
invisible(predict(
  fit, stack, type = c("prob", "entropy"), filename = to("prob"), stride = 3, block_size = 16,
  wopt = list(gdal = "COMPRESS=LZW")
))
invisible(foundation_mcdropout_predict(
  fit, stack, n_draws = 5, seed = 3, filename = to("draws"), stride = 4
))
invisible(foundation_embed_raster(encoder, stack, filename = to("embedded"), stride = 2))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What each entrance wrote."""
    out = tmp_path_factory.mktemp("maps")
    cells = np.random.default_rng(1).normal(size=(3, 30, 40))
    cells[:, 7, 7] = np.nan
    profile = {
        "driver": "GTiff", "count": 3, "height": 30, "width": 40, "dtype": "float64",
        "transform": rasterio.Affine(10, 0, 500, 0, -10, 900), "crs": "EPSG:32723",
    }  # fmt: skip
    with rasterio.open(out / "stack.tif", "w", **profile) as file:
        file.write(cells)
        file.descriptions = ("clay", "ndvi", "slope")
    map_in_python(out)
    (out / "map.R").write_text(R_CODE)
    install()
    ro.r(f"out <- '{out}'; entrance <- 'rpy2'")
    ro.r("source(file.path(out, 'map.R'))")
    setup = f'out <- "{out}"; entrance <- "reticulate"; library(edaphosbridge)'
    threads = {"OMP_NUM_THREADS": str(os.environ.get("OMP_NUM_THREADS", "1"))}
    subprocess.run(
        ["Rscript", "-e", f'{setup}; source(file.path(out, "map.R"))'],
        check=True, env={**os.environ, **threads}, cwd=ROOT,
    )  # fmt: skip
    return out


def map_in_python(out):
    stack = out / "stack.tif"
    dataset = foundation_tile_dataset(stack, patch_size=5, n_patches=30, seed=2)
    encoder = foundation_moco_pretrain_tiles(dataset, **SMALL)
    x = foundation_patches_at_coords(encoder, POINTS, stack)
    fit = foundation_fit_classifier(encoder, x, ["wet", "dry", "wet"], **HEAD)
    colours = {"wet": "#0000ff", "dry": "#ffff00"}
    foundation_predict_raster(fit, stack, out / "python-class.tif", colours=colours)
    foundation_predict_raster(
        fit, stack, out / "python-prob.tif", type=["prob", "entropy"], stride=3, block_size=16,
        options={"COMPRESS": "LZW"},
    )  # fmt: skip
    foundation_predict_raster(fit, stack, out / "python-draws.tif", n_draws=5, seed=3, stride=4)
    foundation_embed_raster(encoder, stack, out / "python-embedded.tif", stride=2)


@pytest.mark.parametrize("entrance", ["rpy2", "reticulate"])
@pytest.mark.parametrize("name", ["class", "prob", "draws", "embedded"])
def test_a_map_from_r_has_pythons_bits_names_grid_and_options(folder, entrance, name):
    with (
        rasterio.open(folder / f"python-{name}.tif") as expected,
        rasterio.open(folder / f"{entrance}-{name}.tif") as found,
    ):
        assert np.array_equal(found.read(), expected.read(), equal_nan=name != "class")
        assert found.descriptions == expected.descriptions
        assert found.transform == expected.transform
        assert found.crs == expected.crs
        assert repr(found.profile) == repr(expected.profile)  # with NaN
        if name == "class":
            assert found.colormap(1) == expected.colormap(1)
            assert found.colormap(1)[2] == (0, 0, 255, 255)


def test_the_embedded_r_has_levels_of_the_classes(folder):
    assert list(ro.r("levels_of")) == ["1 dry", "2 wet"]
    ro.r("of_stars <- predict(fit, stars::read_stars(file.path(out, 'stack.tif')))")
    assert list(ro.r("class(of_stars)")) == ["stars"]


def test_what_is_refused_speaks_of_rs_arguments(folder):
    def refusal(code):
        return ro.r(f"tryCatch({{ {code} }}, edaphosbridge_input_error = conditionMessage)")[0]

    assert refusal("predict(fit, stack[[1:2]])").startswith("`x` must have 3 bands")
    assert "overwrite = TRUE" in refusal("predict(fit, stack, filename = to('class'))")
    assert refusal("predict(fit, stack, filename = '/no/map.tif')").startswith("`filename` names")
    assert refusal("predict(fit, stack, wopt = list(gdal = 'LEVEL=no'))").startswith("`wopt` ")


def test_a_map_that_r_wants_no_more_is_interrupted_and_goes_on(folder):
    stack, out = folder / "stack.tif", folder / "left.tif"
    dataset = foundation_tile_dataset(stack, patch_size=5, n_patches=30, seed=2)
    encoder = foundation_moco_pretrain_tiles(dataset, **SMALL)
    told = []

    def answer_of(go_on):
        def on_block(*report):
            told.append(report)
            return go_on

        settings = {
            "out": str(out), "stride": 1, "patch_size": None, "projection": False, "device": "cpu",
            "block_size": 16, "method": "exact", "client": None, "overwrite": False,
            "resume": True, "options": None, "verbose": False,
        }  # fmt: skip
        state = encoder_to_bytes(encoder.encoder)
        return call("embed_raster", state, str(stack), None, settings, on_block)

    left = answer_of(False)
    assert left["error"]["classes"] == ["edaphosbridge_interrupt", "edaphosbridge_error"]
    kept = len(list((folder / "left.tif.parts").glob("*.npy")))
    assert [report[:3] for report in told] == [(1, 6, None)]
    assert told[0][3].endswith("blocks/s")
    assert told[0][4].startswith("[map] block 1/6")
    assert answer_of(True)["error"] is None
    assert [report[0] for report in told[1:]] == list(range(kept + 1, 7))
    assert not (folder / "left.tif.parts").exists()

"""Pretraining from R inside this process: the same functions, the same bits."""

import numpy as np
import pytest
import rasterio
import rpy2.robjects as ro

from edaphos_bridge import (
    FoundationPretrain,
    foundation_encoder_for,
    foundation_swav_pretrain_tiles,
    foundation_tile_dataset,
)
from edaphos_bridge.interop.rpy2 import converter, install


@pytest.fixture
def r(patches):
    install()
    with converter.context():
        ro.globalenv["x"] = patches
    return ro.r


ARGUMENTS = "x, feature_dim = 6, proj_dim = 4, batch_size = 8, epochs = 4, seed = 1"


def test_r_code_gets_pythons_bits(r, pretrain):
    r(f"fit <- foundation_{pretrain.method}_pretrain({ARGUMENTS})")
    fit = pretrain()
    assert bytes(r("fit$state")) == fit.to_bytes()
    assert list(r("fit$loss_history")) == fit.loss_history
    assert list(r("capture.output(print(fit))")) == str(fit).splitlines()


def test_a_fit_goes_to_r_and_comes_back_bit_equal(r, pretrain):
    fit = pretrain()
    with converter.context():
        ro.globalenv["fit"] = fit
        back = ro.globalenv["fit"]
    assert list(r("class(fit)")) == [
        "edaphosbridge_pretrain",
        "edaphosbridge_fit",
        f"edaphos_foundation_{fit.method}",
    ]
    assert isinstance(back, FoundationPretrain)
    assert back.to_bytes() == fit.to_bytes()
    r(f"there <- foundation_{fit.method}_pretrain({ARGUMENTS})")
    assert r("identical(fit, there)")[0]


def test_plot_finds_its_method(r):
    r(f"fit <- foundation_simclr_pretrain({ARGUMENTS})")
    r("pdf(NULL); shown <- withVisible(plot(fit)); invisible(dev.off())")
    assert r("identical(shown, list(value = fit, visible = FALSE))")[0]


def test_a_fit_serves_the_classifier_in_r(r, pretrain):
    r(f"fit <- foundation_{pretrain.method}_pretrain({ARGUMENTS})")
    r("probe <- foundation_fit_classifier(fit, x, rep(c('a', 'b'), 12), epochs = 2, seed = 1)")
    assert r("identical(probe$encoder$state, fit$encoder$state)")[0]


def test_set_seed_reproduces_a_run_without_seed(r):
    r("set.seed(3); a <- foundation_simclr_pretrain(x, epochs = 1)")
    r("set.seed(3); b <- foundation_simclr_pretrain(x, epochs = 1)")
    assert r("identical(a, b)")[0]


def test_an_error_names_the_argument_and_the_call(r, patches):
    with converter.context():
        ro.globalenv["holes"] = np.where(np.arange(24)[:, None, None, None] == 2, np.nan, patches)
    message, call = r(
        "e <- tryCatch(foundation_moco_pretrain(holes), edaphosbridge_input_error = identity);"
        "c(conditionMessage(e), deparse(conditionCall(e)))"
    )
    assert message.startswith("`patches` holds NA, NaN or infinite values in 1 of 24 patches")
    assert "(first: 3; counted from 1)" in message
    assert call == "foundation_moco_pretrain(holes)"


def test_two_sensors_have_pythons_bits_in_r_and_cross_both_ways(r, swav):
    with converter.context():
        ro.globalenv["x_b"] = swav.x_b
    r(f"fit <- foundation_swav_pretrain({ARGUMENTS.replace('x,', 'x, x_b,')})")
    fit = swav()
    assert bytes(r("fit$state")) == fit.to_bytes()
    assert list(r("fit$entropy_history")) == fit.entropy_history
    assert list(r("capture.output(print(fit))")) == str(fit).splitlines()
    with converter.context():
        assert ro.globalenv["fit"].to_bytes() == fit.to_bytes()
        ro.globalenv["b"] = foundation_encoder_for(fit, "b")
        ro.globalenv["concat"] = foundation_encoder_for(fit, "concat")
    assert r("identical(b, foundation_encoder_for(fit, 'b'))")[0]
    assert r("identical(concat, foundation_encoder_for(fit, 'concat'))")[0]


def test_tiles_of_two_sensors_have_pythons_bits_in_r(r, tmp_path):
    path = str(tmp_path / "stack.tif")
    cells = np.random.default_rng(1).normal(size=(3, 30, 40))
    profile = {"count": 3, "height": 30, "width": 40, "dtype": "float64"}
    transform = rasterio.Affine(10, 0, 500, 0, -10, 900)
    with rasterio.open(path, "w", transform=transform, crs="EPSG:32723", **profile) as file:
        file.write(cells)
        file.descriptions = ("red", "nir", "vv")
    r(f"tiles <- foundation_tile_dataset('{path}', 5, 40, seed = 2)")
    r(f"fit <- foundation_swav_pretrain_tiles(tiles, 'vv', {ARGUMENTS.replace('x, ', '')})")
    tiles = foundation_tile_dataset(path, 5, 40, seed=2)
    fit = foundation_swav_pretrain_tiles(
        tiles, ["vv"], feature_dim=6, proj_dim=4, batch_size=8, epochs=4, seed=1
    )
    assert bytes(r("fit$state")) == fit.to_bytes()

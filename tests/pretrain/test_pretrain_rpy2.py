"""Pretraining from R inside this process: the same functions, the same bits."""

import numpy as np
import pytest
import rpy2.robjects as ro
from torch import nn

from edaphos_bridge import FoundationPretrain, KNNProbe, LinearProbe, SegmentationProbe
from edaphos_bridge.interop.rpy2 import converter, install
from edaphos_bridge.pretrain.settings import SETTINGS
from small_encoders import small_encoder


@pytest.fixture
def r(patches):
    install()
    with converter.context():
        ro.globalenv["x"] = patches
    return ro.r


ARGUMENTS = "x, feature_dim = 6, proj_dim = 4, batch_size = 8, epochs = 4, seed = 1"


def arguments(method):
    return (
        ARGUMENTS.replace("proj_dim = 4", "steps_per_epoch = 1")
        if method == "rotation"
        else ARGUMENTS
    )


def test_r_code_gets_pythons_bits(r, pretrain):
    r(f"fit <- foundation_{pretrain.method}_pretrain({arguments(pretrain.method)})")
    fit = pretrain()
    assert bytes(r("fit$state")) == fit.to_bytes()
    assert list(r("fit$loss_history")) == fit.loss_history
    if fit.method == "rotation":
        assert list(r("fit$val_accuracy_history")) == fit.val_accuracy_history
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
    r(f"there <- foundation_{fit.method}_pretrain({arguments(fit.method)})")
    assert r("identical(fit, there)")[0]


def test_plot_finds_its_method(r):
    r(f"fit <- foundation_simclr_pretrain({ARGUMENTS})")
    r("pdf(NULL); shown <- withVisible(plot(fit)); invisible(dev.off())")
    assert r("identical(shown, list(value = fit, visible = FALSE))")[0]


def test_a_fit_serves_the_classifier_in_r(r, pretrain):
    r(f"fit <- foundation_{pretrain.method}_pretrain({arguments(pretrain.method)})")
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


def test_an_encoder_of_ours_is_trained_with_pythons_bits(r, pretrain):
    r("encoder <- foundation_encoder('xresnet18', 3, width = 2, stem = 'small', seed = 1)")
    settings = "batch_size = 8, epochs = 2, steps_per_epoch = 1, seed = 1"
    r(f"fit <- foundation_{pretrain.method}_pretrain(x, {settings}, encoder = encoder)")
    widths = SETTINGS[pretrain.method].usual_widths
    fit = pretrain(encoder=small_encoder("xresnet18", 3), epochs=2, **widths)
    assert bytes(r("fit$state")) == fit.to_bytes()
    given = arguments(pretrain.method)
    r(f"named <- foundation_{pretrain.method}_pretrain({given}, encoder = 'simclr')")
    assert bytes(r("named$state")) == pretrain(encoder="simclr").to_bytes()
    assert list(r("named$config$encoder")) == ["simclr"]


def test_a_module_of_the_users_crosses_is_trained_and_comes_back(r, pretrain):
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with converter.context():
        ro.globalenv["module"] = module
    given = arguments(pretrain.method)
    r(f"fit <- foundation_{pretrain.method}_pretrain({given}, encoder = module)")
    fit = pretrain(encoder=module)
    assert bytes(r("fit$state")) == fit.to_bytes()
    with converter.context():
        back, ro.globalenv["other"] = ro.globalenv["fit"], fit
    assert back.to_bytes() == fit.to_bytes()
    assert type(back.encoder) is nn.Sequential
    assert bytes(r("other$state")) == fit.to_bytes()


@pytest.mark.parametrize(
    ("function", "kind"), [("linear_probe", LinearProbe), ("knn_probe", KNNProbe)]
)
def test_a_probe_of_r_gives_pythons_scores_and_leaves_the_run_as_it_is(
    r, pretrain, patches, function, kind
):
    few = ", k = 5" if kind is KNNProbe else ""
    r(f"probe <- {function}(x, factor(rep(c('a', 'b'), 12)), every = 2{few})")
    given = arguments(pretrain.method)
    r(f"fit <- foundation_{pretrain.method}_pretrain({given}, probe = probe)")
    few = {"k": 5} if kind is KNNProbe else {}
    fit = pretrain(probe=kind(patches, ["a", "b"] * 12, every=2, **few))
    assert bytes(r("fit$state")) == fit.to_bytes()
    assert list(r("fit$probe_history$epoch")) == [2, 4]
    assert list(r("fit$probe_history$score")) == fit.probe_history["score"]
    assert list(r("capture.output(print(fit))")) == str(fit).splitlines()


def test_a_probe_of_masks_gives_pythons_scores(r, pretrain, patches):
    r("masks <- array(rep(c(1L, 2L, NA), 200), c(24, 5, 5))")
    how = "decoder = 'linear', epochs = 2, every = 2"
    r(f"probe <- segmentation_probe(x, masks, {how})")
    r(f"fit <- foundation_{pretrain.method}_pretrain({ARGUMENTS}, probe = probe)")
    masks = np.resize([1, 2, np.nan], 600).reshape((24, 5, 5), order="F")
    probe = SegmentationProbe(patches, masks, decoder="linear", epochs=2, every=2)
    assert bytes(r("fit$state")) == pretrain(probe=probe).to_bytes()


def test_a_history_goes_to_r_and_comes_back(r, pretrain, patches):
    fit = pretrain(probe=LinearProbe(patches, ["a", "b"] * 12, patience=1))
    with converter.context():
        ro.globalenv["fit"] = fit
        back = ro.globalenv["fit"]
    assert back.to_bytes() == fit.to_bytes()
    assert list(r("fit$probe_history$score")) == fit.probe_history["score"]

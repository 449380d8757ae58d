"""R embedded in this process: the R functions that `install()` puts there."""

import gc
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import rpy2.robjects as ro
import torch
from rpy2.rinterface_lib import openrlib

from edaphos_bridge import FoundationClassifier, foundation_encoder, foundation_fit_classifier
from edaphos_bridge.interop import rpy2_values
from edaphos_bridge.interop.rpy2 import converter, exports, install, methods

LEVELS = ["Ultisol", "Oxisol", "Inceptisol"]


class PooledConvolution(torch.nn.Module):
    """A user's own module."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(4, 6, 3)

    def forward(self, x):
        return {"feature": self.conv(x).mean(dim=(2, 3))}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 4, 5, 5))
    y = pd.Categorical.from_codes(rng.permutation(40) % 3, categories=LEVELS)
    return x, y


@pytest.fixture
def r(data):
    """R with the functions, `x`, `y` and an encoder `e` in its global environment."""
    install()
    with converter.context():
        ro.globalenv["x"], ro.globalenv["y"] = data
    ro.r("e <- foundation_encoder('moco', in_channels = 4, seed = 1)")
    return ro.r


def r_error(code: str):
    """Return class, message, call and argument of the error that `code` raises in R."""
    return ro.r(
        f"""
        condition <- tryCatch({{ {code}; NULL }}, error = identity)
        list(class(condition), conditionMessage(condition),
             paste(deparse(conditionCall(condition)), collapse = " "), condition$argument)
        """
    )


def test_a_classifier_goes_to_r_and_comes_back_bit_equal(data):
    x, y = data
    fit = foundation_fit_classifier(foundation_encoder("moco", 4, seed=1), x, y, epochs=2, seed=1)
    with converter.context():
        ro.globalenv["fit"] = fit
        back = ro.globalenv["fit"]
    assert list(ro.r("class(fit)")) == [
        "edaphosbridge_classifier",
        "edaphosbridge_fit",
        "edaphos_foundation_classifier",
    ]
    assert list(ro.r("fit$classes")) == LEVELS
    assert isinstance(back, FoundationClassifier)
    np.testing.assert_array_equal(back.predict_proba(x), fit.predict_proba(x))
    assert back.config == fit.config


def test_an_encoder_from_r_is_pythons_own_to_change(r):
    r("before <- foundation_moco_embed(e, x)")
    with converter.context():
        mine = ro.globalenv["e"]
    with torch.no_grad():
        for parameter in mine.parameters():
            parameter.zero_()
    assert r("identical(foundation_moco_embed(e, x), before)")[0]


def test_r_code_fits_and_predicts_with_r_types(r):
    r("fit <- foundation_fit_classifier(e, x, y, epochs = 3, seed = 1)")
    assert r("is.factor(predict(fit, x))")[0]
    assert list(r("levels(predict(fit, x))")) == LEVELS
    assert list(r("dim(predict(fit, x, type = 'prob'))")) == [40, 3]
    assert list(r("colnames(predict(fit, x, type = 'prob'))")) == LEVELS
    assert list(r("dim(predict(fit, x[0, , , , drop = FALSE], type = 'prob'))")) == [0, 3]
    assert r("is.numeric(fit$loss_history)")[0]


def test_r_code_gets_pythons_numbers(r, data):
    x, y = data
    for freeze in (True, False):
        fit = foundation_fit_classifier(
            foundation_encoder("moco", 4, seed=1), x, y, epochs=2, seed=7, freeze_backbone=freeze
        )
        r(
            f"fit <- foundation_fit_classifier(e, x, y, freeze_backbone = {str(freeze).upper()}, "
            "epochs = 2, seed = 7)"
        )
        probabilities = np.asarray(r("predict(fit, x, type = 'prob')"))
        np.testing.assert_array_equal(probabilities, fit.predict_proba(x))
        assert list(r("fit$loss_history")) == fit.loss_history


def test_printing_shows_what_python_shows(r):
    r("fit <- foundation_fit_classifier(e, x, y, epochs = 2, seed = 1)")
    with converter.context():
        fit = ro.globalenv["fit"]
    assert list(r("capture.output(print(fit))")) == str(fit).splitlines()


def test_set_seed_reproduces_a_fit_without_seed(r):
    r("set.seed(3); a <- foundation_fit_classifier(e, x, y, epochs = 1)")
    r("set.seed(3); b <- foundation_fit_classifier(e, x, y, epochs = 1)")
    assert r("identical(a, b)")[0]
    assert not r("identical(a$state, foundation_fit_classifier(e, x, y, epochs = 1)$state)")[0]


def test_a_module_of_this_process_serves_r_as_encoder(r):
    module = PooledConvolution()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with converter.context():
        ro.globalenv["module"] = module
    r("fit <- foundation_fit_classifier(module, x, y, freeze_backbone = FALSE, epochs = 2)")
    assert r("nlevels(predict(fit, x))")[0] == 3
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    with converter.context():
        assert isinstance(ro.globalenv["fit"].encoder, PooledConvolution)


def test_python_lets_go_of_objects_that_r_has_collected_when_the_next_crosses(r):
    with converter.context():
        ro.globalenv["module"] = PooledConvolution()
    assert any(isinstance(held, PooledConvolution) for held in rpy2_values._held.values())
    ro.r("rm(module); if (exists('fit')) rm(fit)")
    gc.collect()
    ro.r("for (i in 1:3) gc()")
    with converter.context():
        ro.globalenv["module"] = torch.nn.Flatten()
    assert not any(isinstance(held, PooledConvolution) for held in rpy2_values._held.values())


def test_what_r_collects_does_not_ask_for_rpy2s_lock(r, monkeypatch):
    # rpy2 has it while R parses, where R may collect, and it cannot be had twice.
    with converter.context():
        ro.globalenv["module"] = PooledConvolution()
    ro.r("rm(module)")
    gc.collect()
    lock = MagicMock(wraps=openrlib.lock)
    monkeypatch.setattr(openrlib, "lock", lock)
    openrlib.rlib.R_gc()
    assert lock.mock_calls == []
    assert ro.r("1")[0] == 1
    assert lock.mock_calls != []


def test_a_python_error_reaches_trycatch_with_class_message_call_and_argument(r):
    classes, message, call, argument = r_error("foundation_fit_classifier(e, x, y, epochs = 2.7)")
    assert list(classes)[:2] == ["edaphosbridge_input_error", "edaphosbridge_error"]
    assert message[0] == "`epochs` must be a positive whole number; found 2.7."
    assert call[0] == "foundation_fit_classifier(e, x, y, epochs = 2.7)"
    assert argument[0] == "epochs"


@pytest.mark.parametrize(
    ("code", "argument", "found"),
    [
        (
            "foundation_fit_classifier(e, replace(x, c(3, 7), NA), y)",
            "x",
            "first: 3, 7; counted from 1",
        ),
        ("foundation_fit_classifier(e, array(c(NA, 1L), c(40, 4, 5, 5)), y)", "x", "20 of 40"),
        ("foundation_fit_classifier(e, array(c(NA, TRUE), c(40, 4, 5, 5)), y)", "x", "20 of 40"),
        ("foundation_fit_classifier(e, x, replace(y, 2, NA))", "y", "first: 2; counted from 1"),
        ("foundation_fit_classifier(e, x, y[1:9])", "y", "found 9"),
        ("foundation_fit_classifier(e, x[, , , 1], y)", "x", "c(40, 4, 5)"),
        ("foundation_fit_classifier(e, x[, 0, , , drop = FALSE], y)", "x", "c(40, 0, 5, 5)"),
        (
            "foundation_fit_classifier(e, x[, 1:3, , ], y)",
            "x",
            "4 channels for this encoder; found 3",
        ),
        ("foundation_fit_classifier(e, x, rep('a', 40))", "y", "two classes"),
        ("foundation_fit_classifier('e', x, y)", "encoder", "found character"),
        ("foundation_fit_classifier(e, x, y, freeze_backbone = NA)", "freeze_backbone", "found NA"),
        ("foundation_fit_classifier(e, x, y, freeze_backbone = 'yes')", "freeze_backbone", "'yes'"),
        ("foundation_fit_classifier(e, x, y, head = 'deep')", "head", "found 'deep'"),
        ("foundation_fit_classifier(e, x, y, head = 'mlp', hidden = NULL)", "hidden", "c()"),
        ("foundation_fit_classifier(e, x, y, device = 'tpu')", "device", "found 'tpu'"),
        ("foundation_fit_classifier(e, x, y, epochs = NA)", "epochs", "found NA"),
        ("foundation_fit_classifier(e, x, y, batch_size = 0L)", "batch_size", "found 0"),
        ("foundation_fit_classifier(e, x, y, lr = 0)", "lr", "found 0"),
        ("foundation_fit_classifier(e, x, y, dropout = 1)", "dropout", "found 1"),
        ("foundation_fit_classifier(e, x, y, val_split = -Inf)", "val_split", "found -Inf"),
        ("foundation_fit_classifier(e, x, y, val_split = c(0.1, 0.2))", "val_split", "c(0.1, 0.2)"),
        (
            "predict(foundation_fit_classifier(e, x, y, epochs = 1), x, type = 'raw')",
            "type",
            "'raw'",
        ),
        ("predict(foundation_fit_classifier(e, x, y, epochs = 1), x[, 1:2, , ])", "x", "found 2"),
    ],
)
def test_bad_input_is_an_input_error_in_rs_words(r, code, argument, found):
    before = ro.r("list(e, x, y)")
    classes, message, _, named = r_error(code)
    assert classes[0] == "edaphosbridge_input_error"
    assert named[0] == argument
    assert f"`{argument}`" in message[0]
    assert found in message[0]
    ro.globalenv["before"] = before
    assert ro.r("identical(before, list(e, x, y))")[0]


def test_a_module_that_fails_is_an_input_error_with_its_traceback(r):
    class Failing(torch.nn.Module):
        calls = 0

        def forward(self, x):
            Failing.calls += 1
            if Failing.calls > 1:
                raise KeyError("no such band")
            return x.mean(dim=(2, 3))

    with converter.context():
        ro.globalenv["module"] = Failing()
    r("condition <- tryCatch(foundation_fit_classifier(module, x, y), error = identity)")
    assert list(r("class(condition)"))[:2] == ["edaphosbridge_input_error", "edaphosbridge_error"]
    assert "KeyError" in r("conditionMessage(condition)")[0]
    assert "no such band" in r("condition$traceback")[0]


def test_python_warnings_become_r_warnings(r):
    r("rare <- factor(replace(as.character(y), 1:40, rep(c('a', 'b'), c(39, 1))))")
    r(
        """
        texts <- character()
        for (seed in 1:8) withCallingHandlers(
          foundation_fit_classifier(e, x, rare, epochs = 1, val_split = 0.5, seed = seed),
          edaphosbridge_warning = function(w) {
            texts <<- c(texts, conditionMessage(w))
            invokeRestart("muffleWarning")
          }
        )
        """
    )
    assert 0 < len(r("texts")) < 8
    assert all("no training row of: b" in text for text in r("texts"))


def test_install_assigns_into_a_given_environment():
    environment = ro.Environment()
    install(environment)
    of_reticulate = {"edaphosbridge_available", "edaphosbridge_doctor", "install_edaphosbridge"}
    assert {"foundation_fit_classifier", "foundation_interpret"} <= set(environment.keys())
    assert set(environment.keys()) == set(exports()) - of_reticulate


def test_the_methods_of_the_r_package_are_registered(r):
    r("loadNamespace('generics'); loadNamespace('ggplot2')")
    # the doctor is about reticulate
    declared = [method for method in methods() if method[2] != "edaphosbridge_doctor"]
    pairs = {(generic, s3_class) for _, generic, s3_class, _ in declared}
    assert {("$<-", "edaphosbridge_tiles"), ("tidy", "edaphosbridge_fit")} <= pairs
    # saved fits of the first version have no parent class
    assert ("print", "edaphosbridge_classifier") in pairs
    for package, generic, s3_class, function in declared:
        where = f'"{generic}", "{s3_class}", envir = asNamespace("{package}")'
        found = f'get("{function}", environment(getS3method({where})))'
        assert r(f"identical(getS3method({where}), {found})")[0], (generic, s3_class)


def test_the_methods_of_fits_work_in_the_embedded_r(r):
    r("f <- foundation_fit_classifier(e, x, y, epochs = 2, seed = 3)")
    assert list(r("summary(f)$class_counts")) == list(r("as.integer(table(y)[f$classes])"))
    assert r("identical(update(f, x, y), f)")[0]
    assert r("grDevices::pdf(NULL); identical(plot(f), f)")[0]
    assert list(r("generics::tidy(f)$epoch")) == [1, 2]
    assert list(r("generics::augment(f, x)$.pred_class == predict(f, newdata = x)")) == [True] * 40
    assert r("inherits(ggplot2::autoplot(f), 'ggplot')")[0]


def test_data_sets_have_rs_types(r):
    r("data <- statlog_landsat(); scene <- statlog_scene()")
    assert list(r("dim(data$x)")) == [6435, 4, 3, 3]
    assert r("is.factor(data$y) && is.logical(data$train) && sum(data$train) == 4435")[0]
    assert r("anyNA(scene$image) && max(scene$row, na.rm = TRUE) == 6435")[0]

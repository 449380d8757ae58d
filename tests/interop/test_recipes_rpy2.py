"""Fits by recipes, and heads of the user's own, between Python and R embedded in it."""

import numpy as np
import pandas as pd
import pytest
import rpy2.robjects as ro
import torch

from edaphos_bridge import (
    foundation_encoder,
    foundation_fine_tune,
    foundation_finetune_classifier,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_lr_find,
    foundation_phase,
)
from edaphos_bridge.interop.rpy2 import converter, install

LEVELS = ["Ultisol", "Oxisol", "Inceptisol"]


class OwnHead(torch.nn.Module):
    """A user's own head of eight features."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(8, 5)
        self.second = torch.nn.Linear(5, 3)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


def own_head():
    torch.manual_seed(3)
    return OwnHead()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(24, 4, 5, 5))
    y = pd.Categorical.from_codes(rng.permutation(24) % 3, categories=LEVELS)
    return x, y


@pytest.fixture
def encoder():
    return foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)


@pytest.fixture
def r(data, encoder):
    """R with the functions, `x`, `y` and an encoder `e` in its global environment."""
    install()
    put(x=data[0], y=data[1], e=encoder)
    return ro.r


def put(**values):
    with converter.context():
        for name, value in values.items():
            ro.globalenv[name] = value


def got(name):
    with converter.context():
        return ro.globalenv[name]


def test_fits_of_recipes_and_tasks_cross_both_ways(data, encoder):
    x, y = data
    numbers, labels = np.arange(24.0), np.arange(48).reshape(24, 2) % 3 == 0
    classifier = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    regressor = foundation_fit_regressor(encoder, x, numbers, epochs=1, seed=1)
    several = foundation_fit_multilabel(encoder, x, labels, epochs=1, seed=1)
    phases = [foundation_phase(1, freeze_to=-1), foundation_phase(1, (1e-4, 1e-3))]
    fits = [
        foundation_fine_tune(encoder, x, y, epochs=1, head="concat_pool", hidden=(6,), seed=1),
        foundation_finetune_classifier(classifier, x, y, recipe=phases, patience=1, seed=1),
        foundation_finetune_classifier(regressor, x, numbers, recipe="layerwise", epochs=1, seed=1),
        foundation_finetune_classifier(several, x, labels, epochs=1, augment=True, seed=1),
    ]
    for fit in fits:
        put(fit=fit)
        back = got("fit")
        assert type(back) is type(fit)
        assert back.config == fit.config
        assert back.to_bytes() == fit.to_bytes()


def test_r_gets_pythons_numbers(r, data, encoder):
    x, y = data
    r("tuned <- foundation_fine_tune(e, x, y, epochs = 1, seed = 2)")
    assert list(r("tuned$loss_history")) == (
        foundation_fine_tune(encoder, x, y, epochs=1, seed=2).loss_history
    )
    r("""
    phases <- list(
      foundation_phase(1, freeze_to = -1),
      foundation_phase(1, c(1e-4, 1e-3), schedule = "one_cycle", momentum = NULL)
    )
    on <- foundation_finetune_classifier(tuned, x, y, recipe = phases, seed = 3)
    """)
    phases = [
        foundation_phase(1, freeze_to=-1),
        foundation_phase(1, (1e-4, 1e-3), schedule="one_cycle", momentum=None),
    ]
    fit = foundation_finetune_classifier(got("tuned"), x, y, recipe=phases, seed=3)
    assert list(r("on$loss_history")) == fit.loss_history
    assert got("on").to_bytes() == fit.to_bytes()
    found = foundation_lr_find(encoder, x, y, num_it=5, seed=1)
    assert list(r("foundation_lr_find(e, x, y, num_it = 5, seed = 1)$table$loss")) == (
        found.table["loss"].tolist()
    )


def test_a_head_of_this_process_serves_r_and_comes_back(r, data, encoder):
    x, y = data
    put(head=own_head())
    r("fit <- foundation_fit_classifier(e, x, y, head = head, epochs = 2, seed = 1)")
    ours = foundation_fit_classifier(encoder, x, y, head=own_head(), epochs=2, seed=1)
    np.testing.assert_array_equal(
        np.asarray(r("predict(fit, x, type = 'prob')")), ours.predict_proba(x)
    )
    back = got("fit")
    assert type(back.head) is OwnHead
    np.testing.assert_array_equal(back.predict_proba(x), ours.predict_proba(x))
    put(again=back)
    assert r("identical(predict(again, x), predict(fit, x))")[0]


def test_a_fit_read_from_a_file_takes_its_head_again(r, tmp_path):
    put(head=own_head(), file=str(tmp_path / "fit.rds"))
    r("fit <- foundation_fit_classifier(e, x, y, head = head, epochs = 2, seed = 1)")
    r("saveRDS(fit, file); before <- predict(fit, x, type = 'prob')")
    r("rm(fit, head); gc(); back <- readRDS(file)")
    message = r("tryCatch(predict(back, x), error = conditionMessage)")[0]
    assert "give it as `head=`" in message
    put(head=own_head())
    assert r("identical(predict(back, x, type = 'prob', head = head), before)")[0]
    message = r("tryCatch(foundation_fine_tune(back, x, y), error = conditionMessage)")[0]
    assert "fit$head <- module" in message
    r("back$head <- head")
    assert r("identical(predict(back, x, type = 'prob'), before)")[0]
    assert r("length(foundation_fine_tune(back, x, y, epochs = 1, seed = 1)$loss_history)")[0] == 2


def test_keys_of_objects_are_those_of_this_session_alone(r):
    put(head=own_head())
    r("other <- new.env(); other$key <- '1'; class(other) <- class(head)")
    message = r(
        "tryCatch(foundation_fit_classifier(e, x, y, head = other), error = conditionMessage)"
    )[0]
    assert "another R session" in message

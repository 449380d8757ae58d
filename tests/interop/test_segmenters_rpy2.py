"""Segmenters in an R inside this process: R's masks, Python's bits, and both ways across."""

import numpy as np
import pytest
import rpy2.robjects as ro

from edaphos_bridge import (
    FoundationSegmenter,
    foundation_compare_segmenters,
    foundation_cross_validate,
    foundation_encoder,
    foundation_finetune_classifier,
    foundation_finetune_ensemble,
    foundation_fit_segmenter,
    foundation_interpret,
)
from edaphos_bridge.interop.calls.held import masks_behind
from edaphos_bridge.interop.calls.segmenters import settings_of_masks
from edaphos_bridge.interop.calls.values import NA_INTEGER
from edaphos_bridge.interop.rpy2 import converter, install

WAYS = {
    "frozen": ("", {}),
    "finetune": (
        "regime = 'finetune', decoder = 'unet', class_weight = 'balanced'",
        {"regime": "finetune", "decoder": "unet", "class_weight": "balanced"},
    ),
    "from scratch": ("regime = 'from_scratch', loss = 'dice'",
                     {"regime": "from_scratch", "loss": "dice"}),
    "linear": (
        "decoder = 'linear', loss = 'focal', gamma = 1, folds = rep(1:4, 5), fold = 2",
        {"decoder": "linear", "loss": "focal", "gamma": 1.0, "folds": [1, 2, 3, 4] * 5, "fold": 2},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(5).normal(size=(20, 4, 8, 8))


@pytest.fixture(scope="module")
def masks(x):
    return np.array(["wet", "dry", "ice"])[np.digitize(x[:, 0], [-0.4, 0.4])]


@pytest.fixture(scope="module")
def encoder():
    return foundation_encoder("moco", 4, seed=1)


@pytest.fixture
def r(x, masks):
    install()
    with converter.context():
        ro.globalenv["x"], ro.globalenv["masks"] = x, masks
    ro.r("e <- foundation_encoder('moco', in_channels = 4, seed = 1)")
    return ro.r


def given(name):
    with converter.context():
        return ro.globalenv[name]


@pytest.mark.parametrize("way", WAYS)
def test_r_gives_pythons_bits_and_its_fit_is_pythons(r, x, masks, encoder, way):
    in_r, in_python = WAYS[way]
    r(f"fit <- foundation_fit_segmenter(e, x, masks, epochs = 2, seed = 3{in_r and ', ' + in_r})")
    fit = foundation_fit_segmenter(encoder, x, masks, epochs=2, seed=3, **in_python)
    twin = given("fit")
    assert isinstance(twin, FoundationSegmenter)
    if "folds" in in_python:  # R counts folds from 1
        assert twin.config["split"]["fold"] == fit.config["split"]["fold"]
    assert twin.to_bytes() == fit.to_bytes()
    with converter.context():
        ro.globalenv["back"] = fit
    assert r("identical(back, fit)")[0]
    assert list(r("format(back)")) == fit.describe()
    codes = np.array(r("predict(fit, x)"))
    assert (np.array(fit.classes)[codes - 1] == fit.predict(x)).all()
    assert np.array_equal(np.array(r("predict(fit, x, type = 'prob')")), fit.predict_proba(x))


def test_numbers_of_r_are_pythons_numbers(r, x, masks, encoder):
    numbers = np.where(masks == "wet", 3, 7)
    holed = np.where(masks == "ice", np.nan, numbers)
    r("numbers <- ifelse(masks == 'ice', NA, ifelse(masks == 'wet', 3L, 7L))")
    r("fit <- foundation_fit_segmenter(e, x, numbers, epochs = 1, seed = 3)")
    expected = foundation_fit_segmenter(encoder, x, holed, epochs=1, seed=3)
    assert given("fit").to_bytes() == expected.to_bytes()
    assert expected.classes == [3, 7]
    assert list(r("fit$classes")) == ["3", "7"]
    assert r("identical(update(fit, x, numbers), fit)")[0]


def test_masked_masks_of_python_are_r_arrays_with_na(r, masks):
    hidden = masks == "ice"
    with converter.context():
        ro.globalenv["text"] = np.ma.masked_array(masks, hidden)
        ro.globalenv["numbers"] = np.ma.masked_array((masks == "wet") * 2, hidden)
    r("masks[masks == 'ice'] <- NA")
    assert r("identical(text, masks)")[0]
    assert r("identical(numbers, array(2 * (masks == 'wet'), dim(masks)))")[0]


def test_ensembles_and_recipes_are_pythons(r, x, masks, encoder):
    r(
        "ensemble <- "
        "foundation_finetune_ensemble(e, x, masks, 'segmentation', K_ens = 2, epochs = 1)"
    )
    expected = foundation_finetune_ensemble(
        encoder, x, masks, task="segmentation", K_ens=2, epochs=1
    )
    assert given("ensemble").to_bytes() == expected.to_bytes()
    with converter.context():
        ro.globalenv["back"] = expected
    assert r("identical(back, ensemble)")[0]
    assert np.array_equal(np.array(r("predict(ensemble, x)")), expected.predict(x))
    r("fit <- ensemble$members[[1]]")
    r("tuned <- foundation_finetune_classifier(fit, x, masks, epochs = 1, seed = 2)")
    tuned = foundation_finetune_classifier(given("fit"), x, masks, epochs=1, seed=2)
    assert given("tuned").to_bytes() == tuned.to_bytes()


def test_scores_of_masks_are_pythons(r, x, masks, encoder):
    fit = foundation_fit_segmenter(encoder, x, masks, epochs=1, seed=3)
    found = foundation_interpret(fit, x, masks, n_boot=10, seed=2, n_pictures=3)
    with converter.context():
        ro.globalenv["fit"], ro.globalenv["given"] = fit, found
    r("found <- foundation_interpret(fit, x, masks, n_boot = 10, seed = 2, n_pictures = 3)")
    assert r("identical(given, found)")[0]
    assert list(r("format(found)")) == found.describe()
    table = found.as_table()
    for name in ("estimate", "conf_low", "conf_high"):
        in_r = np.array(r(f"found$scores${name.replace('_', '.')}"))
        np.testing.assert_array_equal(in_r, table[name])
    top = found.top_losses(5)
    assert list(r("top_losses(found, 5)$row")) == (top["row"] + 1).tolist()
    assert list(r("top_losses(found, 5)$pixel_accuracy")) == top["pixel_accuracy"].tolist()


def test_a_comparison_is_pythons_and_crosses(r, x, masks, encoder):
    models = {"probe": {}, "U-Net": {"regime": "finetune", "decoder": "unet", "epochs": 1}}
    how = {"models": models, "decoder": "linear", "epochs": 2, "n_boot": 10, "seed": 1}
    groups = np.arange(20) % 5
    expected = foundation_compare_segmenters(encoder, x, masks, groups=groups, **how)
    r(
        "found <- foundation_compare_segmenters(e, x, masks, groups = rep(1:5, 4), "
        "models = list(probe = list(), 'U-Net' = list(regime = 'finetune', decoder = 'unet', "
        "epochs = 1)), decoder = 'linear', epochs = 2, n_boot = 10, seed = 1)"
    )
    with converter.context():
        ro.globalenv["given"] = expected
    assert list(r("format(found)")) == expected.describe()
    for name in ("scores", "predicted", "masks", "rows", "interpretations", "colours"):
        assert r(f"identical(given${name}, found${name})")[0], name
    for name, fit in expected.fits.items():
        ro.globalenv["of_r"] = r(f"found$fits[['{name}']]")
        assert given("of_r").loss_history == fit.loss_history


def test_folds_of_masks_have_pythons_numbers(r, x, masks, encoder):
    expected = foundation_cross_validate(
        "foundation_fit_segmenter", encoder, x, masks, k=2, seed=1, epochs=1
    )
    r("result <- foundation_cross_validate(foundation_fit_segmenter, e, x, masks, k = 2, "
      "seed = 1, epochs = 1)")  # fmt: skip
    np.testing.assert_array_equal(np.array(r("result$predictions")), expected.predictions)
    assert list(r("result$table$iou")) == expected.table["iou"].tolist()
    back = given("result")
    np.testing.assert_array_equal(back.predictions, expected.predictions)
    assert back.columns == expected.columns


def test_logical_masks_are_bool_and_each_language_reads_the_others_fit(r, x, encoder, tmp_path):
    wet = x[:, 0] > 0
    fit = foundation_fit_segmenter(
        encoder, x, wet, epochs=2, seed=3, class_weight={"True": 2, "False": 1}
    )
    r("wet <- x[, 1, , ] > 0")
    how = "epochs = 2, seed = 3"
    r(
        f"fit <- foundation_fit_segmenter(e, x, wet, {how}, "
        "class_weight = c('TRUE' = 2, 'FALSE' = 1))"
    )
    back = given("fit")
    assert back.classes == [False, True]
    assert back.head.state_dict().keys() == fit.head.state_dict().keys()
    np.testing.assert_array_equal(back.predict(x), fit.predict(x))
    np.testing.assert_array_equal(back.predict_proba(x), fit.predict_proba(x))
    plain = foundation_fit_segmenter(encoder, x, wet, epochs=2, seed=3)
    r(f"plain <- foundation_fit_segmenter(e, x, wet, {how})")
    assert given("plain").to_bytes() == plain.to_bytes()
    assert list(r("plain$classes")) == ["FALSE", "TRUE"]
    with converter.context():
        ro.globalenv["theirs"] = plain
    assert r("identical(theirs$state, plain$state)")[0]
    assert list(r("levels(predict(theirs, x))")) == ["FALSE", "TRUE"]
    r("found <- foundation_interpret(theirs, x, wet, n_boot = 0, seed = 1)")
    assert list(r("colnames(found$confusion)")) == ["FALSE", "TRUE"]
    expected = foundation_interpret(plain, x, wet, n_boot=0, seed=1).as_table()["estimate"]
    np.testing.assert_array_equal(np.array(r("found$scores$estimate")), expected)
    # what it predicts, and text, are its classes too
    r("again <- foundation_interpret(theirs, x, predict(theirs, x), n_boot = 0)")
    assert r("again$scores$estimate[1]")[0] == 1
    for masks in (np.where(wet, "TRUE", "FALSE"), np.where(wet, "True", "False")):
        same = foundation_interpret(plain, x, masks, n_boot=0, seed=1)
        np.testing.assert_array_equal(same.as_table()["estimate"], expected)


def test_bad_masks_are_errors_of_r_by_name(r):
    r("masks[3, 1, 1] <- 'fire'")
    code = "foundation_fit_segmenter(e, x, masks, classes = c('dry', 'ice', 'wet'))"
    r(f"condition <- tryCatch({code}, error = identity)")
    assert r("class(condition)")[0] == "edaphosbridge_input_error"
    assert r("condition$argument")[0] == "masks"
    message = r("conditionMessage(condition)")[0]
    assert "first: 3; counted from 1" in message
    assert "found 'fire'" in message


# --- what crosses --------------------------------------------------------------------------------


def test_cells_of_na_are_masked_numbers_or_none():
    codes = np.array([[[0, NA_INTEGER], [1, 1]]], dtype=np.int32)
    found = masks_behind(codes, None)
    assert found.mask.tolist() == [[[False, True], [False, False]]]
    assert masks_behind(codes, ["a", "b"]).tolist() == [[["a", None], ["b", "b"]]]
    measured = np.array([[[0.5, np.nan]]])
    assert masks_behind(measured, None) is measured


@pytest.mark.parametrize(
    ("levels", "classes", "unlabelled", "expected"),
    [
        (None, None, None, (None, None)),
        (["a", "b"], None, None, (["a", "b"], None)),
        (["a", "b", "none"], None, "none", (["a", "b"], "none")),
        (["a"], None, None, (None, None)),
        (["a", "b"], ["b", "a"], None, (["b", "a"], None)),
        (["1", "2"], [1.0, 2.0], None, ([1, 2], None)),
        (["1", "2"], ["1", "2"], None, (["1", "2"], None)),
        (None, [2.0, 1.0], 255.0, ([2, 1], 255)),
        (None, ["2", "1"], None, ([2, 1], None)),
        (None, ["2", "b"], None, (["2", "b"], None)),
        (None, ["02", "1"], None, (["02", "1"], None)),
        (None, [1.5, 2.0], None, ([1.5, 2], None)),
        (None, [float("nan"), 2.0], float("inf"), ([float("nan"), 2], float("inf"))),
        (None, "a", None, ("a", None)),
    ],
)
def test_classes_of_numbers_are_numbers(levels, classes, unlabelled, expected):
    found = settings_of_masks(levels, classes, unlabelled)
    assert repr((found["classes"], found["unlabelled"])) == repr(expected)

"""What crosses between Python and the R embedded in it, either way."""

import gc
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import rpy2.robjects as ro
import torch
from rpy2.robjects import numpy2ri
from rpy2.robjects.conversion import localconverter

from edaphos_bridge import foundation_encoder
from edaphos_bridge.encoders import MoCoEncoder
from edaphos_bridge.interop.rpy2 import converter


def test_importing_the_module_activates_no_conversion():
    code = (
        "from rpy2.robjects import conversion\n"
        "before = conversion.get_conversion()\n"
        "import edaphos_bridge.interop.rpy2\n"
        "import rpy2.robjects as ro\n"
        "assert conversion.get_conversion().py2rpy.registry.keys() == "
        "before.py2rpy.registry.keys()\n"
        "assert not ro.r('exists(\"foundation_fit_classifier\")')[0]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_r_array_becomes_patches_that_share_rs_memory_and_refuse_writing():
    with converter.context():
        x = ro.r("array(as.double(1:120), c(2, 3, 4, 5))")
    assert x.shape == (2, 3, 4, 5)
    assert x.dtype == np.float64
    assert x[1, 2, 3, 4] == 120
    assert x[1, 0, 0, 0] == 2
    assert not x.flags.writeable
    assert not x.flags.owndata


def test_an_array_outlives_its_r_name():
    with converter.context():
        x = ro.r("(gone <- array(as.double(1:16), c(2, 2, 2, 2)))")
    ro.r("rm(gone); for (i in 1:5) { gc(); z <- rnorm(1e5) }")
    np.testing.assert_array_equal(x.ravel(order="F"), np.arange(1, 17))


def test_r_keeps_an_array_as_long_as_python_and_no_longer():
    ro.r("kept <- new.env(); kept$is_freed <- FALSE")
    with converter.context():
        x = ro.r("""local({
            told <- new.env()
            reg.finalizer(told, function(e) assign("is_freed", TRUE, envir = kept))
            structure(array(as.double(1:16), c(2, 2, 2, 2)), told = told)
        })""")
    part = x[0]
    del x
    gc.collect()
    ro.r("invisible(gc())")
    assert not ro.r("kept$is_freed")[0]
    assert part[1, 1, 1] == 15
    del part
    gc.collect()
    ro.r("invisible(gc())")
    assert ro.r("kept$is_freed")[0]


def test_na_of_integer_and_logical_arrays_becomes_nan():
    with converter.context():
        integers = ro.r("array(c(NA, 1:3), c(1, 1, 2, 2))")
        logicals = ro.r("array(c(NA, TRUE, FALSE, TRUE), c(1, 1, 2, 2))")
        whole = ro.r("array(1:4, c(1, 1, 2, 2))")
        flags = ro.r("array(c(TRUE, FALSE), c(1, 1, 2, 2))")
    np.testing.assert_array_equal(integers.ravel(order="F"), [np.nan, 1, 2, 3])
    np.testing.assert_array_equal(logicals.ravel(order="F"), [np.nan, 1, 0, 1])
    assert whole.dtype == np.int32
    assert flags.dtype == bool


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.uint8, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_patches_become_an_r_array_with_the_same_cells(dtype, order):
    x = np.asarray(np.arange(48).reshape(2, 2, 3, 4) % 5, dtype=dtype, order=order)
    with converter.context():
        ro.globalenv["there"] = x
        back = ro.globalenv["there"]
    assert tuple(ro.r("dim(there)")) == (2, 2, 3, 4)
    assert ro.r("there[2, 1, 3, 4]")[0] == x[1, 0, 2, 3]
    np.testing.assert_array_equal(back, x)


def test_a_tensor_becomes_an_r_array():
    with converter.context():
        ro.globalenv["there"] = torch.arange(16.0, requires_grad=True).reshape(2, 2, 2, 2)
    assert ro.r("there[1, 2, 1, 2]")[0] == 5


def test_a_factor_keeps_order_of_levels_and_na_both_ways():
    with converter.context():
        y = ro.r("factor(c('b', NA, 'a'), levels = c('b', 'a', 'unused'), ordered = TRUE)")
        ro.globalenv["back"] = y
    assert isinstance(y, pd.Categorical)
    assert y.categories.tolist() == ["b", "a", "unused"]
    assert y.codes.tolist() == [0, -1, 1]
    assert y.ordered
    assert ro.r("identical(back, factor(c('b', NA, 'a'), c('b', 'a', 'unused'), ordered = TRUE))")[
        0
    ]


def test_whole_number_categories_become_levels():
    with converter.context():
        ro.globalenv["back"] = pd.Categorical([10, None, 9, 10])
    assert list(ro.r("levels(back)")) == ["9", "10"]
    assert list(ro.r("as.character(back)[c(1, 3)]")) == ["10", "9"]
    assert ro.r("is.na(back[2])")[0]


@pytest.mark.parametrize("kind", [bool, np.bool_])
def test_truth_values_become_the_levels_that_r_gives_them(kind):
    with converter.context():
        ro.globalenv["back"] = pd.Categorical([kind(True), kind(False)])
    assert ro.r("identical(back, factor(c(TRUE, FALSE)))")[0]


def test_an_encoder_goes_to_r_and_comes_back():
    encoder = foundation_encoder("moco", 4, seed=3)
    with converter.context():
        ro.globalenv["encoder"] = encoder
        back = ro.globalenv["encoder"]
    assert list(ro.r("class(encoder)")) == ["edaphosbridge_encoder"]
    assert isinstance(back, MoCoEncoder)
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor)


def test_other_objects_keep_rpy2s_own_rules():
    with converter.context():
        frame = ro.r("data.frame(a = 1:2, b = c('x', 'y'))")
        matrix = ro.r("matrix(1:4, 2)")
    assert isinstance(frame, pd.DataFrame)
    assert matrix.shape == (2, 2)


def test_the_converter_composes_with_rpy2s_localconverter():
    with localconverter(ro.default_converter + numpy2ri.converter + converter) as rules:
        x = rules.rpy2py(ro.r("array(0, c(1, 2, 3, 4))"))
    assert x.shape == (1, 2, 3, 4)

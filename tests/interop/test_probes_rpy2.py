"""A probe of Python's in an R inside this process."""

import numpy as np
import pytest
import rpy2.robjects as ro

from edaphos_bridge import KNNProbe, LinearProbe, SegmentationProbe, foundation_moco_pretrain
from edaphos_bridge.interop.rpy2 import converter, install

SHAPE = (24, 4, 8, 8)
X = np.random.default_rng(1).normal(size=SHAPE)
Y = ["Oxisol", "Ultisol", "Gleysol"] * 8


@pytest.mark.parametrize(
    "probe",
    [
        lambda: LinearProbe(X, Y, every=2),
        lambda: KNNProbe(X, Y, every=2, k=5),
        lambda: SegmentationProbe(X, X[:, 0] > 0, every=2, decoder="linear", epochs=1),
    ],
)
def test_it_looks_at_a_run_of_r_as_at_one_of_python(probe):
    install()
    with converter.context():
        ro.globalenv["x"], ro.globalenv["probe"] = X, probe()
    how = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 2, "seed": 1}
    settings = ", ".join(f"{name} = {value}" for name, value in how.items())
    ro.r(f"fit <- foundation_moco_pretrain(x, {settings}, probe = probe)")
    with converter.context():
        fit = ro.globalenv["fit"]
    expected = foundation_moco_pretrain(X, **how, probe=probe())
    assert fit.probe_history == expected.probe_history
    assert fit.to_bytes() == expected.to_bytes()


def test_what_is_none_and_what_is_gone_are_refused():
    install()
    refused = "tryCatch(foundation_moco_pretrain(x, epochs = 1, probe = {}), error = identity)"
    with converter.context():
        ro.globalenv["x"], ro.globalenv["probe"] = X, LinearProbe(X, Y)
    for given in ("list(every = 2)", "'linear'"):
        condition = ro.r(refused.format(given))
        assert condition.rx2("argument")[0] == "probe"
    ro.r("probe$key <- 'of another session'")
    condition = ro.r(refused.format("probe"))
    assert condition.rx2("argument")[0] == "probe"
    assert "another R session" in condition.rx2("message")[0]

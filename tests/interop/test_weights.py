"""Weights and embeddings from R: the same bits as in Python."""

import hashlib

import numpy as np
import pytest
import rpy2.robjects as ro

from edaphos_bridge import foundation_moco_embed, foundation_weights_list, foundation_weights_load
from edaphos_bridge.interop.rpy2 import converter, install
from edaphos_bridge.weights import registry


@pytest.fixture
def path(data_folder):
    return data_folder / "rtorch_files" / "moco_encoder_q.pt"


def test_an_encoder_of_r_torch_gives_the_same_embeddings_in_r(path):
    install()
    x = np.random.default_rng(1).normal(size=(7, 4, 9, 9))
    with converter.context():
        ro.globalenv["x"] = x
        ro.globalenv["path"] = str(path)
        ro.r("encoder <- foundation_weights_load(path, n_channels = 4)")
        features = ro.r("foundation_moco_embed(encoder, x)")
        projections = ro.r("foundation_moco_embed(encoder, x, projection = TRUE)")
        twin = ro.globalenv["encoder"]
    encoder = foundation_weights_load(path)
    assert (twin.in_channels, twin.feature_dim, twin.proj_dim) == (4, 16, 8)
    np.testing.assert_array_equal(features, foundation_moco_embed(encoder, x))
    np.testing.assert_array_equal(projections, foundation_moco_embed(encoder, x, projection=True))


def test_the_registry_is_the_same_table_in_r():
    install()
    table = foundation_weights_list()
    assert list(ro.r("names(foundation_weights_list())")) == list(table.columns)
    assert list(ro.r("foundation_weights_list()$name")) == table["name"].tolist()
    assert list(ro.r("is.na(foundation_weights_list()$url)")) == [False, True]


def test_a_download_is_the_list_of_edaphos_in_r(monkeypatch, tmp_path, path):
    (tmp_path / "here.pt").write_bytes(path.read_bytes())  # in the cache already
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = registry.PublishedWeights("here", "moco", url="http://127.0.0.1:9/x", sha256=digest)
    monkeypatch.setattr(registry, "REGISTRY", (entry,))
    install()
    ro.globalenv["cache"] = str(tmp_path)
    ro.r("found <- foundation_weights_download('here', cache)")
    assert list(ro.r("names(found)")) == ["path", "metadata", "entry"]
    assert ro.r("found$path")[0] == str(tmp_path / "here.pt")
    assert ro.r("identical(found$entry, foundation_weights_list())")[0]
    assert ro.r("foundation_weights_load(found)$n_channels")[0] == 4


def test_a_file_saved_in_r_is_the_one_saved_in_python(tmp_path, path):
    install()
    ro.globalenv["path"], ro.globalenv["out"] = str(path), str(tmp_path / "saved")
    ro.r("foundation_weights_save(foundation_weights_load(path), out)")
    saved = foundation_weights_load(tmp_path / "saved")
    assert saved.feature_dim == 16


def test_a_damaged_file_is_a_weights_error_in_r(tmp_path, path):
    install()
    (tmp_path / "cut").write_bytes(path.read_bytes()[:5000])
    ro.globalenv["path"] = str(tmp_path / "cut")
    found = ro.r("tryCatch(foundation_weights_load(path), error = class)")
    assert list(found)[:2] == ["edaphosbridge_weights_error", "edaphosbridge_error"]

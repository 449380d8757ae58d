"""The file of a map is written whole, by GDAL in this process or, if it is large, in another."""

import os
import signal
import threading

import numpy as np
import pytest
import rasterio

from edaphos_bridge import foundation_predict_raster
from edaphos_bridge.errors import InputError
from edaphos_bridge.maps import geotiff
from mapped import cells, classifier


@pytest.fixture
def raster(write_tif):
    return write_tif("in.tif", cells(), nodata=np.nan)


@pytest.fixture
def always_apart(monkeypatch):
    """Copy any map in a process of its own."""
    monkeypatch.setattr("edaphos_bridge.maps.geotiff._MOST_AT_ONCE", 0)


def mapped(raster, out, **how):
    return foundation_predict_raster(classifier(), raster, out, block_size=16, **how)


@pytest.mark.parametrize("kind", ["class", "prob"])
def test_a_process_of_its_own_writes_the_same_bytes(raster, tmp_path, monkeypatch, kind):
    here = mapped(raster, tmp_path / "here.tif", type=kind)
    monkeypatch.setattr("edaphos_bridge.maps.geotiff._MOST_AT_ONCE", 0)
    there = mapped(raster, tmp_path / "there.tif", type=kind)
    assert here.read_bytes() == there.read_bytes()
    names = [path.with_name(path.name + ".aux.xml") for path in (here, there)]
    assert [path.exists() for path in names] == [kind == "class"] * 2
    if kind == "class":
        assert names[0].read_text() == names[1].read_text()


@pytest.mark.usefixtures("always_apart")
def test_ctrl_c_ends_that_process_and_leaves_no_half_file(raster, tmp_path, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.maps.geotiff._COPY", "import time; time.sleep(600)")
    started = []
    popen = geotiff.subprocess.Popen

    def watched(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        press = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        press.start()
        return started[0]

    monkeypatch.setattr(geotiff.subprocess, "Popen", watched)
    with pytest.raises(KeyboardInterrupt):
        mapped(raster, tmp_path / "map.tif")
    assert started[0].wait(60) == -signal.SIGKILL
    assert not (tmp_path / "map.tif").exists()
    assert not list(tmp_path.glob("map.tif.parts/.map*"))


@pytest.mark.usefixtures("always_apart")
def test_what_that_process_says_is_the_error(raster, tmp_path, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.maps.geotiff._COPY", "raise OSError('no room')")
    with pytest.raises(InputError, match=r"cannot be written .*no room.*finished stay"):
        mapped(raster, tmp_path / "map.tif")


def test_a_file_that_is_not_what_was_written_gets_no_name(raster, tmp_path, monkeypatch):
    copy = geotiff._copy_to_cog

    def half(source, target, *rest):
        copy(source, target, *rest)
        data = bytearray(target.read_bytes())
        data[-200:] = bytes(200)
        target.write_bytes(data)

    monkeypatch.setattr("edaphos_bridge.maps.geotiff._copy_to_cog", half)
    with pytest.raises(InputError, match="`out` cannot be written"):
        mapped(raster, tmp_path / "map.tif", type="prob")
    assert not (tmp_path / "map.tif").exists()


@pytest.mark.parametrize(
    "options", [{"COMPRESS": "NONSENSE"}, {"BLOCKSIZE": "7"}, {"NO_SUCH": "1"}, {"PREDICTOR": "9"}]
)
def test_options_that_gdal_does_not_take_are_refused_before_work(raster, tmp_path, options):
    with pytest.raises(InputError, match="`options` must be creation options"):
        mapped(raster, tmp_path / "map.tif", options=options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif"]


def test_a_map_tells_the_range_of_its_layers(raster, tmp_path):
    out = mapped(raster, tmp_path / "map.tif", type="prob")
    with rasterio.open(out) as file:
        for number in (1, 2, 3):
            tags, values = file.tags(number), file.read(number)
            assert float(tags["STATISTICS_MINIMUM"]) == np.nanmin(values)
            assert float(tags["STATISTICS_MAXIMUM"]) == np.nanmax(values)


def test_a_map_of_many_classes_has_its_names_in_two_bytes(tmp_path):
    from edaphos_bridge.maps.layers import Layers

    layers = Layers.of_classes("class", [f"c{number}" for number in range(300)])
    assert layers.dtype == "uint16"
    assert len(set(layers.colours)) > 250


def test_names_may_have_any_characters(raster, tmp_path):
    from edaphos_bridge import foundation_fit_classifier
    from mapped import encoder, tiles

    names = ["<Latossolo & 'co'>", "Gley\u00f6sol \u571f"]
    fit = foundation_fit_classifier(encoder(), tiles(), names * 60, epochs=1, val_split=0, seed=1)
    out = foundation_predict_raster(fit, raster, tmp_path / "map.tif", stride=8)
    text = out.with_name("map.tif.aux.xml").read_text(encoding="utf-8")
    assert "&lt;Latossolo &amp;" in text
    assert "Gley\u00f6sol \u571f" in text
    with rasterio.open(out) as file:
        assert set(np.unique(file.read())) <= {0, 1, 2}

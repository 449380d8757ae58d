"""A map that is stopped in any way goes on where it was, and is never half there."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from edaphos_bridge import foundation_predict_raster
from edaphos_bridge.errors import EdaphosWarning, InputError
from mapped import cells, classifier, map_of

# A process that dies when some function of the package is called for the n-th time.
DIES = """
import importlib, os, signal, sys
import edaphos_bridge as eb
fit_path, raster, out, module, name, times = sys.argv[1:]
if module:
    home = importlib.import_module(module)
    owner, _, method = name.rpartition(".")
    owner = getattr(home, owner) if owner else home
    whole, calls = getattr(owner, method), []
    def die(*args, **kwargs):
        calls.append(1)
        if len(calls) == int(times):
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*args, **kwargs)
    setattr(owner, method, die)
fit = eb.FoundationFit.load(fit_path)
eb.foundation_predict_raster(fit, raster, out, type="prob", block_size=16)
"""

MOMENTS = {
    "the first block": ("edaphos_bridge.maps.parts", "Parts.keep", 1),
    "a block in the middle": ("edaphos_bridge.maps.parts", "Parts.keep", 6),
    "while a block is written": ("os", "replace", 4),
    "when all blocks are there": ("edaphos_bridge.maps.run", "write_map", 1),
    "before it is compressed": ("edaphos_bridge.maps.geotiff", "_copy_to_cog", 1),
    "before it gets its name": ("edaphos_bridge.maps.geotiff", "os.replace", 14),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A fit, a raster, and the map of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("faults")
    classifier().save(folder / "fit.safetensors")
    profile = {"driver": "GTiff", "count": 4, "height": 41, "width": 53, "dtype": "float64"}
    where = {"crs": "EPSG:32723", "transform": rasterio.Affine(10, 0, 500, 0, -10, 900)}
    with rasterio.open(folder / "in.tif", "w", nodata=np.nan, **profile, **where) as file:
        file.write(cells())
    out = foundation_predict_raster(
        classifier(), folder / "in.tif", folder / "whole.tif", type="prob", block_size=16
    )
    return folder / "fit.safetensors", folder / "in.tif", out.read_bytes()


def run(files, out, module="", name="", times=0):
    fit, raster, _ = files
    command = [sys.executable, "-c", DIES, *map(str, (fit, raster, out, module, name, times))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_sigkill_the_same_call_keeps_blocks_and_writes_equal_bytes(files, tmp_path, moment):
    out = tmp_path / "map.tif"
    died = run(files, out, *MOMENTS[moment])
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not out.exists()
    kept = {
        path.name: path.stat().st_mtime_ns
        for path in out.with_name("map.tif.parts").glob("[0-9]*.npy")
    }
    assert bool(kept) == (moment != "the first block")
    computed = []
    fit = classifier()
    map_of(fit, files[1], out, lambda report: computed.append(report.done), type="prob")
    assert computed == list(range(len(kept) + 1, 13))
    assert out.read_bytes() == files[2]
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]


def test_ctrl_c_ends_the_map_and_the_same_call_goes_on(files, tmp_path):
    out = tmp_path / "map.tif"
    seen = []

    def press(report):
        seen.append(report.done)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        map_of(classifier(), files[1], out, press, type="prob")
    assert seen == [1]
    assert not out.exists()
    rest = []
    map_of(classifier(), files[1], out, lambda report: rest.append(report.done), type="prob")
    assert rest[0] >= 2
    assert rest[-1] == 12
    assert out.read_bytes() == files[2]


@pytest.mark.parametrize("size", [900, 8000])
def test_a_full_disk_is_an_error_and_finished_blocks_stay(files, tmp_path, limited_files, size):
    out = tmp_path / "map.tif"
    with limited_files(size), pytest.raises(InputError, match="`out` cannot be written"):
        map_of(classifier(), files[1], out, lambda report: None, type="prob")
    assert not out.exists()
    map_of(classifier(), files[1], out, lambda report: None, type="prob")
    assert out.read_bytes() == files[2]


def test_a_part_of_the_raster_that_cannot_be_read_is_an_error(files, tmp_path):
    data = files[1].read_bytes()
    broken, out = tmp_path / "broken.tif", tmp_path / "map.tif"
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="`stack` cannot be read"):
        foundation_predict_raster(classifier(), broken, out, type="prob", block_size=16)
    assert not out.exists()


def test_blocks_of_a_raster_that_has_changed_are_not_taken(files, tmp_path):
    raster, out = tmp_path / "in.tif", tmp_path / "map.tif"
    raster.write_bytes(files[1].read_bytes())

    def stop(report):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        map_of(classifier(), raster, out, stop, type="prob")
    raster.write_bytes(files[1].read_bytes())
    os.utime(raster, ns=(1, 1))
    with pytest.raises(InputError, match=r"another map beside it \(another raster\).*resume=False"):
        foundation_predict_raster(classifier(), raster, out, type="prob", block_size=16)
    foundation_predict_raster(classifier(), raster, out, type="prob", block_size=16, resume=False)
    assert out.read_bytes() == files[2]


def test_a_raster_without_a_reference_system_is_warned_of(write_tif, tmp_path):
    path = write_tif("in.tif", cells(), nodata=np.nan, crs=None)
    with pytest.warns(EdaphosWarning, match="`stack` has no coordinate reference system"):
        foundation_predict_raster(classifier(), path, tmp_path / "map.tif", stride=8)


def test_what_a_block_raises_stops_the_others_and_says_where(tmp_path, monkeypatch):
    fit = classifier()
    calls = []

    def fail(*args, **kwargs):
        calls.append(1)
        raise InputError("x", "gives NaN")

    monkeypatch.setattr("edaphos_bridge.maps.fit_values.predicted", fail)
    with pytest.raises(InputError, match="gives NaN"):
        foundation_predict_raster(fit, cells(), tmp_path / "map.tif", block_size=16)
    assert len(calls) < 12
    assert not (tmp_path / "map.tif").exists()


def test_files_are_read_and_closed_by_the_threads_that_opened_them(files, tmp_path, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.maps.blocks.n_threads", lambda: 4)
    for number in range(3):
        out = tmp_path / f"{number}.tif"
        foundation_predict_raster(classifier(), files[1], out, type="prob", block_size=16)
        assert out.read_bytes() == files[2]


@pytest.mark.parametrize("kind", ["the source of a VRT", "a mask beside a file"])
def test_blocks_of_files_behind_a_raster_that_have_changed_are_not_taken(files, tmp_path, kind):
    raster, out = tmp_path / "in.tif", tmp_path / "map.tif"
    raster.write_bytes(files[1].read_bytes())
    stack = raster
    if kind == "the source of a VRT":
        stack = tmp_path / "in.vrt"
        rasterio.shutil.copy(raster, stack, driver="VRT")

    def stop(report):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        map_of(classifier(), stack, out, stop, type="prob")
    before = raster.stat()
    if stack == raster:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(raster, "r+") as file:
            file.write_mask(np.zeros((41, 53), dtype=bool))
        os.utime(raster, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert raster.stat().st_size == before.st_size
    else:
        os.utime(raster, ns=(1, 1))
    with pytest.raises(InputError, match=r"another map beside it \(another raster\)"):
        map_of(classifier(), stack, out, lambda report: None, type="prob")


def test_statistics_that_somebody_looked_at_meanwhile_change_no_raster(files, tmp_path):
    raster, out = tmp_path / "in.tif", tmp_path / "map.tif"
    raster.write_bytes(files[1].read_bytes())

    def stop(report):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        map_of(classifier(), raster, out, stop, type="prob")
    (tmp_path / "in.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    map_of(classifier(), raster, out, lambda report: None, type="prob")
    assert out.read_bytes() == files[2]


def test_several_threads_read_the_raster_and_close_it(files, tmp_path, several_threads):
    out = tmp_path / "map.tif"
    with rasterio.Env(GDAL_NUM_THREADS=1) as environment:
        map_of(classifier(), files[1], out, lambda report: None, type="prob")
        assert environment.options["GDAL_NUM_THREADS"] == rasterio.env.getenv()["GDAL_NUM_THREADS"]
    assert not rasterio.env.hasenv()
    assert out.read_bytes() == files[2]

"""Maps by a cluster of dask's: two processes, one of which dies."""

import os
import signal
import warnings
from collections import Counter

import distributed
import numpy as np
import pytest
import rasterio

from edaphos_bridge import foundation_fit_classifier, foundation_predict_raster
from edaphos_bridge.basics.workers import own_libraries_first
from edaphos_bridge.errors import InputError
from mapped import NotesArrivals, cells, classifier, map_of, tiles


@pytest.fixture(scope="module")
def cluster():
    # An R that other tests have put into this process puts its libraries before Python's.
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name, value in own_libraries_first().items():
            patch.setenv(name, value)
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as made:
            yield made


@pytest.fixture
def raster(write_tif):
    return write_tif("in.tif", cells(), nodata=np.nan)


def test_two_workers_write_the_bytes_that_threads_write(cluster, raster, tmp_path):
    maps = [tmp_path / "here.tif", tmp_path / "there.tif", tmp_path / "address.tif"]
    for path, client in zip(
        maps, (None, cluster.get_client(), cluster.scheduler_address), strict=True
    ):
        foundation_predict_raster(
            classifier(), raster, path, type="prob", block_size=16, client=client
        )
    assert maps[1].read_bytes() == maps[0].read_bytes()
    assert maps[2].read_bytes() == maps[0].read_bytes()


def test_a_worker_that_is_killed_loses_nothing(cluster, raster, tmp_path):
    client = cluster.get_client()
    workers = client.run(os.getpid)
    killed = []

    def tell(report):
        if not killed:
            killed.append(next(iter(workers.values())))
            os.kill(killed[0], signal.SIGKILL)

    map_of(classifier(), raster, tmp_path / "map.tif", tell, type="prob", client=client)
    assert killed
    foundation_predict_raster(
        classifier(), raster, tmp_path / "whole.tif", type="prob", block_size=16
    )
    with rasterio.open(tmp_path / "map.tif") as one, rasterio.open(tmp_path / "whole.tif") as other:
        assert np.array_equal(one.read(), other.read(), equal_nan=True)


def test_an_error_of_a_block_comes_back_as_it_is(cluster, raster, tmp_path):
    broken = tmp_path / "broken.tif"
    data = raster.read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="`stack` cannot be read"):
        foundation_predict_raster(
            classifier(), broken, tmp_path / "map.tif", block_size=16, client=cluster.get_client()
        )


def test_a_scheduler_that_is_not_there_is_named(raster, tmp_path, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.maps.blocks._SECONDS", 0.5)
    with pytest.raises(InputError, match="`client` cannot be connected to"):
        foundation_predict_raster(
            classifier(), raster, tmp_path / "map.tif", client="tcp://127.0.0.1:9"
        )
    assert not list(tmp_path.glob("map*"))


def test_a_worker_gets_the_encoder_once(cluster, raster, tmp_path):
    y = ["dry", "wet"] * 60
    encoder = NotesArrivals(tmp_path / "notes.txt")
    fit = foundation_fit_classifier(encoder, tiles(), y, epochs=1, seed=1, val_split=0)
    client = cluster.get_client()
    (tmp_path / "notes.txt").unlink(missing_ok=True)
    foundation_predict_raster(fit, raster, tmp_path / "map.tif", block_size=16, client=client)
    arrivals = Counter((tmp_path / "notes.txt").read_text().split())
    arrivals.pop(str(os.getpid()), None)
    assert set(arrivals) <= {str(pid) for pid in client.run(os.getpid).values()}
    assert set(arrivals.values()) == {1}

"""What may be given as patches: arrays in memory or in files, read in parts, and paths."""

import contextlib
import json
import subprocess
import sys

import dask.array
import h5py
import numpy as np
import pytest
import torch
import xarray
import zarr

from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_embed,
    foundation_tile_dataset,
)
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import EdaphosError, InputError

X = np.random.default_rng(1).normal(size=(30, 4, 5, 5))


def npy(folder, x):
    np.save(folder / "x.npy", x)
    return folder / "x.npy"


def zarr_folder(folder, x, version):
    path = folder / "x.zarr"
    settings = {"shape": x.shape, "chunks": (7, 4, 5, 5), "dtype": x.dtype}
    if version == 3:
        settings["zarr_format"] = 3
    elif int(zarr.__version__.split(".")[0]) >= 3:
        settings["zarr_format"] = 2
    zarr.open(str(path), mode="w", **settings)[:] = x
    return path


def h5(folder, x):
    return h5py.File(folder / "x.h5", "w").create_dataset("x", data=x, chunks=(7, 4, 5, 5))


KEPT_IN_PARTS = {
    "path of a .npy file": npy,
    "path as a string": lambda folder, x: str(npy(folder, x)),
    "memmap": lambda folder, x: np.load(npy(folder, x), mmap_mode="r"),
    "view of a memmap": lambda folder, x: np.asarray(np.load(npy(folder, x), mmap_mode="r"))[::1],
    "masked memmap": lambda folder, x: np.ma.masked_array(np.load(npy(folder, x), mmap_mode="r")),
    "zarr, version 2": lambda folder, x: zarr.open(str(zarr_folder(folder, x, 2)), mode="r"),
    "path of a .zarr folder": lambda folder, x: zarr_folder(folder, x, 2),
    "h5py": h5,
    "dask": lambda folder, x: dask.array.from_array(x, chunks=(7, 2, 5, 5)),
    "masked dask": lambda folder, x: dask.array.ma.masked_array(
        dask.array.from_array(x, chunks=(7, 2, 5, 5)), mask=np.zeros(x.shape, dtype=bool)
    ),
    "xarray of dask": lambda folder, x: xarray.DataArray(
        dask.array.from_array(x, chunks=(7, 2, 5, 5)), dims=("time", "band", "y", "x")
    ),
    "xarray of a memmap": lambda folder, x: xarray.DataArray(
        np.load(npy(folder, x), mmap_mode="r")
    ),
}
if int(zarr.__version__.split(".")[0]) >= 3:
    KEPT_IN_PARTS["zarr, version 3"] = lambda folder, x: zarr_folder(folder, x, 3)


@pytest.fixture(params=KEPT_IN_PARTS)
def kept(request, tmp_path):
    return lambda x: KEPT_IN_PARTS[request.param](tmp_path, x)


def test_patches_in_a_file_are_those_in_memory(kept):
    patches = Patches(kept(X))
    there = torch.tensor(X, dtype=torch.float32)
    assert not patches.in_memory
    assert patches.shape == X.shape
    patches.check()
    assert torch.equal(patches.tensor(), there)
    assert torch.equal(torch.cat(list(patches.batches(8))), there)
    rows = [29, 3, 3, 0, 28, 4]
    assert torch.equal(patches.rows(torch.tensor(rows)), there[rows])


def test_unusable_patches_of_a_file_are_counted_over_all_of_it(kept):
    x = X.copy()
    x[[2, 17], 1, 2, 3] = [np.nan, np.inf]
    patches = Patches(kept(x))
    for read in (patches.check, patches.tensor, lambda: patches.read(0, 5)):
        with pytest.raises(InputError, match="in 2 of 30 patches") as caught:
            read()
        assert caught.value.rows == (2, 17)
    assert len(patches.read(3, 17)) == 14


def test_embeddings_and_fits_take_patches_of_a_file(kept):
    encoder = foundation_encoder("moco", 4, feature_dim=8, seed=1)
    y = ["a", "b"] * 15
    x = kept(X)
    np.testing.assert_array_equal(
        foundation_moco_embed(encoder, x), foundation_moco_embed(encoder, X)
    )
    fit = foundation_fit_classifier(encoder, x, y, epochs=2, seed=1)
    assert fit.to_bytes() == foundation_fit_classifier(encoder, X, y, epochs=2, seed=1).to_bytes()
    np.testing.assert_array_equal(fit.predict_proba(x), fit.predict_proba(X))


def test_arrays_in_memory_are_known_as_such():
    for x in (X, torch.tensor(X), X.tolist(), np.ma.masked_array(X), xarray.DataArray(X)):
        assert Patches(x).in_memory


class Recorded:
    """An array that is read in parts and notes how many patches it was asked for at once."""

    def __init__(self, x):
        self.x, self.asked = x, []
        self.shape, self.ndim, self.dtype = x.shape, x.ndim, x.dtype

    def __getitem__(self, rows):
        self.asked.append(rows.stop - rows.start)
        return self.x[rows]


def test_a_batch_is_the_most_that_is_read_at_once():
    encoder = foundation_encoder("moco", 4, feature_dim=8, seed=1)
    x = Recorded(np.zeros((1000, 4, 5, 5)))
    foundation_moco_embed(encoder, x)
    assert max(x.asked) <= 256
    assert sum(x.asked) == 1000


def test_rows_are_read_once_in_ascending_order():
    x = Recorded(X)
    Patches(x).rows(torch.tensor([9, 2, 9, 3, 20]))
    assert x.asked == [2, 1, 1]


@pytest.mark.parametrize("kind", ["npy", "zarr"])
def test_a_file_larger_than_memory_is_checked_and_read(kind, tmp_path):
    code = f"""
import resource
import numpy as np
import torch
import zarr
from edaphos_bridge.data.patches import Patches

shape = (4000, 4, 64, 64)  # half a gigabyte
if {kind!r} == "npy":
    path = {str(tmp_path / "x.npy")!r}
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=shape).flush()
else:
    path = {str(tmp_path / "x.zarr")!r}
    zarr.open(path, mode="w", shape=shape, chunks=(100, 4, 64, 64), dtype="f8", fill_value=0)
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
limit = used * 1024 + 300 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.ones(shape)
except MemoryError:
    patches = Patches(path)
    patches.check()
    features = torch.cat([batch.mean((2, 3)) for batch in patches.batches(256)])
    print(tuple(features.shape))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "(4000, 4)", run.stderr


# --- tile data sets ------------------------------------------------------------------------


@pytest.fixture
def tiles():
    raster = np.random.default_rng(2).normal(3, 2, size=(4, 40, 50))
    return foundation_tile_dataset(raster, patch_size=5, n_patches=30, seed=1)


def test_a_tile_data_set_is_its_patches(tiles):
    patches = Patches(tiles)
    expected = torch.from_numpy(tiles.read(np.arange(30)))
    assert not patches.in_memory
    assert patches.normalisation == tiles.normalisation
    assert torch.equal(patches.tensor(), expected)
    assert torch.equal(patches.rows(torch.tensor([7, 2])), expected[[7, 2]])
    np.testing.assert_array_equal(tiles[-1], expected[-1])
    np.testing.assert_array_equal(tiles[::10], expected[::10])


def test_a_tile_data_set_of_another_normalisation_than_the_encoders_is_an_error(tiles):
    encoder = foundation_encoder("moco", 4, seed=1)
    before = foundation_moco_embed(encoder, tiles)
    encoder.normalisation = tiles.normalisation
    np.testing.assert_array_equal(foundation_moco_embed(encoder, tiles), before)
    other = foundation_tile_dataset(np.random.default_rng(3).normal(size=(4, 40, 50)), 5, 30)
    with pytest.raises(
        InputError, match=r"another normalisation .* has the bands band_1"
    ) as caught:
        foundation_moco_embed(encoder, other)
    assert caught.value.argument == "patches"


def test_bands_of_a_tile_data_set_come_in_the_order_of_each_encoder(tiles):
    order = [2, 0, 3, 1]
    encoder, other = (foundation_encoder("moco", 4, seed=seed) for seed in (1, 2))
    encoder.normalisation = tiles.normalisation.in_order(order)
    patches, as_read = Patches(tiles), tiles.read(np.arange(30))
    patches.read_for(encoder, training=True)
    assert patches.normalisation == encoder.normalisation
    assert np.array_equal(patches.tensor().numpy(), as_read[:, order])
    assert np.array_equal(patches.rows(torch.tensor([7, 2])).numpy(), as_read[[7, 2]][:, order])
    patches.read_for(other, training=True)
    assert patches.normalisation == tiles.normalisation
    assert np.array_equal(patches.tensor().numpy(), as_read)


# --- paths ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [("gone.npy", "names no file"), ("gone.zarr", "names no file"), ("x.tif", "path of a .npy")],
)
def test_a_path_of_nothing_that_holds_patches_is_an_error(name, says, tmp_path):
    for path in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(InputError, match=f"^`patches` .*{says}") as caught:
            Patches(path, argument="patches")
        assert caught.value.found == str(tmp_path / name)


def test_a_npy_file_cut_at_any_byte_is_an_error(tmp_path):
    whole = npy(tmp_path, X[:1, :1, :2, :2]).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.npy").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cannot be opened as a \.npy file"):
            Patches(tmp_path / "cut.npy")


def test_a_npy_file_of_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[[[print]]]]), allow_pickle=True)
    with pytest.raises(InputError, match=r"cannot be opened as a \.npy file"):
        Patches(tmp_path / "x.npy")


def test_without_zarr_a_folder_is_an_error_that_says_how_to_install_it(monkeypatch, tmp_path):
    path = zarr_folder(tmp_path, X, 2)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(EdaphosError, match="pip install zarr"):
        Patches(path)


def test_a_zarr_array_written_by_pickle_is_not_read(tmp_path):
    path = zarr_folder(tmp_path, X, 2)
    described = json.loads((path / ".zarray").read_text())
    described["compressor"] = {"id": "pickle", "protocol": 5}
    (path / ".zarray").write_text(json.dumps(described))
    with pytest.raises(InputError, match="must not be stored with pickle"):
        Patches(path)


def test_an_array_in_a_group_is_named_by_its_path(tmp_path):
    group = zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    create = group.create_array if hasattr(group, "create_array") else group.create_dataset
    create("soil", shape=X.shape, dtype=X.dtype)[...] = X
    with pytest.raises(InputError, match="Arrays in it: soil"):
        Patches(tmp_path / "x.zarr")
    assert Patches(tmp_path / "x.zarr" / "soil").shape == X.shape


@pytest.mark.parametrize("text", ["", "{", "[]", '{"compressor": 3}'])
def test_a_damaged_zarr_folder_is_an_error(text, tmp_path):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / ".zarray").write_text(text)
    with pytest.raises(InputError, match=r"cannot be opened as a \.zarr folder"):
        Patches(tmp_path / "x.zarr")


def test_unknown_extents_are_an_error():
    x = dask.array.from_array(X, chunks=(7, 4, 5, 5))
    unknown = x[x[:, 0, 0, 0] > 0]
    with pytest.raises(InputError, match="known extents"):
        Patches(unknown)


@pytest.mark.parametrize("version", [2, 3] if int(zarr.__version__.split(".")[0]) >= 3 else [2])
@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:9], lambda data: b"x" * 99]
)
def test_a_damaged_chunk_of_a_zarr_array_is_an_error_that_keeps_the_cause(
    version, damage, tmp_path
):
    path = zarr_folder(tmp_path, X, version)
    chunks = [part for part in path.rglob("*") if part.is_file() and ".z" not in part.name]
    chunk = sorted(part for part in chunks if part.name != "zarr.json")[1]
    chunk.write_bytes(damage(chunk.read_bytes()))
    for patches in (path, zarr.open(str(path), mode="r")):
        with pytest.raises(InputError, match="`x` cannot be read") as caught:
            Patches(patches).check()
        assert caught.value.__cause__ is not None


def test_a_block_that_dask_cannot_compute_is_an_error_that_keeps_the_cause():
    def fails(block):
        if block.size:
            raise OSError("the disk is gone")
        return block

    x = dask.array.from_array(X, chunks=(7, 4, 5, 5)).map_blocks(fails, dtype=X.dtype)
    with pytest.raises(InputError, match=r"`x` cannot be read \(OSError: the disk is gone"):
        Patches(x).tensor()


def test_a_changed_byte_in_the_header_of_a_npy_file_is_an_error_or_an_array(tmp_path):
    data = npy(tmp_path, X[:2]).read_bytes()
    for place in range(128):
        for value in (0, 10, 39, 40, 123, 255):
            (tmp_path / "x.npy").write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            with contextlib.suppress(InputError):
                Patches(tmp_path / "x.npy").check()


@pytest.mark.parametrize(
    "path", ["", "a\0.npy", "~nouser-at-all/x.npy", "x" * 5000 + ".npy", "x/" * 3000 + "x.npy"]
)
def test_what_cannot_be_a_path_is_an_error(path):
    with pytest.raises(InputError, match=r"^`x` "):
        Patches(path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prediction_reads_an_array_in_parts_once(dtype):
    x = Recorded(X.astype(dtype))
    encoder = foundation_encoder("moco", 4, seed=1)
    fit = foundation_fit_classifier(encoder, X, list("abc") * 10, epochs=1, seed=1)
    np.testing.assert_array_equal(fit.predict_proba(x), fit.predict_proba(X.astype(dtype)))
    assert sum(x.asked) == len(X)

"""Arrays of any package: their values, and which of their cells are missing."""

import dask.array
import h5py
import numpy as np
import pytest
import torch
import xarray
import zarr

from array_arguments import calls_with
from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_embed,
    foundation_moco_pretrain,
    foundation_patches_at_coords,
    foundation_tile_dataset,
)
from edaphos_bridge.data.as_numpy import as_numpy, fill_values
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError

pytestmark = [
    pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors:UserWarning"),
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
]
CELLS = np.array([[1, 2, -9999], [4, -9999, 6], [7, 8, 9]], dtype=np.int16)
MASK = CELLS == -9999
DATA = np.random.default_rng(1).normal(size=(6, 2, 4, 4))
DATA[4, 1, 2, 3] = -9999.0
HIDDEN = np.ma.masked_equal(DATA, -9999)


def of_dask(x):
    return dask.array.from_array(x, chunks=(2, *x.shape[1:]))


def of_xarray(x, **attributes):
    return xarray.DataArray(x, attrs=attributes)


def encoded(x, **encoding):
    result = xarray.DataArray(x)
    result.encoding = encoding
    return result


def of_zarr(x, fill=None, **attributes):
    array = zarr.create(x.shape, dtype=x.dtype, store={}, fill_value=fill)
    array[:] = x
    array.attrs.update(attributes)
    return array


def of_h5(folder, x, fill=None, **attributes):
    file = h5py.File(folder / "cells.h5", "w")
    array = file.create_dataset("cells", data=x, fillvalue=fill)
    array.attrs.update(attributes)
    return array


WITH_MISSING = {
    "numpy.ma": lambda folder, x: np.ma.masked_equal(x, -9999),
    "a list of masked arrays": lambda folder, x: [np.ma.masked_equal(row, -9999) for row in x],
    "a tuple of lists of them": lambda folder, x: tuple(
        [np.ma.masked_equal(part, -9999) for part in row] for row in x
    ),
    "masked arrays and an array": lambda folder, x: [*np.ma.masked_equal(x, -9999)[:-1], x[-1]],
    "torch's MaskedTensor": lambda folder, x: torch.masked.masked_tensor(
        torch.tensor(x), torch.tensor(x != -9999)
    ),
    "dask.array.ma": lambda folder, x: dask.array.ma.masked_equal(of_dask(x), -9999),
    "dask of masked blocks": lambda folder, x: of_dask(np.ma.masked_equal(x, -9999)),
    "xarray of masked dask": lambda folder, x: of_xarray(
        dask.array.ma.masked_equal(of_dask(x), -9999)
    ),
    "xarray, _FillValue": lambda folder, x: of_xarray(x, _FillValue=np.int16(-9999)),
    "xarray, missing_value": lambda folder, x: of_xarray(x, missing_value=[-9999.0]),
    "xarray of dask": lambda folder, x: of_xarray(of_dask(x), _FillValue=-9999),
    "xarray, encoding": lambda folder, x: encoded(x, _FillValue=-9999),
    "a list of xarrays": lambda folder, x: [of_xarray(row, _FillValue=-9999) for row in x],
    "zarr, _FillValue": lambda folder, x: of_zarr(x, _FillValue=-9999),
    "zarr, written": lambda folder, x: of_zarr(x, missing_value="-9999"),
    "zarr, as xarray writes it": lambda folder, x: of_zarr(x, _FillValue="AAAAAICHw8A="),
    "zarr, fill_value": lambda folder, x: of_zarr(x, fill=-9999),
    "h5py, _FillValue": lambda folder, x: of_h5(folder, x, _FillValue=np.array([-9999])),
    "h5py, fillvalue": lambda folder, x: of_h5(folder, x, fill=-9999),
}
IN_LISTS = {
    "a tuple of lists of them",
    "a list of masked arrays",
    "masked arrays and an array",
    "a list of xarrays",
}


@pytest.fixture(params=WITH_MISSING)
def with_missing(request, tmp_path):
    return lambda x: WITH_MISSING[request.param](tmp_path, x)


def test_marked_cells_are_masked_and_the_others_are_as_they_were(with_missing):
    found = as_numpy(with_missing(CELLS), "x", "numbers")
    missing = np.ma.getmaskarray(found) | np.isnan(np.ma.getdata(found))  # xarray has no masks
    np.testing.assert_array_equal(missing, MASK)
    np.testing.assert_array_equal(found[~MASK], CELLS[~MASK])


def test_every_function_that_takes_patches_refuses_marked_cells(with_missing):
    encoder = foundation_encoder("moco", 2, seed=1)
    fit = foundation_fit_classifier(encoder, np.abs(DATA) % 3, list("ababab"), epochs=1, seed=1)
    x = with_missing(DATA)
    for call in (
        lambda: foundation_fit_classifier(encoder, x, list("ababab"), epochs=1),
        lambda: fit.predict(x),
        lambda: foundation_moco_embed(encoder, x),
        lambda: foundation_moco_pretrain(x, batch_size=2, epochs=1, steps_per_epoch=1),
        Patches(x).check,
        lambda: list(Patches(x).batches(2, borrow=True)),
    ):
        with pytest.raises(InputError, match=r"holds NA, NaN or .* in 1 of 6 patches \(first: 4"):
            call()


@pytest.mark.parametrize("kind", sorted(set(WITH_MISSING) - IN_LISTS))
def test_a_raster_has_no_data_in_marked_cells(kind, tmp_path):
    cells = np.arange(2 * 6 * 6, dtype=np.int16).reshape(2, 6, 6)
    cells[1, 2, 3] = -9999
    tiles = foundation_tile_dataset(WITH_MISSING[kind](tmp_path, cells), patch_size=2, seed=1)
    assert tiles.means[1] == np.delete(cells[1].ravel(), 2 * 6 + 3).mean()


def test_marked_points_are_missing():
    raster = np.random.default_rng(1).normal(size=(1, 9, 9))
    tiles = foundation_tile_dataset(raster, patch_size=2, n_patches=20, seed=1)
    points = np.ma.masked_equal([[3.5, 3.5], [4.5, -9999]], -9999)
    for coords in (points, dask.array.from_array(points), of_xarray(points.data, _FillValue=-9999)):
        found = foundation_patches_at_coords(tiles, coords, raster)
        assert np.isnan(found).all(axis=(1, 2, 3)).tolist() == [False, True]


def test_a_message_says_what_counts_as_missing():
    with pytest.raises(InputError, match="Cells of -9999 count as missing: the array says so"):
        Patches(of_zarr(DATA, fill=-9999)).check()


@pytest.mark.parametrize(
    ("x", "fills"),
    [
        (DATA, ()),
        (HIDDEN, ()),
        (torch.tensor(DATA), ()),
        (of_zarr(DATA), ()),
        (of_zarr(DATA, fill=0), ()),
        (of_zarr(DATA, fill=1), ()),
        (of_zarr(DATA, fill=np.nan), ()),
        (of_zarr(DATA, fill=0, _FillValue=0), (0,)),
        (of_zarr(CELLS.astype("uint8"), _FillValue=-9999), ()),
        (of_zarr(CELLS, _FillValue=0.5), ()),
        (of_zarr(DATA > 0, fill=True), ()),
        (of_zarr(DATA, _FillValue="none"), ()),
        (of_zarr(DATA, _FillValue={"a": 1}), ()),
        (of_zarr(DATA, _FillValue=-1, missing_value=[-2, -1]), (-1, -2)),
        (of_xarray(DATA), ()),
        (of_xarray(DATA.astype("float32"), _FillValue=1e20), (float(np.float32(1e20)),)),
        (encoded(DATA, _FillValue=-9999, scale_factor=0.1), ()),
        ([1, 2], ()),
    ],
)
def test_what_stands_for_a_missing_cell_is_known_and_nothing_else_is(x, fills):
    assert fill_values(x) == fills


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("fill", "fills"), [(None, ()), (0, (0,)), (7, (7,))])
def test_the_fill_value_that_xarray_wrote_to_zarr_is_the_one_it_reads(
    tmp_path, zarr_format, fill, fills
):
    cells = xarray.DataArray(np.arange(8, dtype="uint8"), dims="x", name="cells")
    cells.encoding = {} if fill is None else {"_FillValue": fill}
    settings = {"zarr_format": zarr_format} if int(zarr.__version__.split(".")[0]) >= 3 else {}
    cells.to_dataset().to_zarr(tmp_path / "x.zarr", consolidated=False, **settings)
    assert fill_values(zarr.open(str(tmp_path / "x.zarr" / "cells"), mode="r")) == fills


class Refuses:
    """An array of a package that fails in a way of its own."""

    def __init__(self, shape):
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype("float32")

    def __getitem__(self, place):
        raise LookupError("no such block")

    def __array__(self, dtype=None, copy=None):
        raise LookupError("no such block")


def test_an_array_that_cannot_be_read_keeps_the_cause():
    for argument, call in calls_with(lambda tensor: Refuses(tensor.shape)):
        if argument in ("y", "valid_mask", "groups", "folds", "sources"):  # refused before
            continue
        with pytest.raises(InputError, match="no such block") as caught:
            call()
        assert caught.value.argument == argument
        assert isinstance(caught.value.__cause__, LookupError)


class RefusesRows(Refuses):
    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        raise LookupError("no such block")


@pytest.mark.parametrize("name", ["groups", "folds", "validation"])
def test_a_vector_of_rows_that_cannot_be_read_keeps_the_cause(name):
    encoder = foundation_encoder("simclr", 2, seed=1)
    with pytest.raises(InputError, match="no such block") as caught:
        foundation_fit_classifier(
            encoder, np.zeros((6, 2, 2, 2)), list("ababab"), **{name: RefusesRows((6,))}
        )
    assert caught.value.argument == name
    assert isinstance(caught.value.__cause__, LookupError)


def test_an_array_that_gives_another_shape_than_it_says_is_an_error():
    wrong = Refuses((6, 2, 4, 4))
    wrong.__class__ = type("Wrong", (Refuses,), {"__getitem__": lambda self, place: np.zeros(3)})
    with pytest.raises(InputError, match=r"must give real numbers of shape \[6, 2, 4, 4\]"):
        Patches(wrong).tensor()


@pytest.mark.filterwarnings("ignore:.*share cells with another")
def test_a_matrix_of_points_is_an_array_of_points():
    raster = np.random.default_rng(1).normal(size=(1, 9, 9))
    tiles = foundation_tile_dataset(raster, patch_size=2, n_patches=20, seed=1)
    points = np.array([[3.5, 3.5], [4.5, 2.5]])
    expected = foundation_patches_at_coords(tiles, points, raster)
    grad = torch.tensor(points, requires_grad=True)
    for coords in (np.matrix(points), grad, list(grad), points.tolist()):
        found = foundation_patches_at_coords(tiles, coords, raster)
        np.testing.assert_array_equal(found, expected)

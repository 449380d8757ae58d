"""An xarray.DataArray lies where its coordinates say, and holds what its attributes say."""

import dask.array
import numpy as np
import pytest
import rasterio
import xarray as xr

from closeness import assert_close
from edaphos_bridge import foundation_patches_at_coords, foundation_tile_dataset
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster.coords import cells_at
from edaphos_bridge.raster.sources import open_raster

CELLS = np.arange(2.0 * 6 * 8).reshape(2, 6, 8)
X = 505.0 + 10 * np.arange(8)
Y = 895.0 - 10 * np.arange(6)


def whole(stack):
    with open_raster(stack) as raster:
        values, valid = raster.read(0, 0, raster.height, raster.width)
    return np.where(valid, values, np.nan)


def array(cells=CELLS, dims=("band", "y", "x"), coords=None, **more):
    return xr.DataArray(
        cells, dims=dims, coords={"y": Y, "x": X} if coords is None else coords, **more
    )


def test_its_cells_lie_around_the_coordinates():
    with open_raster(array()) as raster:
        assert raster.transform == (10, 0, 500, 0, -10, 900)
        assert raster.cell_size == (10, 10)
        assert raster.bands == ["band_1", "band_2"]
    assert np.array_equal(whole(array()), CELLS)


@pytest.mark.parametrize("down", [1, -1])
@pytest.mark.parametrize("right", [1, -1])
def test_coordinates_may_go_up_or_down(down, right):
    turned = array().isel(y=slice(None, None, down), x=slice(None, None, right))
    with open_raster(turned) as raster:
        assert raster.transform == (10, 0, 500, 0, -10, 900)
        for row, y in enumerate(Y):
            cells, inside = cells_at(raster, np.stack([X, np.full(8, y)], axis=1))
            assert inside.all()
            values = raster.read(0, 0, 6, 8)[0]
            expected = turned.sel(y=y, x=X).values
            assert np.array_equal(values[:, cells[:, 0], cells[:, 1]], expected)
            assert np.array_equal(expected, CELLS[:, row])
        assert np.array_equal(raster.read(-1, 2, 4, 3)[0][:, 1:], CELLS[:, :3, 2:5])


@pytest.mark.parametrize(
    "dims",
    [("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("Northing", "Easting"), ("p", "q")],
)
def test_dimensions_are_taken_by_name_in_any_order(dims):
    y, x = dims
    coords = {y: (y, Y, {"axis": "Y"}), x: (x, X, {"axis": "X"})}
    named = array(dims=("soil", y, x), coords=coords)
    for order in ((x, "soil", y), (y, x, "soil"), ("soil", y, x)):
        assert np.array_equal(whole(named.transpose(*order)), CELLS)
    with open_raster(named.isel(soil=0)) as raster:
        assert len(raster.bands) == 1
    assert np.array_equal(whole(named.isel(soil=1)), CELLS[[1]])


def test_without_coordinates_x_is_the_column_and_y_the_row():
    for plain in (xr.DataArray(CELLS), xr.DataArray(CELLS, dims=("band", "y", "x"))):
        with open_raster(plain) as raster:
            assert raster.transform == (1, 0, 0, 0, 1, 0)
            assert raster.cell_size is None
        assert np.array_equal(whole(plain), CELLS)


def test_bands_are_named_by_their_coordinate_or_long_name():
    coords = {"band": ["ph", "clay"], "y": Y, "x": X}
    assert open_raster(array(coords=coords)).bands == ["ph", "clay"]
    assert open_raster(array(attrs={"long_name": ("ph", "clay")})).bands == ["ph", "clay"]
    assert open_raster(array().isel(band=0).assign_attrs(long_name="ph")).bands == ["ph"]


@pytest.mark.parametrize("attribute", ["_FillValue", "missing_value", "nodata"])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_cells_with_the_fill_value_have_no_data(attribute, dtype):
    fill = -9999 if dtype == "int16" else -3.4e38  # which float32 rounds
    cells = CELLS.astype(dtype)
    cells[1, 2, 3] = fill
    found = whole(array(cells, attrs={attribute: fill}))
    assert np.isnan(found[1, 2, 3])
    assert np.isnan(found).sum() == 1


def test_scale_and_offset_are_applied_but_not_to_the_fill_value():
    attrs = {"_FillValue": 7, "scale_factor": 0.5, "add_offset": -3.0}
    expected = np.where(CELLS == 7, np.nan, CELLS * 0.5 - 3)
    assert np.array_equal(
        whole(array(CELLS.astype("int16"), attrs=attrs)), expected, equal_nan=True
    )
    attrs = {"scales": (1.0, 2.0), "offsets": (0.0, 1.0)}
    expected = np.stack([CELLS[0], CELLS[1] * 2 + 1])
    assert np.array_equal(whole(array(attrs=attrs)), expected)


def test_nan_infinite_and_masked_cells_have_no_data():
    cells = CELLS.copy()
    cells[0, 0, :2] = np.nan, np.inf
    assert np.isnan(whole(array(cells))[0, 0]).tolist() == [True] * 2 + [False] * 6
    masked = dask.array.ma.masked_equal(dask.array.from_array(CELLS, chunks=(1, 3, 5)), 7)
    for stack in (masked, array(masked)):
        assert np.isnan(whole(stack)).sum() == 1


def test_what_dask_computes_is_computed_window_by_window():
    computed = []
    blocks = dask.array.from_array(CELLS, chunks=(2, 3, 4))
    counted = blocks.map_blocks(
        lambda block: computed.append(1) or block, dtype=float, meta=CELLS[:0]
    )
    open_raster(array(counted)).read(0, 0, 2, 2)
    open_raster(counted).read(4, 6, 2, 2)
    assert len(computed) == 2


def test_the_crs_is_that_of_rioxarray_and_the_cf_conventions():
    wkt = rasterio.crs.CRS.from_epsg(32723).to_wkt()
    named = {"y": Y, "x": X, "spatial_ref": ((), 0, {"crs_wkt": wkt})}
    mapped = {"y": Y, "x": X, "utm": ((), 0, {"spatial_ref": wkt})}
    for stack in (
        array(coords=named),
        array(coords=mapped, attrs={"grid_mapping": "utm"}),
        array(attrs={"crs": "EPSG:32723"}),
    ):
        assert open_raster(stack).crs.to_string() == "EPSG:32723"
    assert open_raster(array()).crs is None
    tiles = foundation_tile_dataset(array(coords=named), 2, 5, seed=1)
    assert tiles.normalisation.crs == "EPSG:32723"


def test_a_geotransform_gives_the_exact_place_and_that_of_a_single_row():
    attrs = {"GeoTransform": "500.0 10.0 0.0 900.0 0.0 -10.0"}
    coords = {"y": Y + 1e-7, "x": X, "spatial_ref": ((), 0, attrs)}
    assert open_raster(array(coords=coords)).transform == (10, 0, 500, 0, -10, 900)
    moved = array(coords=coords).isel(x=slice(3, None))
    assert_close(open_raster(moved).transform, (10, 0, 530, 0, -10, 900), 1e-9)
    row = array(coords=coords).isel(y=slice(2, 3))
    assert_close(open_raster(row).transform, (10, 0, 500, 0, -10, 880), 1e-9)
    turned = {"GeoTransform": "500.0 10.0 2.0 900.0 2.0 -10.0"}
    without = xr.DataArray(CELLS, dims=("band", "y", "x"), coords={"spatial_ref": ((), 0, turned)})
    assert open_raster(without).transform == (10, 2, 500, 2, -10, 900)


def test_float32_degrees_are_regular():
    lon = (np.arange(8) * 0.01 + 178.005).astype("float32")
    coords = {"y": Y, "x": lon}
    assert_close(open_raster(array(coords=coords)).cell_size[0], 0.01, 1e-3, size=0)


@pytest.mark.parametrize(
    ("stack", "says"),
    [
        (array(coords={"y": Y, "x": X**2}), "regular coordinates on x"),
        (array(coords={"y": Y, "x": (X + 175) % 360 - 180 + np.eye(8)[3]}), "regular"),
        (array(coords={"y": Y * 0, "x": X}), "regular coordinates on y"),
        (array(coords={"y": Y, "x": np.where(X > 550, np.nan, X)}), "regular"),
        (array(coords={"y": Y}), "coordinates on x"),
        (array(coords={"y": Y, "x": list("abcdefgh")}), "numbers as coordinates"),
        (array(coords={"y": Y[:1], "x": X}, cells=CELLS[:, :1]), "more than one cell on y"),
        (array(coords={"lat": (("y", "x"), CELLS[0])}), "two dimensions"),
        (array(CELLS[None], dims=("time", "band", "y", "x")), "dimensions y and x"),
        (array(CELLS[0], dims=("u", "v"), coords={}), "dimensions y and x"),
        (array(CELLS.astype("datetime64[s]")), "real numbers"),
        (array(attrs={"scale_factor": "two"}), "scale_factor"),
        (array().to_dataset(name="soil"), "to_dataarray"),
    ],
)
def test_what_lies_on_no_regular_grid_is_refused_with_what_to_do(stack, says):
    with pytest.raises(InputError, match=says) as caught:
        open_raster(stack)
    assert caught.value.argument == "stack"


def test_points_find_the_patches_that_they_find_in_the_same_file(write_tif):
    path = write_tif("one.tif", CELLS)
    with rasterio.open(path) as file:
        stack = array(attrs={"crs": file.crs.to_wkt(), "long_name": ("one_1", "one_2")})
    tiles = foundation_tile_dataset(path, 2, 5, seed=1)
    points = np.array([[512.0, 871.0], [580.0, 840.0], [577.0, 899.0]])
    found, expected = (foundation_patches_at_coords(tiles, points, at) for at in (stack, path))
    assert np.array_equal(found, expected)

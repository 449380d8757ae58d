"""Rasters of different grids in one file: cells as GDAL warps them, or copied as they are."""

import os

import numpy as np
import pytest
import rasterio
import xarray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.raster import aligned, warped
from edaphos_bridge.raster.aligned import align

FINE = rasterio.Affine(30, 0, 500000, 0, -30, 8893000)
DEGREES = rasterio.Affine(0.0003, 0, -45.01, 0, -0.0003, -10.0)


@pytest.fixture
def fine(write_tif):
    """Two bands in metres, with holes."""
    cells = np.random.default_rng(1).normal(size=(2, 300, 310)).astype(np.float32)
    cells[:, 5:9, 5:9] = np.nan
    cells[1, 100] = np.nan
    return write_tif("fine.tif", cells, transform=FINE, names=["clay", "ndvi"], nodata=np.nan)


@pytest.fixture
def degrees(write_tif):
    """A smooth band in degrees, around the other."""
    rows, cols = np.mgrid[0:400, 0:420]
    cells = np.sin(rows / 40) + np.cos(cols / 30)
    return write_tif("degrees.tif", cells[None], transform=DEGREES, crs="EPSG:4326")


@pytest.fixture
def run(tmp_path):
    def run(sources, res=None, crs=None, aoi=None, method="bilinear", overwrite=False):
        path = align(sources, res, crs, aoi, method, tmp_path / "out.tif", overwrite)
        with rasterio.open(path) as file:
            return file.read(), file.profile, file.descriptions

    return run


def reference(path, profile, method, **options):
    """What rasterio makes of all of a band at once."""
    out = np.full((profile["height"], profile["width"]), np.nan)
    with rasterio.open(path) as file:
        reproject(
            file.read(1).astype(float), out,
            src_transform=file.transform, src_crs=file.crs, src_nodata=np.nan,
            dst_transform=profile["transform"], dst_crs=profile["crs"], dst_nodata=np.nan,
            resampling=Resampling[method], **options,
        )  # fmt: skip
    return out


def test_the_cells_of_the_first_are_its_own_bit_by_bit(run, fine, degrees):
    cells, profile, names = run([fine, degrees])
    with rasterio.open(fine) as file:
        np.testing.assert_array_equal(cells[:2], file.read())
        assert profile["transform"] == file.transform
        assert profile["crs"] == file.crs
    assert names == ("clay", "ndvi", "degrees")
    assert profile["tiled"]
    assert profile["compress"] == "deflate"
    assert np.isnan(profile["nodata"])


@pytest.mark.parametrize("method", ["average", "cubic_spline", "mode", "sum"])
def test_cells_on_the_same_lattice_are_copied_whatever_the_method(run, fine, write_tif, method):
    """Also where the other begins elsewhere, and runs from south to north."""
    other = np.random.default_rng(2).normal(size=(1, 50, 60)).astype(np.float32)
    below = rasterio.Affine(30, 0, 500060, 0, 30, 8893000 - 90 - 50 * 30)
    path = write_tif("other.tif", other[:, ::-1], transform=below)
    cells, _, _ = run([fine, path], method=method)
    assert cells.shape == (3, 50, 60)
    np.testing.assert_array_equal(cells[2], other[0])
    with rasterio.open(fine) as file:
        np.testing.assert_array_equal(cells[:2], file.read()[:, 3:53, 2:62])


@pytest.mark.parametrize(
    "method", ["nearest", "bilinear", "cubic", "average", "mode", "max", "lanczos"]
)
def test_other_cells_are_those_of_rasterios_warp(run, fine, degrees, method):
    """Which places cells to an eighth of one."""
    cells, profile, _ = run([fine, degrees], method=method)
    expected = reference(degrees, profile, method)
    assert np.isfinite(cells[2]).all()
    slope = 1 / 40 + 1 / 30  # of the band, a cell
    allowed = {"nearest": 1, "mode": 1, "max": 1}.get(method, 0.25)
    assert np.abs(cells[2] - expected).max() < allowed * slope


def test_bilinear_is_what_the_formula_says_of_exact_places(run, fine, degrees):
    cells, profile, _ = run([fine, degrees])
    rows, cols = (np.mgrid[0:300, 0:310] + 0.5).reshape(2, -1)
    where = profile["transform"]
    x, y = transform(profile["crs"], CRS.from_epsg(4326), where.c + 30 * cols, where.f - 30 * rows)
    col, row = (
        (np.array(x) - DEGREES.c) / DEGREES.a - 0.5,
        (np.array(y) - DEGREES.f) / DEGREES.e - 0.5,
    )
    i, j = np.floor(row).astype(int), np.floor(col).astype(int)
    u, v = row - i, col - j
    with rasterio.open(degrees) as file:
        band = file.read(1)
    expected = (1 - u) * ((1 - v) * band[i, j] + v * band[i, j + 1])
    expected += u * ((1 - v) * band[i + 1, j] + v * band[i + 1, j + 1])
    assert np.abs(cells[2].ravel() - expected).max() < 2e-3 * (1 / 40 + 1 / 30) + 1e-6


@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos", "average", "nearest"])
@pytest.mark.parametrize("res", [30, 200])
def test_windows_do_not_show(run, degrees, monkeypatch, method, res):
    how = {"res": res, "crs": "EPSG:32723", "method": method}
    whole, _, _ = run([degrees], **how)
    monkeypatch.setattr(aligned, "_MOST_VALUES", 256**2)
    monkeypatch.setattr(warped, "_MOST_VALUES", 20000)
    parts, _, _ = run([degrees], overwrite=True, **how)
    assert np.array_equal(np.isnan(whole), np.isnan(parts))
    # Places of the two may differ by two thousandths of a cell, and then the nearest cell too.
    same = np.abs(whole - parts)[np.isfinite(whole)]
    assert (same > 2 * 2e-3 * (1 / 40 + 1 / 30)).mean() < (0.01 if method == "nearest" else 1e-6)


def test_coarser_cells_are_means_of_all_that_lie_in_them(run, fine):
    cells, _, _ = run([fine], res=300, method="average")
    with rasterio.open(fine) as file:
        blocks = file.read().astype(float).reshape(2, 30, 10, 31, 10)
    assert cells.shape == (2, 30, 31)
    assert_close(cells, np.nanmean(blocks, axis=(2, 4)), 1e-6)


def test_each_source_has_its_own_method(run, fine, degrees, write_tif):
    classes = np.random.default_rng(3).choice([3, 7, 12], size=(1, 400, 420)).astype(np.uint8)
    path = write_tif("classes.tif", classes, transform=DEGREES, crs="EPSG:4326", nodata=0)
    cells, _, _ = run([fine, degrees, path], method=["bilinear", "cubic", "nearest"])
    assert set(np.unique(cells[3])) == {3, 7, 12}
    blended, _, _ = run([fine, degrees, path], overwrite=True)
    assert len(np.unique(blended[3])) > 1000


def test_cells_without_data_are_nan_whatever_stands_for_them(run, fine, write_tif):
    """And they do not blend into their neighbours; nor do cells of infinity."""
    cells = np.full((2, 100, 100), 5, np.int16)
    cells[:, 40:60, 40:60] = -9999
    cells[0, 20:23, 20:23] = -9999
    coarse = rasterio.Affine(70, 0, 500010, 0, -70, 8892990)
    filled = write_tif("filled.tif", cells, transform=coarse, nodata=-9999)
    infinite = write_tif("infinite.tif", np.where(cells == -9999, np.inf, 5.0), transform=coarse)
    masked = write_tif(
        "masked.tif", np.full_like(cells, 5), transform=coarse, mask=cells[1] != -9999
    )
    aoi = (500010, 8887000, 506000, 8892990)
    found, _, _ = run([fine, filled, infinite, masked], aoi=aoi)
    assert found.shape == (8, 200, 200)
    holes = np.isnan(found)
    for first, second in ((2, 3), (4, 5), (6, 7)):  # the first has one hole more, but for the mask
        assert np.array_equal(holes[second], holes[3])
        assert (holes[first] != holes[second]).any() == (first != 6)
    assert holes[3].any()
    assert_close(found[2:][~holes[2:]], np.full((~holes[2:]).sum(), 5.0), 1e-12)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", "float32"), ("int16", "float32"), ("float32", "float32"), ("int32", "float64"),
     ("float64", "float64")],
)  # fmt: skip
def test_the_file_holds_every_cell_as_it_is(run, write_tif, dtype, expected):
    top = 2**31 - 1 if dtype == "int32" else 100
    path = write_tif("a.tif", np.arange(top - 20, top).reshape(1, 4, 5).astype(dtype))
    cells, profile, _ = run([path])
    assert profile["dtype"] == expected
    assert cells.ravel().tolist() == list(range(top - 20, top))


def test_scale_and_offset_are_applied(run, write_tif):
    path = write_tif(
        "a.tif", np.arange(20, dtype=np.int16).reshape(1, 4, 5), scales=[0.1], offsets=[-3.0]
    )
    cells, profile, _ = run([path])
    assert profile["dtype"] == "float64"
    np.testing.assert_array_equal(cells.ravel(), np.arange(20) * 0.1 - 3.0)


def test_a_data_array_is_a_source_too(run, fine):
    band = np.random.default_rng(4).normal(size=(60, 60)).astype(np.float32)
    x, y = 500000 + 100 * (np.arange(60) + 0.5), 8893000 - 100 * (np.arange(60) + 0.5)
    array = xarray.DataArray(
        band, dims=("y", "x"), coords={"y": y, "x": x},
        attrs={"crs": "EPSG:32723", "long_name": "rain"},
    )  # fmt: skip
    cells, profile, names = run([fine, array], method="nearest")
    assert names == ("clay", "ndvi", "rain")
    assert profile["dtype"] == "float32"
    rows, cols = np.mgrid[0 : cells.shape[1], 0 : cells.shape[2]]
    expected = band[((rows + 0.5) * 0.3).astype(int), ((cols + 0.5) * 0.3).astype(int)]
    assert (cells[2] != expected).mean() < 0.001
    alone, _, _ = run(array, overwrite=True)
    np.testing.assert_array_equal(alone[0], band)


def test_a_turned_raster_is_laid_straight(run, write_tif):
    turned = rasterio.Affine(26, 15, 500000, 15, -26, 8893000)
    rows, cols = np.mgrid[0:80, 0:90] + 0.5
    x, y = 500000 + 26 * cols + 15 * rows, 8893000 + 15 * cols - 26 * rows
    path = write_tif("turned.tif", np.stack([x, y]), transform=turned)
    cells, profile, _ = run([path])
    where = profile["transform"]
    assert (where.b, where.d) == (0, 0)
    rows, cols = np.mgrid[0 : cells.shape[1], 0 : cells.shape[2]] + 0.5
    inside = np.isfinite(cells).all(axis=0)
    inside[1:-1, 1:-1] &= (
        inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
    )
    assert inside.mean() > 0.3
    expected = np.stack([where.c + where.a * cols, where.f + where.e * rows])
    off = np.abs(cells - expected)[:, inside]
    assert np.median(off) < 1
    assert off.max() < 30


@pytest.mark.parametrize("kind", ["damaged", "interrupt"])
def test_what_fails_leaves_neither_half_a_file_nor_a_new_one(
    run, fine, tmp_path, monkeypatch, kind
):
    run([fine])
    before = (tmp_path / "out.tif").read_bytes()
    error = {"damaged": InputError("sources", "cannot be read"), "interrupt": KeyboardInterrupt()}[
        kind
    ]

    def fail(self, window):
        raise error

    monkeypatch.setattr(warped.Warped, "read", fail)
    names = sorted(os.listdir(tmp_path))
    with pytest.raises(type(error)):
        run([fine], overwrite=True)
    assert (tmp_path / "out.tif").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == names


def test_a_disk_that_is_full_is_an_error_that_names_the_file(run, fine, tmp_path, limited_files):
    with limited_files(20000), pytest.raises(InputError, match="`filename` cannot be written"):
        run([fine])
    assert not (tmp_path / "out.tif").exists()
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_what_lay_beside_a_file_that_is_replaced_goes_with_it(run, fine, degrees, tmp_path):
    run([fine])
    for ending in (".aux.xml", ".ovr"):
        (tmp_path / f"out.tif{ending}").write_bytes(b"old")
    cells, _, _ = run([degrees], overwrite=True)
    assert cells.shape[0] == 1
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out.tif"]


def test_a_file_that_is_there_is_replaced_only_if_asked(run, fine, tmp_path):
    run([fine])
    with pytest.raises(InputError, match=r"`filename` is there already.*`overwrite` replaces"):
        run([fine])
    with pytest.raises(InputError, match="`filename` must not be one of the sources"):
        align([tmp_path / "out.tif"], None, None, None, "nearest", tmp_path / "out.tif", True)


@pytest.mark.parametrize(
    "sources", [[], (), None, 3, {"a": 1}, ["none.tif"], [3], np.zeros((1, 3, 3))]
)
def test_what_are_no_rasters_are_refused(run, sources):
    with pytest.raises(InputError, match="`sources`"):
        run(sources)


def test_a_source_that_cannot_be_opened_is_counted(run, fine):
    with pytest.raises(InputError, match=r"`sources` cannot be opened .*first: 1.*none\.tif"):
        run([fine, "none.tif"])


@pytest.mark.parametrize("method", ["gauss", "", None, 1, ["nearest"] * 3, ["nearest", "best"], []])
def test_an_unknown_method_is_refused(run, fine, method):
    with pytest.raises(InputError, match="`method` must be one"):
        run([fine, fine], method=method)


@pytest.mark.parametrize(
    ("called", "name"), [("near", "nearest"), ("cubicspline", "cubic_spline"), ("median", "med")]
)
def test_the_names_of_terra_are_known_too(run, degrees, called, name):
    one, _, _ = run([degrees], res=200, crs="EPSG:32723", method=called)
    other, _, _ = run([degrees], res=200, crs="EPSG:32723", method=name, overwrite=True)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("filename", ["", "out", "nowhere/out.tif", "out.png", 3])
def test_a_file_that_cannot_be_is_refused(fine, tmp_path, monkeypatch, filename):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="`filename`"):
        align([fine], None, None, None, "nearest", filename, False)

"""Every warning points at the line of the user's that made the call."""

import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from torch import nn

import edaphos_bridge as eb
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.errors import DeviceFallbackWarning, EdaphosWarning, warn
from edaphos_bridge.training.plan import draw_plan

X = np.random.default_rng(1).normal(size=(12, 4, 5, 5))
Y = ["dry", "wet"] * 6
RASTER = np.random.default_rng(2).normal(size=(2, 30, 40))
FEW = {"epochs": 1, "seed": 1}


@pytest.fixture
def encoder():
    return eb.foundation_encoder("moco", 4, seed=1)


def raster_file(path, names=("clay", "sand"), **changes):
    grid = {"height": 30, "width": 40, "transform": Affine(1, 0, 0, 0, -1, 30)}
    values = changes.pop("values", RASTER)
    settings = {"dtype": values.dtype.name, "count": len(values), "crs": "EPSG:32633", **changes}
    with rasterio.open(path, "w", "GTiff", **grid, **settings) as file:
        file.write(values)
        for band, name in enumerate(names, 1):
            file.set_band_description(band, name)
    return path


def made(kind, encoder, tmp_path):
    """A call that warns, on one line of this file."""
    if kind == "device of a fit":
        return lambda: eb.foundation_fit_classifier(encoder, X, Y, device="cuda", **FEW)
    if kind == "device of a sweep":
        return lambda: eb.foundation_probe_sweep(encoder, X, Y, device="cuda", epochs=1, C=())
    if kind == "device of a pretraining":
        return lambda: eb.foundation_moco_pretrain(X, batch_size=4, device="cuda", **FEW)
    if kind == "device of a prediction":
        fit = eb.foundation_fit_classifier(encoder, X, Y, **FEW)
        return lambda: fit.predict(X, device="cuda")
    if kind == "device of a prediction of a sweep":
        sweep = eb.foundation_probe_sweep(encoder, X, Y, epochs=1, C=())
        return lambda: sweep.predict(X, device="cuda")
    if kind == "class without rows":
        rare = ["rare", *Y[1:]]
        seed = next(s for s in range(99) if 0 in held_out(rare, s))
        return lambda: eb.foundation_fit_classifier(encoder, X, rare, epochs=1, seed=seed)
    if kind == "class without rows in a sweep":
        rare = ["rare", *Y[1:]]
        seed = next(s for s in range(99) if 0 in held_out(rare, s))
        return lambda: eb.foundation_probe_sweep(encoder, X, rare, seeds=seed, epochs=1, C=())
    if kind == "nothing to train":
        own = nn.Sequential(nn.Flatten(), nn.Linear(100, 3)).requires_grad_(False)
        return lambda: eb.foundation_fit_classifier(own, X, Y, freeze_backbone=False, **FEW)
    if kind == "L-BFGS":
        return lambda: eb.foundation_probe_sweep(nn.Flatten(), X, Y, lr=(), C=9, seeds=1)
    stack = raster_file(tmp_path / "stack.tif")
    tiles = eb.foundation_tile_dataset(stack, 8, 9, seed=1)
    other = raster_file(tmp_path / "other.tif", ("silt", "ph"))
    if kind == "names of bands":
        return lambda: eb.foundation_patches_at_coords(tiles, [[5.5, 5.5]], other)
    if kind == "names of bands, embedded":
        two = eb.foundation_encoder("moco", 2, seed=1)
        return lambda: eb.foundation_embed_at_coords(two, [[5.5, 5.5]], other, dataset=tiles)
    if kind == "alpha":
        bytes_ = (RASTER[[0, 0, 0, 0]] * 9 + 99).astype(np.uint8)
        names = ("a", "b", "c", "d")
        path = raster_file(
            tmp_path / "alpha.tif", names, values=bytes_, photometric="rgb", alpha="yes"
        )
        return lambda: eb.foundation_tile_dataset(path, 8, 9, seed=1)
    assert kind == "constant band"
    flat = np.stack([RASTER[0], np.ones((30, 40))])
    return lambda: eb.foundation_tile_dataset(flat, 8, 9, seed=1)


def held_out(labels, seed):
    return draw_plan(len(labels), 0.2, Randomness(seed).generator).val_rows.tolist()


KINDS = re.findall(r'kind == "(.*)"', inspect.getsource(made))


@pytest.mark.parametrize("kind", KINDS)
def test_a_warning_names_the_line_of_the_call(kind, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("edaphos_bridge.training.lbfgs._ITERATIONS", 1)
    call = made(kind, encoder, tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert caught
    for warning in caught:
        assert issubclass(warning.category, EdaphosWarning)
        assert (warning.filename, warning.lineno) == (__file__, call.__code__.co_firstlineno)
    if kind.startswith("device"):
        assert caught[0].category is DeviceFallbackWarning


def test_no_line_of_the_package_counts_frames_by_hand():
    package = Path(eb.__file__).parent
    counting = [
        path.name for path in package.rglob("*.py")
        if "stacklevel" in path.read_text(encoding="utf-8") and path.name != "errors.py"
    ]  # fmt: skip
    assert counting == []


def test_a_folder_whose_name_only_begins_like_ours_is_the_users():
    script = f"{Path(eb.__file__).parent}_of_mine/script.py"
    code = compile("warn('rare class')", script, "exec")
    with pytest.warns(EdaphosWarning) as caught:
        exec(code, {"warn": warn, "__name__": "mine"})
    assert [warning.filename for warning in caught] == [script]

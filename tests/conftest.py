"""Threads, Hypothesis, and the small data, encoders and GeoTIFFs that most tests use."""

from __future__ import annotations

import contextlib
import copy
import os
import resource
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import rasterio
import torch
from torch import nn

from edaphos_bridge import foundation_encoder
from edaphos_bridge.data.labels import as_labels

# Bits and times should not depend on the machine: one thread here and in child processes.
# (Two threads that share two busy cores wait for each other: 40 times slower at this size.)
torch.set_num_threads(1)
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

# The same examples on every run; raise max_examples by hand to search further.
hypothesis.settings.register_profile(
    "edaphos", deadline=None, derandomize=True, max_examples=60, database=None
)
hypothesis.settings.load_profile("edaphos")


@pytest.fixture
def x():
    """41 patches: with all defaults 33 rows train, so the last batch has one patch."""
    return np.random.default_rng(1).normal(size=(41, 4, 5, 5))


@pytest.fixture
def y():
    """Labels of three classes for `x`."""
    return [["Oxisol", "Ultisol", "Inceptisol"][row % 3] for row in range(41)]


@pytest.fixture
def easy():
    """60 patches whose classes differ in brightness."""
    y = np.arange(60) % 3
    noise = np.random.default_rng(3).normal(size=(60, 4, 5, 5))
    return noise + 3 * y[:, None, None, None], y


@pytest.fixture
def several_threads():
    """Blocks of maps are computed in as many threads as torch has."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def encoder():
    """A small MoCo encoder for `x`, in training mode as a module is born."""
    return foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)


@pytest.fixture
def dropout_encoder():
    """A module of a user's own with every layer that behaves differently in training."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 6),
        nn.BatchNorm1d(6),
    )


@pytest.fixture
def equal_states():
    """Whether two state dicts hold the same names and bits."""

    def equal(one, other):
        return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)

    return equal


@pytest.fixture
def snapshot():
    """Everything about a module that a fit could change, as a comparable value."""

    def take(module):
        return (
            {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()},
            [part.training for part in module.modules()],
            [(p.requires_grad, None if p.grad is None else p.grad.tolist(), id(p))
             for p in module.parameters()],
            [sorted(part.__dict__) for part in module.modules()],
            [(len(part._forward_hooks), len(part._forward_pre_hooks)) for part in module.modules()],
        )  # fmt: skip

    return take


@pytest.fixture
def no_training(monkeypatch):
    """Make any start of training fail the test."""

    def train(*args, **kwargs):
        raise AssertionError("training started")

    monkeypatch.setattr("edaphos_bridge.fits.run.execute", train)


@pytest.fixture
def fresh_python(tmp_path):
    """Run code in a Python process of its own; return what it prints."""

    def run(code, *arguments):
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        ).stdout

    return run


@pytest.fixture(scope="session")
def data_folder():
    """Where recorded data lies."""
    return Path(__file__).parent / "fixtures"


@pytest.fixture
def state_of():
    """A deep copy of a module's state dict."""
    return lambda module: copy.deepcopy(dict(module.state_dict()))


@pytest.fixture
def limited_files():
    """A context in which writing beyond so many bytes of a file fails, as on a full disk."""

    @contextlib.contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def patches(x):
    """The 41 patches as float32."""
    return torch.from_numpy(x.astype(np.float32))


@pytest.fixture
def labels(y):
    """Their labels, read."""
    return as_labels(y)


@pytest.fixture
def bars(monkeypatch):
    """The bars that a terminal would show, in place of tqdm's."""
    made = []

    class Bar:
        def __init__(self, **options):
            made.append(self)
            self.options, self.shown, self.n, self.closed = options, {}, 0, False

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.closed = True

        def set_postfix(self, refresh, **values):
            self.shown = values

        def update(self, n):
            self.n += n

    monkeypatch.setattr("edaphos_bridge.training.progress.tqdm", Bar)
    return made


TRANSFORM = rasterio.Affine(10, 0, 500, 0, -10, 900)


@pytest.fixture
def write_tif(tmp_path):
    """Write bands ``(C, H, W)`` to a GeoTIFF and return its path."""

    def write(name, array, *, mask=None, names=None, scales=None, offsets=None, **profile):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        # GDAL would mark the fourth of four bytes as alpha.
        settings = {
            "driver": "GTiff", "count": len(array), "height": array.shape[1],
            "width": array.shape[2], "dtype": array.dtype.name, "transform": TRANSFORM,
            "crs": "EPSG:32723", "photometric": "minisblack", "alpha": "unspecified", **profile,
        }  # fmt: skip
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **settings) as f:
            f.write(array)
            if mask is not None:
                f.write_mask(mask)
            if names is not None:
                f.descriptions = names
            if scales is not None:
                f.scales, f.offsets = scales, offsets
        return path

    return write

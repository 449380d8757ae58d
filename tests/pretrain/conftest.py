"""Patches and settings for runs that take a moment."""

import numpy as np
import pytest

from edaphos_bridge import (
    LinearProbe,
    foundation_moco_pretrain,
    foundation_rotation_pretrain,
    foundation_simclr_pretrain,
)
from edaphos_bridge.pretrain import loop
from edaphos_bridge.training.events import Events

FUNCTIONS = {
    "moco": foundation_moco_pretrain,
    "simclr": foundation_simclr_pretrain,
    "rotation": foundation_rotation_pretrain,
}
SMALL = {"feature_dim": 6, "batch_size": 8, "epochs": 4, "steps_per_epoch": 1, "seed": 1}
CONTRASTIVE = {**SMALL, "proj_dim": 4}


@pytest.fixture
def patches():
    """24 patches of 3 channels."""
    return np.random.default_rng(1).normal(size=(24, 3, 5, 5))


@pytest.fixture(params=list(FUNCTIONS))
def pretrain(request, patches):
    """Each function on `patches` with small settings; arguments take their place."""
    small = SMALL if request.param == "rotation" else CONTRASTIVE

    def call(x=patches, **changes):
        return FUNCTIONS[request.param](x, **{**small, **changes})

    call.method = request.param
    return call


@pytest.fixture
def moco(patches):
    """`foundation_moco_pretrain` on `patches` with small settings."""
    return lambda x=patches, **changes: foundation_moco_pretrain(x, **{**CONTRASTIVE, **changes})


@pytest.fixture
def rotation(patches):
    """`foundation_rotation_pretrain` on `patches` with small settings."""
    return lambda x=patches, **changes: foundation_rotation_pretrain(x, **{**SMALL, **changes})


@pytest.fixture
def stopped(monkeypatch):
    """Make a run end with an error after a number of steps."""

    class StoppedError(Exception):
        pass

    def stop(call, after):
        class Stopping(Events):
            def on_epoch(self, report):
                if report.epoch == after:
                    raise StoppedError

        with monkeypatch.context() as patch:
            patch.setattr(
                "edaphos_bridge.pretrain.run.pretrain",
                lambda *args, **kwargs: loop.pretrain(*args[:4], Stopping(), *args[5:], **kwargs),
            )
            with pytest.raises(StoppedError):
                call()

    return stop


@pytest.fixture
def labelled(patches):
    """Patches and their classes, of which each is bright in a channel of its own."""
    y = np.arange(24) % 3
    x = patches.copy()
    x[np.arange(24), y] += 2
    return x, y


@pytest.fixture
def linear(labelled):
    """A linear probe on `labelled`."""
    return lambda **how: LinearProbe(*labelled, **how)

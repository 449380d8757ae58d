"""The recorded files of R torch and what is in them."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def r_file(data_folder):
    """The bytes of a recorded file of R torch."""
    return lambda name: (data_folder / "rtorch_files" / name).read_bytes()


@pytest.fixture(scope="session")
def inside(data_folder):
    """What was recorded of an encoder: state, features, projections, and the patches."""

    def read(name):
        with np.load(data_folder / "rtorch" / f"{name}.npz", allow_pickle=False) as stored:
            found = dict(stored)
        with np.load(data_folder / "rtorch" / "patches.npz", allow_pickle=False) as stored:
            return {**found, "x_pretrain": stored["x_pretrain"]}

    return read

"""Checkpoints: killed at any moment and started again, a run ends as if never interrupted."""

import json
import os
import stat
import subprocess
import sys

import pytest

from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.pretrain import loop
from edaphos_bridge.pretrain.checkpoint import FILE

# Starts the run again and again in forks of a process that has torch already. Each dies by
# SIGKILL a random while after a random epoch of its own; the last may end.
KILLER = """
import os, random, signal, sys, time
import numpy as np
import torch
from edaphos_bridge import (
    foundation_moco_pretrain, foundation_moco_pretrain_tiles, foundation_simclr_pretrain,
    foundation_tile_dataset,
)
from edaphos_bridge.pretrain import run

method, folder, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)  # a fork has no others
moments = random.Random(method)

def moco_on_tiles(stack, **settings):
    dataset = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=1)
    return foundation_moco_pretrain_tiles(dataset, **settings)

function = {
    "moco": foundation_moco_pretrain,
    "simclr": foundation_simclr_pretrain,
    "tiles": moco_on_tiles,
}[method]
patches = np.random.default_rng(1).normal(size=(40, 3, 5, 5))
if method == "tiles":
    patches = np.random.default_rng(1).normal(size=(3, 20, 30))

def train(**where):
    fit = function(
        patches, feature_dim=6, proj_dim=4, batch_size=8, epochs=100, seed=3, verbose=True, **where
    )
    fit.save(os.path.join(folder, "ended" if where else "whole"))

# What torch and kornia load at first use is loaded once, before the forks; without a backward
# pass, whose threads (torch has some where it knows of an accelerator) a fork would not have.
backward, torch.Tensor.backward = torch.Tensor.backward, lambda loss: None
function(patches, batch_size=8, epochs=1)
torch.Tensor.backward = backward

def in_a_fork(job):
    '''Start `job`; its output comes back through a pipe.'''
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writing, 1)
        status = 1
        try:
            job()
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    return pid, os.fdopen(reading)

run.pretrain_encoder.__globals__["pretrain"] = (lambda pretrain: lambda *args, **kwargs: pretrain(
    *args[:4], lambda report: print(report.epoch, flush=True), *args[5:], **kwargs
))(run.pretrain)

pid, output = in_a_fork(train)
whole = output.read().splitlines()
assert os.waitpid(pid, 0)[1] == 0 and len([w for w in whole if w.isdigit()]) == 100
killed, started_at = 0, []
while True:
    every = moments.choice([1, 2, 3])
    pid, output = in_a_fork(lambda: train(checkpoint_dir=folder, checkpoint_every=every))
    if killed == kills:
        started_at.append(int(output.readline()))
        output.read()
        assert os.waitpid(pid, 0)[1] == 0
        break
    lines = [int(output.readline()) for _ in range(moments.randint(2, 8))]
    time.sleep(moments.uniform(0, 0.01))
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    started_at.append(lines[0])
    killed += 1
print(started_at)
"""


@pytest.mark.parametrize("method", ["moco", "simclr", "tiles"])
def test_killed_at_random_moments_and_started_again_it_ends_bit_equal(method, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", KILLER, method, str(tmp_path), "4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    started_at = json.loads(done.stdout)
    assert len(started_at) == 5
    assert started_at[0] == 1
    assert started_at[-1] > 1
    assert (tmp_path / "ended").read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(os.listdir(tmp_path)) == [FILE, "ended", "whole"]


@pytest.fixture
def stopped(monkeypatch):
    """Make a run end with an error after a number of steps."""

    class StoppedError(Exception):
        pass

    def stop(call, after):
        def report(report):
            if report.epoch == after:
                raise StoppedError

        with monkeypatch.context() as patch:
            patch.setattr(
                "edaphos_bridge.pretrain.run.pretrain",
                lambda *args, **kwargs: loop.pretrain(*args[:4], report, *args[5:], **kwargs),
            )
            with pytest.raises(StoppedError):
                call()

    return stop


@pytest.mark.parametrize("after", [1, 2, 5])
@pytest.mark.parametrize("steps_per_epoch", [1, 3])
def test_stopped_after_any_epoch_it_goes_on_from_the_last_checkpoint(
    pretrain, tmp_path, stopped, after, steps_per_epoch
):
    def call(**where):
        return pretrain(epochs=6, steps_per_epoch=steps_per_epoch, **where)

    stopped(lambda: call(checkpoint_dir=tmp_path, checkpoint_every=2), after)
    assert call(checkpoint_dir=tmp_path).to_bytes() == call().to_bytes()


def test_a_run_that_had_ended_gives_its_result_again_without_training(
    pretrain, tmp_path, monkeypatch
):
    fit = pretrain(checkpoint_dir=tmp_path)
    monkeypatch.setattr("torch.optim.Adam.step", None)
    assert pretrain(checkpoint_dir=tmp_path).to_bytes() == fit.to_bytes()


def test_checkpoints_change_nothing_in_the_result(pretrain, tmp_path):
    with_checkpoints = pretrain(checkpoint_dir=tmp_path / "new" / "folder", checkpoint_every=1)
    assert with_checkpoints.to_bytes() == pretrain().to_bytes()
    assert os.listdir(tmp_path / "new" / "folder") == [FILE]
    assert stat.S_IMODE((tmp_path / "new" / "folder" / FILE).stat().st_mode) & 0o400


def test_without_a_seed_it_goes_on_with_that_of_the_checkpoint(pretrain, tmp_path, stopped):
    stopped(lambda: pretrain(seed=None, checkpoint_dir=tmp_path, checkpoint_every=1), 2)
    fit = pretrain(seed=None, checkpoint_dir=tmp_path)
    assert pretrain(seed=fit.config["seed"]).to_bytes() == fit.to_bytes()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lr": 0.5}, "lr = "),
        ({"epochs": 9}, "epochs = 4 there, 9 here"),
        ({"batch_size": 4}, "batch_size = 8 there, 4 here"),
        ({"seed": 2}, "seed = 1 there, 2 here"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(pretrain, tmp_path, changes, says):
    pretrain(checkpoint_dir=tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(InputError, match="`checkpoint_dir` holds the checkpoint of another run"):
        pretrain(checkpoint_dir=tmp_path, **changes)
    with pytest.raises(InputError, match=says):
        pretrain(checkpoint_dir=tmp_path, **changes)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_checkpoint_of_other_patches_is_refused(pretrain, tmp_path, patches):
    pretrain(checkpoint_dir=tmp_path)
    patches = patches.copy()
    patches[23, 2, 4, 4] += 1
    with pytest.raises(InputError, match="another run \\(patches = "):
        pretrain(patches, checkpoint_dir=tmp_path)


def test_a_damaged_checkpoint_is_an_error_that_names_the_file(pretrain, tmp_path):
    pretrain(checkpoint_dir=tmp_path)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-1])
    with pytest.raises(WeightsError, match=f"{FILE} cannot be read: .* Delete it"):
        pretrain(checkpoint_dir=tmp_path)


def test_what_a_run_killed_while_writing_left_behind_is_removed(pretrain, tmp_path):
    (tmp_path / f".{FILE}.0123").write_bytes(b"half")
    pretrain(checkpoint_dir=tmp_path)
    assert os.listdir(tmp_path) == [FILE]


def test_a_file_in_place_of_the_folder_is_refused(pretrain, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="`checkpoint_dir` cannot be made or is no folder"):
        pretrain(checkpoint_dir=tmp_path / "file")

"""Checkpoints: killed at any moment and started again, a run ends as if never interrupted."""

import errno
import json
import os
import stat
import subprocess
import sys

import pytest
import torch

from edaphos_bridge.errors import EdaphosWarning, InputError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.training import checkpoint
from edaphos_bridge.training.checkpoint import FILE

# Starts the run again and again in forks of a process that has torch already. Each dies by
# SIGKILL a random while after a random epoch of its own; the last may end.
KILLER = """
import os, random, signal, sys, time
import numpy as np
import torch
from edaphos_bridge import (
    LinearProbe, foundation_moco_pretrain, foundation_moco_pretrain_tiles,
    foundation_rotation_pretrain, foundation_rotation_pretrain_tiles, foundation_simclr_pretrain,
    foundation_tile_dataset,
)
from edaphos_bridge.pretrain import run
from edaphos_bridge.training.events import Events

method, folder, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)  # a fork has no others
moments = random.Random(method)

def watched(function):
    def pretrain(patches, **settings):
        probe = LinearProbe(patches, np.arange(40) % 2, every=3, patience=99)
        return function(patches, probe=probe, **settings)
    return pretrain

patches = np.random.default_rng(1).normal(size=(40, 3, 5, 5))
if method.endswith("tiles"):
    stack = np.random.default_rng(1).normal(size=(3, 20, 30))
    patches = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=1)
small, turns = {"feature_dim": 6, "proj_dim": 4}, {"feature_dim": 6, "steps_per_epoch": 1}
function, small = {
    "moco": (foundation_moco_pretrain, small),
    "simclr": (foundation_simclr_pretrain, small),
    "tiles": (foundation_moco_pretrain_tiles, small),
    "rotation": (foundation_rotation_pretrain, turns),
    "rotation, fixed": (foundation_rotation_pretrain, {"mode": "fixed", **turns}),
    "rotation tiles": (foundation_rotation_pretrain_tiles, turns),
    "moco, probe": (watched(foundation_moco_pretrain), small),
    "rotation, probe": (watched(foundation_rotation_pretrain), turns),
}[method]

def train(**where):
    fit = function(patches, **small, batch_size=8, epochs=100, seed=3, verbose=True, **where)
    fit.save(os.path.join(folder, "ended" if where else "whole"))

# What torch and kornia load at first use is loaded once, before the forks; without a backward
# pass, whose threads (torch has some where it knows of an accelerator) a fork would not have.
backward, torch.Tensor.backward = torch.Tensor.backward, lambda loss: None
function(patches, **small, batch_size=8, epochs=3)
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

class Printing(Events):
    def on_epoch(self, report):
        print(report.epoch, flush=True)

run.pretrain_encoder.__globals__["pretrain"] = (lambda pretrain: lambda *args, **kwargs: pretrain(
    *args[:4], Printing(), *args[5:], **kwargs
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


@pytest.mark.parametrize(
    "method",
    [
        "moco", "simclr", "tiles", "rotation", "rotation, fixed", "rotation tiles",
        "moco, probe", "rotation, probe",
    ],
)  # fmt: skip
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
        ({"lr": 0.5}, "another run .*lr = "),
        ({"epochs": 2}, "a longer run: 4 steps there, 2 here"),
        ({"steps_per_epoch": 2}, "another run .*steps_per_epoch = 1 there, 2 here"),
        ({"batch_size": 4}, "another run .*batch_size = 8 there, 4 here"),
        ({"seed": 2}, "another run .*seed = 1 there, 2 here"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(pretrain, tmp_path, changes, says):
    pretrain(checkpoint_dir=tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(InputError, match=f"`checkpoint_dir` holds the checkpoint of {says}"):
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


def test_tensors_of_another_shape_are_a_damaged_checkpoint(pretrain, tmp_path):
    pretrain(checkpoint_dir=tmp_path)
    tensors, document = unpack("pretraining checkpoint", (tmp_path / FILE).read_bytes())
    for name in [*list(tensors)[::13], "rng", "losses"]:
        wrong = {**tensors, name: torch.zeros(3, 1, dtype=tensors[name].dtype)}
        metadata = {key: document[key] for key in ("step", "identity")}
        (tmp_path / FILE).write_bytes(pack("pretraining checkpoint", wrong, metadata))
        with pytest.raises(WeightsError, match=f"{FILE} cannot be read: .* Delete it"):
            pretrain(checkpoint_dir=tmp_path)


def test_a_run_that_began_on_another_device_goes_on_here(pretrain, tmp_path, stopped):
    stopped(lambda: pretrain(checkpoint_dir=tmp_path, checkpoint_every=1), 2)
    tensors, document = unpack("pretraining checkpoint", (tmp_path / FILE).read_bytes())
    tensors["method.generators.cuda"] = torch.zeros(16, dtype=torch.uint8)
    metadata = {key: document[key] for key in ("step", "identity")}
    (tmp_path / FILE).write_bytes(pack("pretraining checkpoint", tensors, metadata))
    assert pretrain(checkpoint_dir=tmp_path).to_bytes() == pretrain().to_bytes()


def test_scores_of_another_number_are_a_damaged_checkpoint(rotation, tmp_path):
    rotation(checkpoint_dir=tmp_path)
    tensors, document = unpack("pretraining checkpoint", (tmp_path / FILE).read_bytes())
    metadata = {key: document[key] for key in ("step", "identity")}
    for scores in (None, tensors["scores"][:3], tensors["scores"].float()):
        wrong = {name: tensor for name, tensor in tensors.items() if name != "scores"}
        wrong |= {} if scores is None else {"scores": scores}
        (tmp_path / FILE).write_bytes(pack("pretraining checkpoint", wrong, metadata))
        with pytest.raises(WeightsError, match=f"{FILE} cannot be read: .* scores are .* Delete"):
            rotation(checkpoint_dir=tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("step", 0), ("step", 3), ("step", "4"), ("step", [4]), ("identity", []),
        ("identity", {}), ("identity", {"seed": [1]}), ("identity", {"seed": None}),
    ],
)  # fmt: skip
def test_metadata_that_does_not_fit_is_a_damaged_checkpoint(pretrain, tmp_path, place, value):
    pretrain(checkpoint_dir=tmp_path)
    tensors, document = unpack("pretraining checkpoint", (tmp_path / FILE).read_bytes())
    metadata = {key: document[key] for key in ("step", "identity")} | {place: value}
    (tmp_path / FILE).write_bytes(pack("pretraining checkpoint", tensors, metadata))
    with pytest.raises(WeightsError, match=f"{FILE} cannot be read: .* Delete it"):
        pretrain(checkpoint_dir=tmp_path)


# --- a longer run --------------------------------------------------------------------------


@pytest.mark.parametrize("steps_per_epoch", [1, 3])
def test_a_run_that_had_ended_can_be_made_longer_and_ends_bit_equal(
    pretrain, tmp_path, steps_per_epoch
):
    def call(epochs, **where):
        return pretrain(epochs=epochs, steps_per_epoch=steps_per_epoch, **where)

    assert call(4, checkpoint_dir=tmp_path).to_bytes() == call(4).to_bytes()
    assert call(6, checkpoint_dir=tmp_path).to_bytes() == call(6).to_bytes()
    assert call(9, checkpoint_dir=tmp_path, seed=None).to_bytes() == call(9).to_bytes()
    with pytest.raises(InputError, match="a longer run"):
        call(4, checkpoint_dir=tmp_path)


def test_a_run_that_was_stopped_can_end_earlier_than_it_was_to(pretrain, tmp_path, stopped):
    stopped(lambda: pretrain(epochs=9, checkpoint_dir=tmp_path, checkpoint_every=1), 3)
    assert pretrain(epochs=4, checkpoint_dir=tmp_path).to_bytes() == pretrain(epochs=4).to_bytes()


def test_a_run_with_a_momentum_schedule_cannot_be_made_longer_and_says_why(moco, tmp_path):
    fit = moco(momentum_schedule="cosine", checkpoint_dir=tmp_path)
    again = moco(momentum_schedule="cosine", checkpoint_dir=tmp_path)
    assert again.to_bytes() == fit.to_bytes()
    message = "epochs = 4 there, 6 here.*every step depends on the number of steps"
    with pytest.raises(InputError, match=message):
        moco(momentum_schedule="cosine", epochs=6, checkpoint_dir=tmp_path)


# --- the folder ----------------------------------------------------------------------------


def test_the_home_folder_is_expanded(pretrain, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    pretrain(checkpoint_dir="~/runs/one")
    assert os.listdir(tmp_path / "runs" / "one") == [FILE]


@pytest.mark.parametrize("folder", [3, "", "a\0b", b"bytes"])
def test_what_is_no_path_of_a_folder_is_refused(pretrain, folder):
    with pytest.raises(InputError, match="`checkpoint_dir` must be the path of a folder"):
        pretrain(checkpoint_dir=folder)


def test_a_full_disk_is_found_before_the_first_step(pretrain, tmp_path, limited_files, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.pretrain.loop.adam", Unstepped)
    with limited_files(4000), pytest.raises(InputError, match="`checkpoint_dir` cannot be written"):
        pretrain(checkpoint_dir=tmp_path)
    assert os.listdir(tmp_path) == []


def test_what_is_rehearsed_is_as_large_as_the_last_checkpoint(pretrain, tmp_path, limited_files):
    pretrain(checkpoint_dir=tmp_path / "one")
    size = (tmp_path / "one" / FILE).stat().st_size
    with limited_files(size - 1), pytest.raises(InputError, match="cannot be written"):
        pretrain(checkpoint_dir=tmp_path / "two")
    with limited_files(size + 2**17):
        pretrain(checkpoint_dir=tmp_path / "two")


class Unstepped(torch.optim.SGD):
    """An optimiser that must not be asked for a step."""

    def step(self, *args):
        raise AssertionError("a step was taken")


def test_a_folder_that_cannot_be_written_to_is_found_before_the_first_step(
    pretrain, tmp_path, monkeypatch
):
    monkeypatch.setattr("edaphos_bridge.pretrain.loop.adam", Unstepped)
    real = os.open

    def read_only(path, flags, *more, **named):
        if flags & os.O_CREAT and str(path).startswith(str(tmp_path)):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        with pytest.raises(InputError, match=r"cannot be written to \(Read-only file system"):
            pretrain(checkpoint_dir=tmp_path)


def failing_save(monkeypatch, from_step):
    real = checkpoint.write

    def write(path, data):
        step = unpack("pretraining checkpoint", data)[1]["step"]
        if step >= from_step:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(checkpoint, "write", write)


def test_when_only_the_last_checkpoint_fails_the_result_comes_with_a_warning(
    pretrain, tmp_path, monkeypatch
):
    failing_save(monkeypatch, from_step=4)
    with pytest.warns(EdaphosWarning, match="last checkpoint could not be written.*No space"):
        fit = pretrain(checkpoint_dir=tmp_path, checkpoint_every=2)
    monkeypatch.undo()
    assert fit.to_bytes() == pretrain().to_bytes()
    assert pretrain(checkpoint_dir=tmp_path).to_bytes() == fit.to_bytes()  # from step 2


def test_when_an_earlier_checkpoint_fails_the_run_ends_and_the_one_before_it_stays(
    pretrain, tmp_path, monkeypatch
):
    failing_save(monkeypatch, from_step=2)
    with pytest.raises(InputError, match=r"cannot be written to \(No space.*stays as it was"):
        pretrain(checkpoint_dir=tmp_path, checkpoint_every=1)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == [FILE]
    assert pretrain(checkpoint_dir=tmp_path).to_bytes() == pretrain().to_bytes()


def test_a_file_in_place_of_the_folder_is_refused(pretrain, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="`checkpoint_dir` cannot be made or is no folder"):
        pretrain(checkpoint_dir=tmp_path / "file")

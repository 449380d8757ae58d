"""Two runs in one folder: the second is refused, whatever becomes of the first."""

import os
import subprocess
import sys

import pytest

from edaphos_bridge.errors import InputError
from edaphos_bridge.files.folder_lock import LOCK, locked
from edaphos_bridge.training.checkpoint import FILE


def test_a_second_run_in_the_same_folder_is_refused_and_harms_nothing(pretrain, tmp_path):
    with locked(tmp_path):
        (tmp_path / f".{FILE}.0123").write_bytes(b"half of what the other run writes")
        with pytest.raises(InputError, match="`checkpoint_dir` is in use by another run"):
            pretrain(checkpoint_dir=tmp_path)
        assert (tmp_path / f".{FILE}.0123").exists()
    pretrain(checkpoint_dir=tmp_path)


HOLDER = """
import sys, time
from pathlib import Path
from edaphos_bridge.files.folder_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_another_process_ends_with_it_however_it_ends(pretrain, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="in use by another run"):
            pretrain(checkpoint_dir=tmp_path)
        holder.kill()
        holder.wait()
    assert os.listdir(tmp_path) == [LOCK]  # left behind, and nobody's
    pretrain(checkpoint_dir=tmp_path)
    assert os.listdir(tmp_path) == [FILE]


def test_the_lock_is_released_after_an_error(pretrain, tmp_path, stopped):
    stopped(lambda: pretrain(checkpoint_dir=tmp_path), 1)
    assert os.listdir(tmp_path) == []
    pretrain(checkpoint_dir=tmp_path)


def test_what_a_run_killed_while_writing_left_behind_is_removed(pretrain, tmp_path):
    (tmp_path / f".{FILE}.0123").write_bytes(b"half")
    pretrain(checkpoint_dir=tmp_path)
    assert os.listdir(tmp_path) == [FILE]

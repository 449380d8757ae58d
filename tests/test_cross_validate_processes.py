"""Cross-validations in several processes, stopped and gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edaphos_bridge import (
    foundation_fit_classifier,
)
from edaphos_bridge.basics.workers import own_libraries_first
from edaphos_bridge.errors import EdaphosWarning, InputError, TrainingError, WeightsError
from edaphos_bridge.experiments import cross_validation
from small_cross_validations import quick, same, same_numbers
from small_fits import small_network

# --- several processes --------------------------------------------------------------------


@pytest.fixture
def count_fits(monkeypatch):
    """The folds that are computed in this process."""
    computed = []
    compute = cross_validation.result_of

    def counted(recipe, encoder, x, y, fold):
        result = compute(recipe, encoder, x, y, fold)
        computed.append(fold.name)
        return result

    monkeypatch.setattr(cross_validation, "result_of", counted)
    return computed


def test_numbers_are_the_same_whatever_the_number_of_processes(encoder, easy, tmp_path):
    x, y = easy
    full = {"freeze_backbone": False}
    assert same(quick(encoder, x, y, n_jobs=2, **full), quick(encoder, x, y, **full))
    frozen = {"head": "mlp", "hidden": (5,), "dropout": 0.3}
    np.save(tmp_path / "x.npy", x)
    found = quick(encoder, tmp_path / "x.npy", y, n_jobs=5, **frozen)
    assert same(found, quick(encoder, x, y, **frozen))


def test_an_encoder_of_a_fit_crosses_and_warnings_come_back(encoder, x):
    fit = foundation_fit_classifier(encoder, x, ["a", "b"] * 20 + ["a"], epochs=1, seed=1)
    y = ["c"] + ["a", "b"] * 20
    folds = np.arange(41) // 21
    results = []
    for n_jobs in (1, 2):
        with pytest.warns(EdaphosWarning, match="left no training row of: c"):
            results.append(quick(fit, x, y, folds=folds, n_jobs=n_jobs))
    assert same(*results)


def test_an_error_of_another_process_is_raised_as_it_is(encoder, easy):
    x, y = easy
    with pytest.raises(TrainingError, match=r"diverged|finite"):
        quick(encoder, x, y, n_jobs=2, lr=1e30, freeze_backbone=False)


SCRIPT = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which the background ignores
import numpy as np
from edaphos_bridge import foundation_cross_validate, foundation_encoder
print("script")
y = np.arange(60) % 3
x = np.random.default_rng(3).normal(size=(60, 4, 5, 5)) + 3 * y[:, None, None, None]
encoder = foundation_encoder("moco", 4, feature_dim=8, proj_dim=4, seed=1)
foundation_cross_validate("foundation_fit_classifier", encoder, x, y, seed=1,
                          folds=np.random.default_rng(8).permutation(60) % 3,
                          epochs=int(sys.argv[2]), n_jobs=2, checkpoint_dir=sys.argv[1],
                          verbose=True, freeze_backbone=False)
"""


@pytest.fixture
def script(tmp_path):
    """Start a script that has no ``if __name__ == "__main__"``, in a process of its own."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")

    def start(folder, epochs):
        of_torch = "ignore:Implicitly cleaning up:ResourceWarning"  # 2.6 leaves it to the end
        strict = ["-W", "error", "-W", of_torch]
        command = [sys.executable, *strict, str(path), str(folder), str(epochs)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, **own_libraries_first()}  # other tests start R in this process
        return subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes)

    return start


def test_a_script_needs_no_guard_and_runs_once(script, tmp_path):
    out, err = script(tmp_path / "kept", 2).communicate(timeout=120)
    lines = out.splitlines()
    assert lines[0] == "script"
    assert all(line.startswith("[cross-validation] fold ") for line in lines[1:])
    assert [line[27:30] for line in lines[1:]] == ["1/3", "2/3", "3/3"]
    assert err == ""


def children(pid):
    """The processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(script, tmp_path, how):
    running = script(tmp_path / "kept", 10**6)
    wait_until(lambda: len(children(running.pid)) >= 3)  # two, and one of Python's own
    started = children(running.pid)
    time.sleep(1)
    running.send_signal(how)
    _, err = running.communicate(timeout=60)
    wait_until(lambda: not any(runs(pid) for pid in started))
    assert running.returncode != 0
    if how == signal.SIGINT:
        assert "KeyboardInterrupt" in err


# --- stopped and gone on with -------------------------------------------------------------


def test_a_finished_fold_is_never_computed_again(encoder, easy, tmp_path, count_fits, monkeypatch):
    x, y = easy
    expected = quick(encoder, x, y)
    assert count_fits == [0, 1, 2]
    folder = tmp_path / "kept"
    counted = cross_validation.result_of

    def stopped(recipe, encoder, x, y, fold):
        if fold.name == 2:
            raise KeyboardInterrupt
        return counted(recipe, encoder, x, y, fold)

    count_fits.clear()
    with monkeypatch.context() as patch:
        patch.setattr(cross_validation, "result_of", stopped)
        with pytest.raises(KeyboardInterrupt):
            quick(encoder, x, y, checkpoint_dir=folder)
    assert count_fits == [0, 1]
    assert same(quick(encoder, x, y, checkpoint_dir=folder), expected)
    assert count_fits == [0, 1, 2]
    assert same(quick(encoder, x, y, checkpoint_dir=folder), expected)
    assert count_fits == [0, 1, 2]
    # the processes, where x lies and defaults that are written out are no other settings
    assert same_numbers(quick(encoder, x, y, checkpoint_dir=folder, n_jobs=2, lr=1e-3), expected)
    assert same(quick(encoder, x.astype(np.float32), y, checkpoint_dir=folder), expected)
    assert count_fits == [0, 1, 2]


def test_a_killed_run_goes_on_from_its_finished_folds(script, encoder, easy, tmp_path, count_fits):
    x, y = easy
    folder = tmp_path / "kept"
    running = script(folder, 2)
    wait_until(lambda: list(folder.glob("fold-*")))
    running.kill()
    running.communicate(timeout=60)
    kept = len(list(folder.glob("fold-*")))
    found = quick(encoder, x, y, checkpoint_dir=folder, freeze_backbone=False)
    assert len(count_fits) == 3 - kept
    assert same_numbers(found, quick(encoder, x, y, freeze_backbone=False))


def test_without_a_seed_the_one_that_was_drawn_is_taken_again(encoder, easy, tmp_path, count_fits):
    x, y = easy
    first = quick(encoder, x, y, k=3, seed=None, checkpoint_dir=tmp_path)
    again = quick(encoder, x, y, k=3, seed=None, checkpoint_dir=tmp_path)
    assert same(first, again)
    assert count_fits == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lr": 0.5}, "lr = 0.001 there, 0.5 here"),
        ({"seed": 2}, "seed = 1 there, 2 here"),
        ({"folds": np.arange(60) % 4}, "folds = "),
        ({"x": 1}, "x = "),
        ({"y": 1}, "y = "),
        ({"encoder": small_network()}, "encoder = "),
        ({"fit": lambda *args, **kw: foundation_fit_classifier(*args, **kw)}, "fit = "),
    ],
)
def test_folds_of_another_call_are_refused(encoder, easy, tmp_path, change, told):
    x, y = easy
    quick(encoder, x, y, checkpoint_dir=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    x, y = x + change.pop("x", 0), (y + change.pop("y", 0)) % 3
    with pytest.raises(InputError, match="holds folds of another cross-validation") as caught:
        quick(change.pop("encoder", encoder), x, y, checkpoint_dir=tmp_path, **change)
    assert caught.value.argument == "checkpoint_dir"
    assert told in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_damaged_fold_is_an_error_that_names_the_file(encoder, easy, tmp_path):
    x, y = easy
    quick(encoder, x, y, checkpoint_dir=tmp_path)
    path = tmp_path / "fold-0002.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"fold-0002\.safetensors cannot be read.*Delete it"):
        quick(encoder, x, y, checkpoint_dir=tmp_path)


def test_a_folder_in_use_is_refused(encoder, easy, tmp_path):
    x, y = easy

    def inside(encoder, x, y, *, folds, seed, epochs):
        return quick(encoder, x, y, checkpoint_dir=tmp_path)

    with pytest.raises(InputError, match="`checkpoint_dir` is in use by another run"):
        quick(encoder, x, y, fit=inside, checkpoint_dir=tmp_path)

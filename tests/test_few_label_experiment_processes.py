"""Experiments with few labels in several processes, stopped and gone on with."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

from edaphos_bridge import foundation_moco_pretrain
from edaphos_bridge.basics.workers import own_libraries_first
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.experiments import few_labels
from small_experiments import FOLDS, PRETRAIN, quick, same
from small_fits import small_network

N_PARTS = 2 + 2 * 7  # encoders, fits


@pytest.fixture
def computed(monkeypatch):
    """What is computed in this process."""
    done = []
    pretrain, fit = few_labels._pretrain, few_labels._fit

    def noted_encoder(source, design, function, place):
        found = pretrain(source, design, function, place)
        done.append(place)
        return found

    def noted_fit(source, design, arm, key, encoder):
        found = fit(source, design, arm, key, encoder)
        done.append((arm.name, key[1]))
        return found

    monkeypatch.setattr(few_labels, "_pretrain", noted_encoder)
    monkeypatch.setattr(few_labels, "_fit", noted_fit)
    return done


def test_numbers_are_the_same_whatever_the_number_of_processes(encoder, easy):
    methods = {
        "SimCLR": PRETRAIN,  # in a process of its own
        "in this one": lambda x, seed: PRETRAIN(x, seed=seed),
        "ours": encoder,
    }
    assert same(quick(methods, *easy, n_jobs=3), quick(methods, *easy))


def test_an_encoder_of_ones_own_that_a_function_gives_stays_in_this_process(easy):
    def mine(x, seed):
        return small_network()

    assert quick({"mine": mine}, *easy).methods[0] == "mine"
    with pytest.raises(InputError, match="must be 1 for an encoder of your own"):
        quick({"mine": mine}, *easy, n_jobs=2)


# --- stopped and gone on with -------------------------------------------------------------


def test_what_is_finished_is_not_computed_again(easy, tmp_path, computed):
    methods = {"SimCLR": PRETRAIN}
    expected = quick(methods, *easy)
    computed.clear()
    assert same(quick(methods, *easy, checkpoint_dir=tmp_path), expected)
    assert len(computed) == len(list(tmp_path.glob("part-*.safetensors"))) == N_PARTS
    for gone in (1, 4, 16):
        (tmp_path / f"part-{gone:04d}.safetensors").unlink()
    computed.clear()
    assert same(quick(methods, *easy, checkpoint_dir=tmp_path), expected)
    assert computed == [0, ("SimCLR, probe", 0), ("image statistics", 1)]
    computed.clear()
    assert same(quick(methods, *easy, checkpoint_dir=tmp_path, n_jobs=2), expected)
    assert computed == []


def test_an_experiment_that_fails_in_the_middle_goes_on(easy, tmp_path, monkeypatch, computed):
    methods = {"SimCLR": PRETRAIN}

    class StoppedError(Exception):
        pass

    def stop_at_the_seventh(fit):
        def stopping(*job):
            if len(computed) == 6:
                raise StoppedError
            return fit(*job)

        return stopping

    with monkeypatch.context() as patched:
        patched.setattr(few_labels, "_fit", stop_at_the_seventh(few_labels._fit))
        with pytest.raises(StoppedError):
            quick(methods, *easy, checkpoint_dir=tmp_path)
    kept = len(computed)
    assert kept == 6
    computed.clear()
    found = quick(methods, *easy, checkpoint_dir=tmp_path)
    assert len(computed) == N_PARTS - kept
    assert same(found, quick(methods, *easy))


def test_without_a_seed_the_one_that_was_drawn_is_taken_again(encoder, easy, tmp_path):
    first = quick({"ours": encoder}, *easy, seed=None, checkpoint_dir=tmp_path)
    assert same(quick({"ours": encoder}, *easy, seed=None, checkpoint_dir=tmp_path), first)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"epochs": 2}, "epochs = 1 there, 2 here"),
        ({"labels": [9, np.inf]}, "labels = [9] there, [9, None] here"),
        ({"seed": 2}, "seed = 1 there, 2 here"),
        ({"folds": 1 - FOLDS}, "folds = "),
        ({"x": 1}, "x = "),
        ({"y": 1}, "y = "),
        ({"methods": {"SimCLR": partial(PRETRAIN, epochs=3)}}, "methods = "),
        ({"methods": {"MoCo": PRETRAIN}}, "methods = "),
        ({"methods": {"SimCLR": foundation_moco_pretrain}}, "methods = "),
        ({"methods": {"SimCLR": small_network()}}, "methods = "),
    ],
)
def test_parts_of_another_call_are_refused(easy, tmp_path, change, told):
    x, y = easy
    given = {"methods": {"SimCLR": PRETRAIN}, "checkpoint_dir": tmp_path, "scratch_epochs": []}
    quick(x=x, y=y, **given)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    x, y = x + change.get("x", 0), (y + change.get("y", 0)) % 3
    with pytest.raises(InputError, match="holds parts of another few-label experiment") as caught:
        quick(**{**given, **change, "x": x, "y": y})
    assert caught.value.argument == "checkpoint_dir"
    assert told in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_function_of_ones_own_cannot_be_told_from_another(easy, tmp_path):
    with pytest.raises(InputError, match="nothing says what it does") as caught:
        quick({"mine": lambda x, seed: small_network()}, *easy, checkpoint_dir=tmp_path)
    assert caught.value.argument == "methods"


@pytest.mark.parametrize("part", ["part-0001", "part-0005"])
def test_a_damaged_part_is_an_error_that_names_the_file(easy, tmp_path, part):
    quick({"SimCLR": PRETRAIN}, *easy, checkpoint_dir=tmp_path)
    path = tmp_path / f"{part}.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=rf"{part}\.safetensors cannot be read.*Delete it"):
        quick({"SimCLR": PRETRAIN}, *easy, checkpoint_dir=tmp_path)


SCRIPT = """
import sys
from functools import partial
import numpy as np
from edaphos_bridge import foundation_few_label_experiment, foundation_simclr_pretrain
y = np.arange(60) % 3
x = np.random.default_rng(3).normal(size=(60, 4, 5, 5)) + 3 * y[:, None, None, None]
found = foundation_few_label_experiment(
    {"SimCLR": partial(foundation_simclr_pretrain, epochs=2)}, x, y, [9, 15], k=2, repeats=6,
    epochs=4, batch_size=1, n_jobs=2, seed=1, checkpoint_dir=sys.argv[1])
print(found.table.drop(columns="seconds").to_csv())
"""


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_numbers(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, **own_libraries_first()}

    def start(folder):
        return subprocess.Popen(
            [sys.executable, str(path), str(folder)], cwd=tmp_path, env=environment,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    running, folder = start(tmp_path / "killed"), tmp_path / "killed"
    end = time.monotonic() + 120
    while len(list(folder.glob("part-*"))) < 12:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGKILL
    kept = {part: part.stat().st_mtime_ns for part in folder.glob("part-*.safetensors")}
    assert len(kept) >= 11
    out, _ = start(folder).communicate(timeout=120)
    assert {part: part.stat().st_mtime_ns for part in kept} == kept
    assert out == start(tmp_path / "whole").communicate(timeout=120)[0]
    assert len(out.splitlines()) > 80

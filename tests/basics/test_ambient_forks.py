"""Forks: torch waits there for threads that only the parent has, so a call refuses instead."""

import json
import subprocess
import sys

START = """
import json, multiprocessing, os, pickle, sys, tempfile
import numpy as np, torch
import edaphos_bridge as eb
from edaphos_bridge.errors import ForkedProcessError

x = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
y = ["dry", "wet"] * 30
torch.set_num_threads(2)
encoder = eb.foundation_encoder("moco", 4, seed=1)
raster = np.random.default_rng(1).normal(size=(4, 30, 40))
half = torch.from_numpy(raster).bfloat16()
tiles = eb.foundation_tile_dataset(raster, 8, 40, seed=1)
file = os.path.join(tempfile.mkdtemp(), "fit")
fit = None

CALLS = {
    "fit": lambda: eb.foundation_fit_classifier(encoder, x, y, epochs=1, seed=1),
    "fine-tuning": lambda: eb.foundation_fit_classifier(
        encoder, x, y, epochs=1, seed=1, freeze_backbone=False
    ),
    "sweep": lambda: eb.foundation_probe_sweep(encoder, x, y, seeds=1, epochs=1),
    "moco": lambda: eb.foundation_moco_pretrain(x, epochs=1, seed=1),
    "simclr": lambda: eb.foundation_simclr_pretrain(x, epochs=1, seed=1),
    "rotation": lambda: eb.foundation_rotation_pretrain(x, epochs=1, seed=1),
    "rotation on tiles": lambda: eb.foundation_rotation_pretrain_tiles(tiles, epochs=1, seed=1),
    "tiles": lambda: eb.foundation_moco_pretrain_tiles(tiles, epochs=1, seed=1),
    "embed": lambda: eb.foundation_moco_embed(encoder, x),
    "tiles of a tensor": lambda: eb.foundation_tile_dataset(half, 8, 40, seed=1),
    "points": lambda: eb.foundation_embed_at_coords(encoder, [[9, 9]], raster, dataset=tiles),
    "save weights": lambda: eb.foundation_weights_save(encoder, file),
    "predict": lambda: fit.predict(x),
    "save": lambda: fit.save(file),
    "load": lambda: eb.FoundationClassifier.load(file),
}

def outcome(name):
    try:
        CALLS[name]()
        return "done"
    except ForkedProcessError as error:
        return str(pickle.loads(pickle.dumps(error)))

def outcomes(names):
    return {name: outcome(name) for name in names}

def in_pool(job, *args):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(job, args)

def in_fork(job, *args):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(job(*args)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = json.load(pipe)
    os.waitpid(child, 0)
    return answer
"""


def run(code):
    """What a fresh process prints; its errors are this one's."""
    done = subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_fork_of_a_process_in_which_torch_has_threads_refuses_at_once():
    forks, goes_on = run("""
fit = CALLS["fit"]()
fit.save(file)
before = fit.predict_proba(x).tobytes()
forks = [in_fork(outcomes, list(CALLS)), in_pool(outcomes, list(CALLS))]
print(json.dumps([forks, fit.predict_proba(x).tobytes() == before]))
""")
    for answers in forks:
        assert len(answers) == 15
        for message in answers.values():
            assert message.startswith("this process was forked from one in which torch has started")
            assert "get_context('spawn')" in message
    assert goes_on


def test_a_fork_before_torch_has_threads_computes_and_a_fork_of_that_one_refuses():
    first, second = run("""
def both(names):
    return [outcomes(names), in_fork(outcomes, names)]
print(json.dumps(in_fork(both, ["fit", "moco", "embed"])))
""")
    assert first == dict.fromkeys(["fit", "moco", "embed"], "done")
    assert all(message.startswith("this process was forked") for message in second.values())


def test_a_fork_in_which_torch_does_without_threads_computes():
    answers = run("""
fit = CALLS["fit"]()
fit.save(file)
def alone(names):
    torch.set_num_threads(1)
    return outcomes(names)
print(json.dumps(in_fork(alone, list(CALLS))))
""")
    assert answers == dict.fromkeys(answers, "done")
    assert len(answers) == 15

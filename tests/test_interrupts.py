"""Ctrl-C during imports: it waits, and afterwards every module is whole."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from edaphos_bridge.interrupts import handled_by, held, imported


def press():
    signal.raise_signal(signal.SIGINT)


def test_a_press_inside_arrives_at_the_end():
    reached = []

    def work():
        with held():
            press()
            press()
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["the end"]


def test_without_a_press_nothing_happens_and_the_next_one_arrives_as_ever():
    with held():
        pass
    with pytest.raises(KeyboardInterrupt):
        press()


def test_the_users_own_handler_gets_the_press_and_stays():
    presses = []
    before = signal.signal(signal.SIGINT, lambda number, frame: presses.append(number))
    try:
        with held():
            press()
            assert presses == []
        assert presses == [signal.SIGINT]
        press()
        assert len(presses) == 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_held_inside_held_arrives_at_the_end_of_the_outer_one():
    reached = []

    def work():
        with held():
            with held():
                press()
            reached.append("between")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["between"]


def test_a_press_arrives_after_an_error_too():
    def work(presses):
        with held():
            if presses:
                press()
            raise ImportError("no such module")

    with pytest.raises(KeyboardInterrupt) as caught:
        work(presses=True)
    assert isinstance(caught.value.__context__, ImportError)
    with pytest.raises(ImportError):
        work(presses=False)


def test_a_press_that_is_not_delivered_is_noted():
    with held(deliver=False) as presses:
        press()
    assert presses == [signal.SIGINT]


def test_other_threads_import_without_a_word():
    found = []
    thread = threading.Thread(target=lambda: found.append(imported("json")))
    thread.start()
    thread.join()
    assert found == [json]


def test_a_handler_is_there_for_the_time_of_a_call():
    presses = []
    with handled_by(lambda number, frame: presses.append(number)):
        press()
    assert presses == [signal.SIGINT]
    with pytest.raises(KeyboardInterrupt):
        press()


# --- real imports ----------------------------------------------------------------------------

# The first calls of a fresh process, each again until it comes through. SIGINT is sent at every
# n-th import, hundreds of times; what is imported where the signal would reach it is named.
FIRST_CALLS = """
import json, os, signal, sys
import numpy as np
import edaphos_bridge as eb

every, stack = int(sys.argv[1]), sys.argv[2]

class Presses:
    count, exposed = 0, set()

    def find_spec(self, name, path=None, target=None):
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            Presses.exposed.add(name)
        Presses.count += 1
        if every and Presses.count % every == 0:
            os.kill(os.getpid(), signal.SIGINT)

x = np.random.default_rng(1).normal(size=(40, 4, 6, 6))
y = ["dry", "wet"] * 20
few = {"epochs": 2, "seed": 1}

def fit(**changes):
    encoder = eb.foundation_encoder("moco", 4, feature_dim=6, seed=1)
    return eb.foundation_fit_classifier(encoder, x, y, **few, **changes)

def sweep():
    encoder = eb.foundation_encoder("simclr", 4, seed=1)
    return eb.foundation_probe_sweep(encoder, x, y, seeds=1, epochs=2).settings["val_loss"].tolist()

CALLS = {
    "predict": lambda: fit().predict_proba(x).tolist(),
    "fine-tuning": lambda: fit(freeze_backbone=False).loss_history,
    "mlp": lambda: fit(head="mlp", dropout=0.1).loss_history,
    "sweep": sweep,
    "moco": lambda: eb.foundation_moco_pretrain(x, batch_size=8, **few).loss_history,
    "tiles": lambda: eb.foundation_tile_dataset(stack, 8, 9, seed=1).sample(2, 1).tolist(),
}
results, interrupts = {}, 0
sys.meta_path.insert(0, Presses())
for name, call in CALLS.items():
    while name not in results:
        try:
            results[name] = call()
        except KeyboardInterrupt:
            interrupts += 1
del sys.meta_path[0]
print(json.dumps([results, interrupts, Presses.count, sorted(Presses.exposed)]))
"""


def first_calls(every, stack):
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALLS, str(every), str(stack)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("interrupts") / "stack.tif"
    grid = {"height": 30, "width": 40, "transform": Affine(1, 0, 0, 0, -1, 30)}
    with rasterio.open(path, "w", "GTiff", count=2, dtype="float64", crs="EPSG:32633", **grid) as f:
        f.write(np.random.default_rng(2).normal(size=(2, 30, 40)))
    return path


@pytest.fixture(scope="module")
def undisturbed(stack):
    results, interrupts, _, exposed = first_calls(0, stack)
    assert interrupts == 0
    assert exposed == []
    return results


@pytest.mark.parametrize("every", [1, 7, 211])
def test_presses_at_any_import_of_the_first_calls_do_no_harm(stack, undisturbed, every):
    results, interrupts, imports, exposed = first_calls(every, stack)
    assert exposed == []
    assert imports > 1000
    assert interrupts >= 2
    assert results == undisturbed

"""Ctrl-C at any import of the first calls of a process: no harm is done."""

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from rasterio import Affine

# The first calls of a fresh process, each again until it comes through. SIGINT is sent at every
# n-th import, hundreds of times; what is imported where the signal would reach it is named.
FIRST_CALLS = """
import json, os, signal, sys
import numpy as np
import edaphos_bridge as eb

every, stack = int(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGINT, signal.default_int_handler)

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

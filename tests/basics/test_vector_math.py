"""The first parallel call of a vector function is as accurate as the later ones."""

import subprocess
import sys

import pytest

# Children are forked before torch has started a thread, so each makes its own first call, and
# more processes than cores make the race of pytorch#188792 likely: without the module, about
# one child in a hundred errs.
FIRST_CALLS = """
import os, sys
import numpy as np, torch
import edaphos_bridge.data.patches

x = np.random.default_rng(1).random(8192).astype(np.float32) + np.float32(0.01)
wanted = np.sqrt(x.astype(np.float64))
failed = 0
for _ in range(100):
    child = os.fork()
    if child == 0:
        try:
            got = torch.from_numpy(x).sqrt().numpy()
            os._exit(int(np.abs(got / wanted - 1).max() > 1e-6))
        except BaseException:
            os._exit(2)
    failed += os.waitpid(child, 0)[1] != 0
sys.exit(failed)
"""


def test_first_parallel_square_roots_are_accurate(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    processes = [subprocess.Popen([sys.executable, "-c", FIRST_CALLS]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]


@pytest.mark.parametrize("entry", ["edaphos_bridge.data.patches", "edaphos_bridge.basics.seeding"])
def test_every_entry_settles_the_functions(entry):
    code = f"""
import torch
called = []
for name in ("sqrt", "exp", "log"):
    def record(x, name=name, own=getattr(torch, name)):
        called.append((name, x.dtype, x.numel()))
        return own(x)
    setattr(torch, name, record)
import {entry}
expected = [(n, d, 1) for d in (torch.float32, torch.float64) for n in ("exp", "log", "sqrt")]
assert called == expected, called
"""
    subprocess.run([sys.executable, "-c", code], check=True)

"""Memory that was freed is used again, not fetched from the system for every batch."""

import platform
import subprocess
import sys

import pytest

# Six blocks at a time are more than what the C library keeps after freeing one of them.
ROUNDS = """
import resource, sys, torch

{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def batch():
    blocks = [torch.empty(2**21).fill_(1) for _ in range(6)]

batch()
batch()
before = faults()
for _ in range(10):
    batch()
print((faults() - before) // 10)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what the GNU C library does")
def test_batches_take_the_pages_of_the_batch_before(monkeypatch):
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)

    def pages(first):
        done = subprocess.run(
            [sys.executable, "-c", ROUNDS.format(first=first)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return int(done.stdout)

    assert pages("") > 1000
    assert pages("import edaphos_bridge.patches") < 10

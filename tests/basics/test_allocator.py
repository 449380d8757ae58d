"""Memory that was freed is used again, not fetched from the system for every batch."""

import platform
import subprocess
import sys

import pytest

# Four blocks at a time are more than what the C library keeps after freeing one of them, and half
# of what it keeps after freeing one of 32 MiB.
ROUNDS = """
import resource, sys, torch

{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def batch():
    blocks = [torch.empty(2**21).fill_(1) for _ in range(4)]

batch()
before = faults()
for _ in range(20):
    batch()
print(faults() - before)
"""


def pages(first):
    """Return how many pages 20 batches had fetched, after the first."""
    command = [sys.executable, "-c", ROUNDS.format(first=first)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what the GNU C library does")
def test_batches_take_the_pages_of_the_batch_before(monkeypatch):
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)

    # Without, two to six batches until the C library has learned; with, the heap may grow once.
    assert 2 * pages("import edaphos_bridge.data.patches") < pages("")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what the GNU C library does")
def test_so_they_do_in_a_worker_of_dasks_whose_environment_forbids_it(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    keep = "from edaphos_bridge.basics.allocator import keep_here; keep_here()"
    assert 2 * pages(keep) < pages("import edaphos_bridge.data.patches")

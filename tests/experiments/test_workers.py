"""Processes for many fits."""

import os

import pytest
import torch

from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.workers import workers


def test_each_process_is_a_new_one_of_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS")
    with workers(1) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(torch.get_num_threads).result() == 1
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


def test_another_number_of_processes_is_refused():
    with pytest.raises(InputError, match="`processes` must be a positive whole number"), workers(0):
        pass

"""Processes for many fits."""

import os
import signal
import sys
import sysconfig
import time

import pytest
import torch

from edaphos_bridge.basics.workers import one_thread, without_main, workers
from edaphos_bridge.errors import InputError


def test_each_process_is_a_new_one_of_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS")
    with workers(1) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(torch.get_num_threads).result() == 1
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


def test_each_finds_the_libraries_of_its_own_python_first(monkeypatch):
    own = sysconfig.get_config_var("LIBDIR")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/somebody/elses")
    with workers(1) as pool:
        assert pool.submit(os.getenv, "LD_LIBRARY_PATH").result() == f"{own}:/somebody/elses"
    assert os.environ["LD_LIBRARY_PATH"] == "/somebody/elses"


def test_another_number_of_processes_is_refused():
    with pytest.raises(InputError, match="`processes` must be a positive whole number"), workers(0):
        pass


def test_they_end_at_once_where_the_block_raises():
    started = []

    def fail():
        with workers(1) as pool:
            started.append(pool.submit(time.sleep, 10**6))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert started[0].done()


def test_an_interrupt_is_for_the_process_that_waits():
    with workers(1) as pool:
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


def runs_the_script():
    return sys.modules["__mp_main__"].__name__ == "__mp_main__"  # as the script sees itself then


def test_without_main_the_users_script_is_not_run_again():
    main = sys.modules["__main__"]
    with without_main(), workers(1) as pool:
        assert pool.submit(runs_the_script).result() is False
    assert sys.modules["__main__"] is main


def test_one_thread_here_too_and_as_many_as_before_afterwards():
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_each_keeps_compiled_code_where_this_process_does(monkeypatch):
    """R takes the variable back from the system when Python has read it."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/some/folder")
    os.unsetenv("TORCHINDUCTOR_CACHE_DIR")
    with workers(1) as pool:
        found = pool.submit(os.getenv, "TORCHINDUCTOR_CACHE_DIR").result()
    assert found == "/some/folder"

"""Seeded sections: reproducible inside, invisible outside."""

import threading

import numpy as np
import pytest
import torch

from edaphos_bridge.seeding import draw_seed, seeded


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    def draw(seed):
        with seeded(seed):
            return torch.randn(8)

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))
    assert torch.equal(draw(-5), draw(-5))


def test_the_callers_generators_go_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(9)
    np.random.seed(9)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    with seeded(1, torch.device("cpu")):
        torch.randn(100)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


def test_the_generator_is_put_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(1):
        torch.randn(3) / (1 // 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_sections_nest():
    with seeded(1):
        first = torch.randn(2)
        with seeded(2):
            torch.randn(7)
        second = torch.randn(2)
    with seeded(1):
        assert torch.equal(torch.randn(2), first)
        assert torch.equal(torch.randn(2), second)


def test_two_threads_do_not_draw_from_each_others_stream():
    def draw(seed, into):
        with seeded(seed):
            into.append([torch.randn(1).item() for _ in range(200)])

    alone, together = [], []
    for seed in (1, 2):
        draw(seed, alone)
    threads = [threading.Thread(target=draw, args=(seed, together)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(together) == sorted(alone)


def test_a_drawn_seed_fits_an_r_integer_and_differs_from_the_last():
    seeds = {draw_seed() for _ in range(20)}
    assert len(seeds) > 15
    assert all(0 <= seed < 2**31 for seed in seeds)

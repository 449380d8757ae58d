"""Ctrl-C: it waits for a pause or an end, and afterwards everything is whole."""

import json
import signal
import sys
import threading

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

import edaphos_bridge as eb
from edaphos_bridge.basics.interrupts import at_once, at_pauses, handled_by, held, imported, pause
from edaphos_bridge.encoders.features import over_batches
from edaphos_bridge.raster.sources import open_raster
from small_fits import quick


@pytest.fixture(autouse=True)
def as_in_a_terminal():
    """Presses arrive also where the tests run in the background, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


# --- while a call runs -----------------------------------------------------------------------


def test_a_press_waits_for_the_next_pause():
    reached = []

    def work():
        with at_pauses():
            press()
            reached.append("before the pause")
            pause()
            reached.append("after it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["before the pause"]


def test_every_window_of_a_raster_is_a_pause():
    reached = []

    def work():
        with open_raster(np.zeros((2, 20, 20))) as raster, at_pauses():
            press()
            raster.read(5, 5, 3, 3)  # inside, as nearly all are
            reached.append("another window")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == []


def test_a_press_after_the_last_pause_arrives_at_the_end():
    reached = []

    def work():
        with at_pauses():
            pause()
            press()
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["the end"]


def test_the_second_press_arrives_at_once():
    reached = []

    def work():
        with at_pauses():
            press()
            reached.append("one")
            press()
            reached.append("two")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["one"]
    pause()


def test_a_call_inside_a_call_waits_for_the_pauses_of_both():
    reached = []

    def work():
        with at_pauses():
            with at_pauses():
                press()
            reached.append("between")
            pause()
            reached.append("after")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["between"]


def test_what_waits_long_is_interrupted_at_once():
    reached = []

    def work(pressed_before):
        with at_pauses():
            if pressed_before:
                press()
            with at_once():
                reached.append("waiting")
                press()
            reached.append("went on")

    for pressed_before in (False, True):
        with pytest.raises(KeyboardInterrupt):
            work(pressed_before)
    assert reached == ["waiting"]
    with at_once(), pytest.raises(KeyboardInterrupt):
        press()


def test_a_handler_of_the_users_that_raises_nothing_lets_a_call_go_on():
    presses = []
    before = signal.signal(signal.SIGINT, lambda number, frame: presses.append(number))
    try:
        with at_pauses():
            press()
            pause()
            assert presses == [signal.SIGINT]
            press()
        assert len(presses) == 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_threads_pause_leaves_the_press_to_the_main_thread():
    reached = []

    def work():
        with at_pauses():
            press()
            thread = threading.Thread(target=pause)
            thread.start()
            thread.join()
            reached.append("after the other thread's")
            pause()
            reached.append("after ours")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["after the other thread's"]


def state_of_torch():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        len(_get_current_dispatch_mode_stack()),
        str(torch._C._dispatch_tls_local_exclude_set()),
        str(torch._C._dispatch_tls_local_include_set()),
        signal.getsignal(signal.SIGINT),
    )


def short_calls():
    x = np.random.default_rng(1).normal(size=(24, 4, 5, 5))
    y = ["dry", "wet"] * 12
    encoder = eb.foundation_encoder("moco", 4, feature_dim=6, seed=1)
    mlp = eb.foundation_fit_classifier(encoder, x, y, head="mlp", dropout=0.1, epochs=1, seed=1)
    tuned = eb.foundation_fit_classifier(encoder, x, y, freeze_backbone=False, epochs=1, seed=1)
    moco = eb.foundation_moco_pretrain(x, batch_size=8, epochs=1, seed=1)
    losses = [*mlp.loss_history, *tuned.loss_history, *moco.loss_history]
    return losses, tuned.predict_proba(x).tolist()


class Presses:
    """Presses at the n-th time that some context begins or ends: Python's profiler sees it."""

    NAMES = ("__enter__", "__exit__", "_push_mode", "_pop_mode", "set_grad_enabled")

    def __init__(self, at):
        self.at, self.seen = at, 0

    def __call__(self, frame, event, arg):
        if frame.f_code.co_name in self.NAMES and signal.getsignal(signal.SIGINT) is not None:
            self.seen += 1
            if self.seen == self.at:
                press()


def profiled(at=0):
    """Return what the calls give, or None where they are interrupted, and how often it looked."""
    presses = Presses(at)
    sys.setprofile(presses)
    try:
        return short_calls(), presses.seen
    except KeyboardInterrupt:
        return None, presses.seen
    finally:
        sys.setprofile(None)


def test_a_press_while_a_context_begins_or_ends_leaves_torch_as_it_was():
    expected = short_calls()
    clean = state_of_torch()
    undisturbed, moments = profiled()
    assert undisturbed == expected
    assert moments > 500
    for at in range(1, moments + 1, max(1, moments // 150)):
        interrupted, _ = profiled(at)
        assert interrupted is None
        assert state_of_torch() == clean
    assert short_calls() == expected


def test_a_press_in_a_prediction_arrives_at_the_next_batch_or_pass(encoder, x, y):
    computed = []

    def compute(batch):
        computed.append(len(batch))
        press()
        return batch

    batches = [(slice(0, 2), torch.zeros(2, 1)), (slice(2, 4), torch.zeros(2, 1))]
    with pytest.raises(KeyboardInterrupt), at_pauses():
        over_batches(compute, batches, torch.zeros(4, 1), torch.device("cpu"))
    assert computed == [2]

    fit = quick(encoder, x, y, head="mlp", hidden=4, dropout=0.5)
    computed.clear()
    fit.head.register_forward_pre_hook(lambda head, given: (compute(given[0]), None)[1])
    with pytest.raises(KeyboardInterrupt):
        eb.foundation_mcdropout_predict(fit, x, n_draws=3, seed=1)
    assert len(computed) == 1

"""What states become is kept for the next call, within a bound of bytes."""

import gc
import weakref

from edaphos_bridge.interop import kept
from edaphos_bridge.interop.kept import MOST_BYTES, MOST_STATES, Kept


class Thing:
    def __init__(self, state, module=None):
        self.state, self.module = state, module


def test_a_state_becomes_the_same_object_again_whatever_holds_its_bytes():
    things = Kept(Thing)
    one = things.get(b"one")
    assert things.get(bytearray(b"one")) is one
    assert things.get(b"two") is not one
    assert (one.state, one.module) == (b"one", None)


def test_with_another_module_it_is_another_object():
    things, module, other = Kept(Thing), object(), object()
    one = things.get(b"one", module)
    assert one.module is module
    assert things.get(b"one", module) is one
    assert things.get(b"one", other).module is other


def test_the_last_ones_used_are_kept_and_no_more_than_so_many():
    things = Kept(Thing)
    made = {n: weakref.ref(things.get(bytes([n]))) for n in range(MOST_STATES)}
    things.get(bytes([0]))  # used again
    things.get(b"one more")
    gc.collect()
    assert [n for n in made if made[n]() is None] == [1]


def test_large_states_are_kept_only_up_to_a_number_of_bytes(monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 100)
    things = Kept(Thing)
    made = [weakref.ref(things.get(bytes([n]) * 40)) for n in range(4)]
    gc.collect()
    assert [ref() is not None for ref in made] == [False, False, True, True]
    huge = weakref.ref(things.get(b"huge" * 100))  # kept alone
    gc.collect()
    assert huge() is not None
    assert [ref() is not None for ref in made] == [False] * 4
    things.get(b"small")
    gc.collect()
    assert huge() is None


def test_the_bound_is_a_few_of_the_largest_encoders_in_use():
    assert MOST_STATES == 8
    assert MOST_BYTES == 64 * 2**20


def test_the_bytes_of_a_state_are_not_kept():
    things = Kept(lambda state: object())

    class State(bytearray):
        """A bytearray that can be watched."""

    state = State(b"one")
    watched = weakref.ref(state)
    things.get(state)
    del state
    gc.collect()
    assert watched() is None

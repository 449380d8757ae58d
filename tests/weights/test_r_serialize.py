"""R's serialize(): what is read, and that nothing else is."""

import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.r_serialize import unserialize


def i4(*numbers):
    return b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)


def text(value):
    return i4(0x40009, len(value)) + value.encode()


def strings(*values, flags=0x10):
    return i4(flags, len(values)) + b"".join(text(value) for value in values)


START = b"X\n" + i4(3, 0x40205, 0x30500, 5) + b"UTF-8"
NAMES = i4(0x402) + i4(1) + text("names")
REFERENCE = i4(0x402, 0x1FF)
END = i4(254)


def test_a_named_list_with_everything_that_is_known():
    data = START + i4(0x213, 5) + strings("x", flags=0x210) + NAMES + strings("n") + END
    data += i4(0x10, 1) + i4(9, -1)  # NA
    data += i4(24, 3) + b"abc" + i4(13, 2, 1, -5) + i4(254)
    data += REFERENCE + strings("a", "b", "c", "d", "e") + END
    found = unserialize(data)
    assert found.kind == "list"
    assert found.names == ["a", "b", "c", "d", "e"]
    assert [item.kind for item in found.values] == ["strings", "strings", "raw", "numbers", "null"]
    assert found.values[0].names == ["n"]
    assert found.values[1].values == [None]
    assert bytes(found.element("c").values) == b"abc"
    assert found.element("d").values.tolist() == [1, -5]
    assert found.element("z") is None


def test_version_2_has_no_encoding():
    assert unserialize(b"X\n" + i4(2, 0, 0) + strings("a")).values == ["a"]


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 6, 7, 8, 20, 21, 22, 23, 25, 238, 239, 255])
def test_what_can_carry_code_or_is_unknown_is_refused(kind):
    with pytest.raises(WeightsError, match=rf"type {kind}\) that is neither"):
        unserialize(START + i4(kind) + bytes(100))


@pytest.mark.parametrize("kind", [10, 13, 14, 16, 19, 24])
@pytest.mark.parametrize("count", [2**31 - 1, 10**6, 26, -1, -(2**31)])
def test_a_claimed_length_is_held_against_the_bytes_that_are_left(kind, count):
    tracemalloc.start()
    with pytest.raises(WeightsError):
        unserialize(START + i4(kind, count) + bytes(25))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**17


def test_depth_and_number_of_items_are_bounded():
    with pytest.raises(WeightsError, match="nested more than"):
        unserialize(START + i4(19, 1) * 10_000 + i4(254))
    with pytest.raises(WeightsError, match="more than 200000 items"):
        unserialize(START + i4(19, 300_000) + i4(254) * 300_000)


@pytest.mark.parametrize(
    "rest",
    [
        i4(254) + b"x",
        i4(0x213, 0) + i4(0x402, 0x1FF) + i4(254) + END,  # a reference to no symbol
        i4(0x213, 0) + i4(0x402) + i4(1, 9, -1) + i4(254) + END,  # a symbol called NA
        i4(0x213, 0) + i4(2) + i4(254) + END,  # an attribute without a name
        i4(0x10, 1) + i4(13, 1),
        i4(0x10, 1) + i4(9, -2),
        i4(0x10, 1) + i4(9, 1) + b"\xff",
    ],
)
def test_damage_is_an_error(rest):
    with pytest.raises(WeightsError):
        unserialize(START + rest)


def test_names_that_do_not_fit_are_an_error():
    found = unserialize(START + i4(0x213, 1) + i4(254) + NAMES + strings("a", "b") + END)
    with pytest.raises(WeightsError, match="one name for each"):
        found.element("a")


def test_other_formats_and_versions_are_an_error():
    for data in (
        b"",
        b"A\n",
        b"B\n\3\0\0\0",
        b"RDX3\nX\n",
        b"X\n" + i4(4),
        b"X\n" + i4(3, 1, 1, 99),
    ):
        with pytest.raises(WeightsError):
            unserialize(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    for whole in (data, START + data):
        with contextlib.suppress(WeightsError):
            unserialize(whole)


@given(st.lists(st.sampled_from([0, 1, 2, 9, 10, 13, 14, 16, 19, 24, 254, 255, 0x1FF, 0x213, 0x402,
                                 0x210, 0x218, -1]), max_size=60))  # fmt: skip
def test_any_sequence_of_known_items_is_read_or_refused(numbers):
    with contextlib.suppress(WeightsError):
        unserialize(START + i4(*numbers))

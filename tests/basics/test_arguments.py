"""Single values: the exact type comes back, or an InputError with the name and the value."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.basics.arguments import choice, flag, number, seed_number, whole, widths
from edaphos_bridge.errors import InputError


def refuses(check, value, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        check("thing", value, *args, **kwargs)
    assert caught.value.argument == "thing"
    assert str(caught.value).startswith("`thing` must be")
    return str(caught.value)


def test_a_choice_is_one_of_the_allowed_strings():
    assert choice("thing", "mlp", ("linear", "mlp")) == "mlp"
    assert type(choice("thing", np.str_("mlp"), ("linear", "mlp"))) is str


@pytest.mark.parametrize("value", ["MLP", "", None, 1, b"mlp", ["mlp"], True])
def test_anything_else_is_no_choice(value):
    message = refuses(choice, value, ("linear", "mlp"))
    assert "'linear', 'mlp'" in message
    assert f"found {value!r}" in message


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_a_flag_is_true_or_false(value):
    assert flag("thing", value) is bool(value)


@pytest.mark.parametrize("value", ["yes", "TRUE", None, 0, 1, 1.0, math.nan, [True], np.array([1])])
def test_anything_else_is_no_flag(value):
    assert f"found {value!r}" in refuses(flag, value)


@pytest.mark.parametrize(
    "value", [40, 40.0, np.int64(40), np.uint8(40), np.float32(40), Fraction(40)]
)
def test_a_whole_number_may_be_written_as_a_float(value):
    assert whole("thing", value) == 40
    assert type(whole("thing", value)) is int


@pytest.mark.parametrize(
    "value",
    [2.7, 0, -1, math.nan, math.inf, -math.inf, True, np.True_, "3", None, [3], 3j, np.ones(1)],
)
def test_anything_else_is_no_positive_whole_number(value):
    message = refuses(whole, value)
    assert "positive whole number" in message
    assert f"found {value!r}" in message


@pytest.mark.parametrize("check", [whole, number, widths])
def test_a_number_beyond_any_float_is_refused(check):
    refuses(check, 10**400)


@pytest.mark.parametrize("value", [2**31, 2**63, 2**64, 1e18])
def test_a_count_beyond_what_r_and_torch_can_hold_is_refused(value):
    assert "must be a whole number up to 2147483647; found" in refuses(whole, value)
    refuses(widths, value)


@pytest.mark.parametrize("check", [whole, number, widths])
def test_a_duration_is_no_number(check):
    refuses(check, np.timedelta64(3, "D"))
    with pytest.raises(InputError):
        seed_number(np.timedelta64(3))


def test_a_number_too_long_to_print_is_refused_all_the_same():
    assert "found <int>" in refuses(number, 10**5000)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_finite_number_comes_back_as_the_float_it_is(value):
    assert number("thing", value) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, "1", None, True, [1.0], 1j, np.ones(1)])
def test_anything_else_is_no_number(value):
    assert f"found {value!r}" in refuses(number, value)


def test_bounds_are_exclusive_or_inclusive_as_named():
    assert number("thing", 0, minimum=0, below=1) == 0
    assert "at least 0 and less than 1" in refuses(number, 1, minimum=0, below=1)
    refuses(number, -1e-300, minimum=0, below=1)
    assert "greater than 0" in refuses(number, 0, above=0)
    assert number("thing", 5e-324, above=0) > 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((64, 32), (64, 32)),
        ([64.0, 32.0], (64, 32)),
        (np.array([64, 32]), (64, 32)),
        (64, (64,)),
        (np.float64(64), (64,)),
        ((), ()),
        (iter([3, 2]), (3, 2)),
    ],
)
def test_widths_are_a_sequence_of_positive_whole_numbers(value, expected):
    found = widths("thing", value)
    assert found == expected
    assert all(type(width) is int for width in found)


@pytest.mark.parametrize("value", [None, "64", b"64", [64, 2.7], [0], [-1], ["64"], [None], True])
def test_anything_else_is_no_widths(value):
    message = refuses(widths, value)
    assert "sequence of positive whole numbers" in message
    assert f"found {value!r}" in message


@pytest.mark.parametrize("value", [0, -5, 1.0, 2**53, -(2**53), np.int32(7)])
def test_a_seed_is_a_whole_number_that_r_can_hold(value):
    assert seed_number(value) == int(value)
    assert type(seed_number(value)) is int


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2.5, math.nan, True, "1", [1], 2.0**60])
def test_anything_else_is_no_seed(value):
    with pytest.raises(InputError, match=r"`seed` must be a whole number between -2\^53 and 2\^53"):
        seed_number(value)

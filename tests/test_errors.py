"""Messages: the argument, what was found, what to do; in the caller's notation."""

import copy
import pickle

import pytest

from edaphos_bridge.errors import (
    PYTHON,
    DeviceFallbackWarning,
    EdaphosError,
    EdaphosWarning,
    InputError,
    Notation,
    TrainingError,
    WeightsError,
)

R_LIKE = Notation(first_index=1, show=lambda value: "TRUE" if value is True else str(value))


def test_a_message_names_the_argument_the_problem_the_value_and_the_remedy():
    error = InputError("lr", "must be greater than 0", found=-1, hint="Try 1e-3.")
    assert str(error) == "`lr` must be greater than 0; found -1. Try 1e-3."


def test_a_message_without_value_or_remedy_ends_in_a_full_stop():
    assert str(InputError("y", "must be one-dimensional")) == "`y` must be one-dimensional."


def test_none_is_a_value_that_is_shown():
    assert "found None" in str(InputError("head", "must be 'linear'", found=None))


def test_rows_count_from_0_in_python_and_from_1_in_r():
    error = InputError("x", "holds NaN", rows=[0, 7])
    assert "(first: 0, 7; counted from 0)" in str(error)
    assert "(first: 1, 8; counted from 1)" in error.render(R_LIKE)


def test_only_the_first_five_rows_are_shown_and_all_are_kept():
    error = InputError("x", "holds NaN", rows=range(9))
    assert "(first: 0, 1, 2, 3, 4, ...; counted from 0)" in str(error)
    assert error.rows == tuple(range(9))


def test_five_rows_are_shown_without_dots():
    assert "(first: 0, 1, 2, 3, 4; counted" in str(InputError("x", "holds NaN", rows=range(5)))


def test_values_are_written_in_the_notation_of_the_caller():
    error = InputError("epochs", "must be a number", found=True)
    assert "found True" in error.render(PYTHON)
    assert "found TRUE" in error.render(R_LIKE)


def test_a_long_value_is_cut_and_its_type_named():
    text = str(InputError("y", "is wrong", found=list(range(1000))))
    assert len(text) < 120
    assert "... (list)" in text


@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_an_input_error_survives_copying_and_pickling(again):
    error = InputError("x", "holds NaN", found=3, rows=[2], hint="Fill.")
    twin = again(error)
    assert type(twin) is InputError
    assert str(twin) == str(error)
    assert twin.render(R_LIKE) == error.render(R_LIKE)


def test_errors_are_also_the_builtin_kinds_that_callers_catch():
    assert issubclass(InputError, ValueError)
    assert issubclass(TrainingError, RuntimeError)
    for kind in (InputError, TrainingError, WeightsError):
        assert issubclass(kind, EdaphosError)
    assert issubclass(DeviceFallbackWarning, EdaphosWarning)
    assert issubclass(EdaphosWarning, UserWarning)


def test_other_errors_render_their_text_in_any_notation():
    assert WeightsError("broken").render(R_LIKE) == "broken"
    assert WeightsError().render() == ""

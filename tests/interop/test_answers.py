"""Answers: no exception crosses into R, and R's words are used."""

import warnings

import numpy as np
import pytest

from edaphos_bridge.errors import DeviceFallbackWarning, EdaphosWarning, InputError
from edaphos_bridge.interop.answers import Interrupted, R, answered


def test_a_value_is_answered_without_error():
    assert answered(lambda a, b: a + b)(1, b=2) == {
        "value": 3,
        "error": None,
        "warnings": [],
        "messages": [],
    }


def test_rows_of_an_input_error_count_from_1_in_the_answer():
    def refuse():
        raise InputError("x", "holds NA", rows=[0, 4])

    error = answered(refuse)()["error"]
    assert error["message"] == "`x` holds NA (first: 1, 5; counted from 1)."
    assert error["argument"] == "x"
    assert error["classes"] == ["edaphosbridge_input_error", "edaphosbridge_error"]


def test_any_other_exception_is_a_python_error_with_its_traceback():
    error = answered(lambda: 1 / 0)()["error"]
    assert error["classes"] == ["edaphosbridge_python_error", "edaphosbridge_error"]
    assert error["message"] == "ZeroDivisionError: division by zero"
    assert "Traceback" in error["traceback"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, Interrupted])
def test_an_interrupt_is_answered_as_one(interrupt):
    def stop():
        raise interrupt

    error = answered(stop)()["error"]
    assert error["classes"] == ["edaphosbridge_interrupt", "edaphosbridge_error"]
    assert error["message"] == "interrupted by the user."


def test_warnings_are_collected_and_the_device_note_is_a_message():
    def warn():
        warnings.warn("rare class", EdaphosWarning, stacklevel=1)
        warnings.warn("rare class", EdaphosWarning, stacklevel=1)  # of another fit of the call
        warnings.warn("note: cpu", DeviceFallbackWarning, stacklevel=1)

    answer = answered(warn)()
    assert answer["warnings"] == ["rare class"]
    assert answer["messages"] == ["note: cpu"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (False, "FALSE"),
        (float("nan"), "NA"),
        (float("inf"), "Inf"),
        (-float("inf"), "-Inf"),
        (2.0, "2"),
        (2.7, "2.7"),
        ([1, 2.5, "a"], "c(1, 2.5, 'a')"),
        ("yes", "'yes'"),
        (np.dtype("complex128"), "dtype('complex128')"),
    ],
)
def test_values_are_shown_as_r_writes_them(value, text):
    assert R.show(value) == text

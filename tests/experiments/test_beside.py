"""Jobs in other processes: what comes back of those that fail."""

import pickle

import pytest

from edaphos_bridge.errors import InputError, TrainingError
from edaphos_bridge.experiments.beside import done_beside


class TakesTwoError(Exception):
    """An error that pickle cannot build anew from its message."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


class HeldError(ValueError):
    """An error that pickle refuses."""

    def __reduce__(self):
        raise pickle.PicklingError("stays here")


def fail(kind, *arguments):
    raise {"two": TakesTwoError, "held": HeldError, "input": InputError}[kind](*arguments)


@pytest.mark.parametrize(
    ("job", "raised", "message"),
    [
        (("two", 1, 2), TrainingError, "^TakesTwoError: 1 and 2$"),
        (("held", "mine"), TrainingError, "^HeldError: mine$"),
        (("input", "x", "is bad"), InputError, "^`x` is bad"),
    ],
)
def test_an_error_is_told_whether_or_not_it_can_cross(job, raised, message):
    with pytest.raises(raised, match=message):
        list(done_beside(fail, {0: job}, 2, "test"))

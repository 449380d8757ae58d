"""Jobs in processes beside this one, as they end."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from typing import Any, TypeVar

from edaphos_bridge import errors
from edaphos_bridge.basics.ambient import plain
from edaphos_bridge.basics.interrupts import pause
from edaphos_bridge.basics.workers import without_main, workers
from edaphos_bridge.errors import EdaphosWarning, TrainingError, warn
from edaphos_bridge.experiments.carried import problem_of

Key = TypeVar("Key")


def done_beside(
    work: Callable[..., Any], jobs: Mapping[Key, tuple[Any, ...]], n_jobs: int, what: str
) -> Iterator[tuple[Key, Any]]:
    """Yield the key of each job and what `work` gives of its arguments, as it ends.

    They run in up to `n_jobs` new processes of one thread; what they warn of is warned of here.

    Parameters
    ----------
    work : callable
        An importable function.
    what : str
        What is computed, for errors.

    Raises
    ------
    TrainingError
        If such a process was killed.
    """
    with without_main(), workers(min(n_jobs, len(jobs))) as pool:
        waiting: dict[Future[Any], Key] = {
            pool.submit(_heard, work, arguments): key for key, arguments in jobs.items()
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            pause()
            for future in done:
                key = waiting.pop(future)
                try:
                    result, told = future.result()
                except BrokenExecutor as error:
                    raise TrainingError(
                        f"A process of the {what} was killed; it may have needed more "
                        "memory than there is. Give a smaller `n_jobs`."
                    ) from error
                for category, message in told:
                    warn(message, getattr(errors, category, EdaphosWarning))
                yield key, result


@plain
def _heard(
    work: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Any, list[tuple[str, str]]]:
    """Return what `work` gives, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EdaphosWarning)
        try:
            result = work(*arguments)
        except Exception as error:
            if _crosses(error):
                raise
            raise TrainingError(f"{type(error).__name__}: {error}") from error
    told = [
        (w.category.__name__, str(w.message))
        for w in caught
        if issubclass(w.category, EdaphosWarning)
    ]
    return result, told


def _crosses(error: Exception) -> bool:
    """Return whether another process can be given an error, which one of a user's may prevent.

    All processes would end with that one, as if it had been killed.
    """
    try:
        copy.copy(error)  # as it would be built anew there
    except Exception:
        return False
    return not problem_of(error)

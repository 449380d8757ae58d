"""Blocks of a map as a dask graph: computed here in threads, or by a cluster of dask's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from edaphos_bridge.basics.allocator import keep_here
from edaphos_bridge.basics.interrupts import at_once, imported
from edaphos_bridge.errors import EdaphosError, InputError
from edaphos_bridge.maps.job import MapJob
from edaphos_bridge.maps.parts import Parts
from edaphos_bridge.maps.progress import Count, Tell
from edaphos_bridge.raster.raster import Window

# How long a scheduler may take to answer.
_SECONDS = 10


def compute_parts(
    job: MapJob, blocks: Sequence[Window], parts: Parts, client: Any, tell: Tell
) -> None:
    """Compute the blocks that `parts` has not, and keep each when it is finished.

    Raises what a block raises, when the others have stopped.

    Parameters
    ----------
    client : distributed.Client, optional
        The cluster that computes; its workers see the folder of `parts` under the same name. By
        default threads of this process.
    tell : callable
        Hears of each block, in this thread; what it raises ends the map.
    """
    missing = [block for block in blocks if not parts.has(block)]
    count = Count(len(blocks) - len(missing), len(blocks), tell)
    if not missing:
        return
    if client is None:
        _in_threads(job, missing, parts, count)
    else:
        _on_cluster(job, missing, parts, count, client)


def _keep(job: MapJob, block: Window, parts: Parts) -> None:
    parts.keep(block, job(block))


def _in_threads(job: MapJob, blocks: list[Window], parts: Parts, count: Count) -> None:
    dask, callbacks, threaded = map(needs_dask, ("dask", "dask.callbacks", "dask.threaded"))
    keep = dask.delayed(_keep, pure=False)
    shared, kept = (dask.delayed(value, traverse=False) for value in (job, parts))
    tasks = [keep(shared, block, kept) for block in blocks]
    keys = {task.key for task in tasks}

    def after(key: Any, *_: Any) -> None:
        if key in keys:
            count.one_more()

    # The main thread only waits, and hears of Ctrl-C at once.
    with ThreadPoolExecutor(n_threads()) as pool, callbacks.Callback(posttask=after):
        try:
            with at_once():
                dask.compute(*tasks, scheduler=threaded.get, pool=pool, optimize_graph=False)
        except BaseException:
            job.stop()
            raise


def n_threads() -> int:
    """Return how many blocks are computed at once in this process."""
    return torch.get_num_threads()


def _on_cluster(job: MapJob, blocks: list[Window], parts: Parts, count: Count, client: Any) -> None:
    distributed = needs_dask("distributed")
    _check_workers(client, parts)
    shared = client.scatter(job, broadcast=True)  # a worker gets the model once
    futures = client.map(_keep_of, blocks, job=shared, parts=parts, pure=False)
    try:
        with at_once():
            for future in distributed.as_completed(futures, loop=client.loop):
                future.result()
                count.one_more()
                future.release()
    except BaseException:
        client.cancel(futures)
        raise


def _keep_of(block: Window, job: MapJob, parts: Parts) -> None:
    keep_here()
    _keep(job, block, parts)


@contextmanager
def connected(client: Any) -> Iterator[Any]:
    """Yield a client of a cluster, from itself or from its scheduler's address; None stays.

    Raises `InputError` if it is neither, or there is no scheduler.
    """
    if client is None:
        yield None
        return
    distributed = needs_dask("distributed")
    if isinstance(client, distributed.Client):
        yield client
        return
    if not isinstance(client, str):
        raise InputError(
            "client",
            "must be a distributed.Client, or the address of a scheduler of dask's",
            found=type(client).__name__,
        )
    try:
        with at_once():
            opened = distributed.Client(client, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            "client", f"cannot be connected to ({error or type(error).__name__})", found=client
        ) from error
    with opened:
        yield opened


def _check_workers(client: Any, parts: Parts) -> None:
    """Raise unless all workers have this package and see the folder of parts."""
    answers = client.run(_is_there, str(parts.folder), parts.token(), on_error="return")
    if not answers:
        raise InputError("client", "must have workers", found="none")
    for worker, answer in answers.items():
        if isinstance(answer, BaseException):
            raise InputError(
                "client",
                f"must have workers with edaphos_bridge, as this process has it ({answer})",
                found=worker,
            )
        if answer is not True:
            raise InputError(
                "out",
                "must be in a folder that every worker of `client` sees under the same name",
                found=f"{parts.folder} on {worker}",
            )


def _is_there(folder: str, token: str) -> bool:
    return Parts.is_there(folder, token)


def needs_dask(name: str) -> Any:
    """Return a module of dask's, or raise `EdaphosError` with how to install it."""
    try:
        return imported(name)
    except ImportError as error:
        raise EdaphosError(
            f"This needs the package {name.split('.')[0]}. "
            "`pip install edaphos-bridge[maps]` installs what maps need, "
            "`pip install edaphos-bridge[cluster]` what `client` needs too."
        ) from error

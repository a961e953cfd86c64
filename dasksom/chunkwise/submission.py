"""Windows of a pass on their way to a cluster: a few at a time, their results in order, their failures in words."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dask
from dask.delayed import Delayed

from dasksom.cluster import Supervisor, check_usable, is_connected
from dasksom.errors import DeadlyTaskError

IN_FLIGHT = 64
"""Tasks to have waiting at least, so that short ones need not wait for the next to be submitted."""


@dataclass(frozen=True)
class Window:
    """The part of a pass that is submitted at once."""

    root: Delayed
    chunks: int
    tasks: int
    """Without those that only combine."""
    where: Callable[[Any], str]
    """Tells in words what the task of a key works on."""


def current_client() -> Any:
    """Give the current client of a cluster; None where dask computes in this process."""
    # Runs without a cluster need not pay for importing distributed: where nobody has imported it there is no client.
    distributed = sys.modules.get("distributed")
    if distributed is None or dask.config.get("scheduler", None) not in (None, "dask.distributed"):
        return None
    try:
        client = distributed.get_client()
    except ValueError:
        return None
    check_usable(client)
    return client


def run_windows(parts: Iterator[Window]) -> Iterator[tuple[Any, int]]:
    """Compute windows on the current client, else the current local scheduler; with their numbers of chunks.

    Raises
    ------
    DasksomError
        If the cluster is lost; as `DeadlyTaskError` if the workers of one task died, again and again.
    """
    client = current_client()
    if client is None:
        for window in parts:
            yield window.root.compute(), window.chunks
        return
    supervisor = Supervisor(client)
    waiting: deque[tuple[Any, Window]] = deque()
    try:
        for window in parts:
            waiting.append((supervisor.submit(window.root), window))
            # enough for every thread to have two tasks to go on with while the oldest window ends
            enough = max(IN_FLIGHT, 2 * supervisor.threads())
            while len(waiting) > 1 and sum(one.tasks for _, one in list(waiting)[1:]) >= enough:
                yield _take(waiting, supervisor)
        while waiting:
            yield _take(waiting, supervisor)
    finally:
        for future, _ in waiting:
            if is_connected(client):
                future.cancel()


def _take(waiting: deque[tuple[Any, Window]], supervisor: Supervisor) -> tuple[Any, int]:
    future, window = waiting.popleft()
    try:
        return supervisor.result(future), window.chunks
    except sys.modules["distributed"].KilledWorker as error:
        deaths, where = supervisor.deaths(error.allowed_failures), window.where(error.task)
        died = f"{deaths} workers died one after another, each" if deaths > 1 else "a worker died"
        raise DeadlyTaskError(f"{died} at {where}, the last of them {error.last_worker.address}") from error

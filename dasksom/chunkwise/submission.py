"""Submission of windows to a cluster: a few at a time, with results in order and described failures."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dask
from dask.delayed import Delayed

from dasksom.cluster import Supervisor, check_usable, is_connected
from dasksom.errors import DeadlyTaskError

_IN_FLIGHT = 64
"""Minimum number of submitted tasks, so that workers do not idle while the next window is submitted."""


@dataclass(frozen=True)
class Window:
    """Tasks of a pass that are submitted together."""

    root: Delayed
    chunks: int
    tasks: int
    """Number of tasks, excluding those that only combine."""
    describe_task: Callable[[Any], str]
    """Describes the chunks that the task of a key processes."""


def current_client() -> Any:
    """Return the current client of a cluster; None if dask computes in this process."""
    # avoids the import of distributed in runs without a cluster: if it is not imported, there is no client
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
    """Compute windows on the current client or the local scheduler; yield each result and its number of chunks.

    Raises
    ------
    DasksomError
        If the cluster is lost; as `DeadlyTaskError` if the workers of one task died repeatedly.
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
            # two tasks per thread while the oldest window finishes
            enough = max(_IN_FLIGHT, 2 * supervisor.threads())
            while len(waiting) > 1 and sum(later.tasks for _, later in list(waiting)[1:]) >= enough:
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
        deaths, where = supervisor.deaths(error.allowed_failures), window.describe_task(error.task)
        died = f"{deaths} workers died one after another, each" if deaths > 1 else "a worker died"
        raise DeadlyTaskError(f"{died} at {where}, the last of them {error.last_worker.address}") from error

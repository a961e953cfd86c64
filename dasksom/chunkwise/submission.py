"""The cluster of a pass: submission of windows, a few at a time, and the memory of its workers."""

import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
from dask.delayed import Delayed
from dask.system import CPU_COUNT

from dasksom import cluster
from dasksom.cluster import Workers, thread_pool_memory
from dasksom.errors import DeadlyTaskError

_IN_FLIGHT = 64
"""Minimum number of submitted chunks, so that workers do not idle while the next window is submitted."""
RUN_LENGTHS = (1, 4, 16)
"""Numbers of neighboring chunks that one task may process; each is a complete subtree of the tree of a window."""
_MANY = 24
"""Number of chunks for each thread from which on tasks process runs; fewer tasks cost no scheduler much time."""
_RUNS_A_THREAD = 1.5
"""Least number of runs of a length that each thread would get. Runs become shorter toward the end of a pass, so that
all threads end at about the same time: Dask assigns a thread its next task while it processes one."""
_RUNS_HERE = 4
"""Least number of runs of a window for each thread of this process."""
_THREADS_A_CHUNK = 128
"""Number of threads that a scheduler keeps busy with tasks of one chunk, of about half a second; more get longer runs,
also at the end of a pass."""
_HEADROOM = 0.25
"""Fraction of a worker's memory that remains free for tasks when an image is cached."""


@dataclass(frozen=True)
class Window:
    """Tasks of a pass that are submitted together."""

    root: Delayed
    chunks: int
    tasks: int
    """Number of tasks, excluding those that only combine."""
    describe_task: Callable[[Any], str]
    """Describes the chunks that the task of a key processes."""


@dataclass(frozen=True)
class PlannedWindow:
    """A window whose tasks are made when it is submitted, for the threads that there are then."""

    chunks: int
    make: Callable[[int], Window]
    """Makes the window from the number of chunks that one task processes."""


def run_length(left: int, chunks: int, threads: int) -> int:
    """Return the number of chunks that the next task processes.

    Parameters
    ----------
    left : int
        Number of chunks that are not submitted yet.
    chunks : int
        Number of chunks of the pass.
    threads : int

    >>> [run_length(left, 1000, threads=2) for left in (1000, 48, 47, 12, 11)]
    [16, 16, 4, 4, 1]
    >>> [run_length(left, 8192, threads=256) for left in (8192, 1000, 1)]
    [16, 4, 4]
    """
    needed = [length for length in RUN_LENGTHS if length * _THREADS_A_CHUNK >= threads] or [RUN_LENGTHS[-1]]
    least = max((length for length in RUN_LENGTHS if length <= min(needed[0], chunks / threads)), default=1)
    if chunks < _MANY * threads:
        return least
    return max([least, *(length for length in RUN_LENGTHS if left >= length * threads * _RUNS_A_THREAD)])


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
    cluster.check_usable(client)
    return client


def run_windows(planned: Sequence[PlannedWindow]) -> Iterator[Any]:
    """Compute windows on the current client or the local scheduler; yield the result of each, in order.

    Raises
    ------
    DasksomError
        If the cluster is lost; as `DeadlyTaskError` if the workers of one task died repeatedly.
    """
    client = current_client()
    if client is None:
        threads = workers().threads
        for plan in planned:
            # all threads wait at the end of a window, and a task costs them next to nothing
            length = RUN_LENGTHS[-1] if plan.chunks >= _RUNS_HERE * RUN_LENGTHS[-1] * threads else 1
            yield plan.make(length).root.compute()
        return
    supervisor = cluster.Supervisor(client)
    waiting: deque[tuple[Any, Window]] = deque()
    chunks = left = sum(plan.chunks for plan in planned)
    try:
        for plan in planned:
            threads = supervisor.threads()
            window = plan.make(run_length(left, chunks, threads))
            left -= plan.chunks
            waiting.append((supervisor.submit(window.root), window))
            while _is_enough([one for _, one in waiting], threads):
                yield _take(waiting, supervisor)
        while waiting:
            yield _take(waiting, supervisor)
    finally:
        for future, _ in waiting:
            if cluster.is_connected(client):
                future.cancel()


def _is_enough(submitted: Sequence[Window], threads: int) -> bool:
    """Return whether all threads have work until the oldest window is complete, and two tasks each in addition."""
    oldest, *later = submitted
    busy = 2 * threads * math.ceil(oldest.chunks / oldest.tasks)
    return sum(one.chunks for one in later) >= max(_IN_FLIGHT, busy) and sum(one.tasks for one in later) >= 2 * threads


def _take(waiting: deque[tuple[Any, Window]], supervisor: "cluster.Supervisor") -> Any:
    future, window = waiting.popleft()
    try:
        return supervisor.result(future)
    except sys.modules["distributed"].KilledWorker as error:
        deaths, where = supervisor.deaths(error.allowed_failures), window.describe_task(error.task)
        died = f"{deaths} workers died one after another, each" if deaths > 1 else "a worker died"
        raise DeadlyTaskError(f"{died} at {where}, the last of them {error.last_worker.address}") from error


def workers() -> Workers:
    """Return the workers of the current cluster; without a cluster, this process is the only worker."""
    client = current_client()
    if client is None:
        return Workers(1, int(dask.config.get("num_workers", None) or CPU_COUNT), thread_pool_memory())
    records = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [int(worker["memory_limit"]) for worker in records if worker["memory_limit"]]
    threads = max((int(worker["nthreads"]) for worker in records), default=1)
    return Workers(len(records), threads, min(limits, default=0))


def memory_limit() -> int:
    """Return the total memory of the current cluster's workers, or of this machine, in bytes."""
    client = current_client()
    if client is None:
        return thread_pool_memory()
    return sum(int(worker["memory_limit"]) for worker in client.scheduler_info(n_workers=-1)["workers"].values())


def keep_in_memory(
    image: da.Array, mask: da.Array | None, cache: str, cached_bytes: int = 0
) -> tuple[da.Array, da.Array | None]:
    """Cache an image and its mask in the memory of the cluster, so that later passes do not read them again.

    Parameters
    ----------
    image : dask array
    mask : dask array or None
        If it comes from the image's file, the file is read once.
    cache : {"auto", "memory", "none"}
        "auto" caches them if they fit below the spill threshold with a quarter of the workers' memory to spare.
    cached_bytes : int
        Bytes of the arrays that are cached already.
    """
    share = float(dask.config.get("distributed.worker.memory.target", 0.6) or 0.6) - _HEADROOM
    if cache == "memory" or (cache == "auto" and cached_bytes + image.nbytes <= memory_limit() * share):
        with dask.annotate(**cluster.TASK_ANNOTATIONS):
            return (image.persist(), None) if mask is None else dask.persist(image, mask)
    return image, mask

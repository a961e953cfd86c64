"""Clusters on this machine: its threads, or processes that nobody outside reaches."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import dask

from dasksom.cluster.joining import tell_dashboard
from dasksom.cluster.options import ClusterOptions

LOOPBACK = "127.0.0.1"
MOST_MMAP_THRESHOLD = 32 << 20
"""Bytes; the most that glibc accepts."""


def threads(options: ClusterOptions) -> AbstractContextManager[Any]:
    """Run on this process's threads: nothing to start, for images of ordinary size."""
    return dask.config.set(scheduler="threads", num_workers=options.count)  # type: ignore[no-any-return]


def _worker_settings(worker_memory: int) -> dict[str, Any]:
    """Give dask's settings for workers that only ever run dasksom's tasks; what the user has set for dask stays.

    Dask has workers give every freed buffer back to the system at once, so that each chunk's pages are faulted in and
    zeroed anew, and reading takes up to twice as long: these keep the memory of one chunk for the next. And dask writes
    to disk what takes 60 % of a worker's memory, for it knows nothing of what its tasks need. Ours are planned, and
    what would be written is quicker read again from the image.
    """
    kept = min(256 << 20, worker_memory // 8)
    environment = "distributed.nanny.pre-spawn-environ"
    ours: dict[str, tuple[Any, Any]] = {  # dask's own value, and the one for such workers
        f"{environment}.MALLOC_TRIM_THRESHOLD_": (65536, kept),
        f"{environment}.MALLOC_MMAP_THRESHOLD_": (None, min(MOST_MMAP_THRESHOLD, kept)),
        "distributed.worker.memory.target": (0.6, 0.8),
        "distributed.worker.memory.spill": (0.7, 0.85),
        "distributed.worker.memory.pause": (0.8, 0.9),
    }
    return {key: value for key, (default, value) in ours.items() if dask.config.get(key, None) == default}


@contextmanager
def local(options: ClusterOptions) -> Iterator[Any]:
    """Start single-thread worker processes on this machine, reachable from it alone, and stop them at the end."""
    from distributed import Client, LocalCluster

    with (
        dask.config.set(_worker_settings(options.worker_memory)),
        LocalCluster(
            n_workers=options.count,
            threads_per_worker=1,
            memory_limit=options.worker_memory,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0",  # dask's default, and None as well, listens on every interface
            silence_logs=logging.CRITICAL,  # a task's error reaches the caller; workers need not print it too
        ) as cluster,
        Client(cluster) as client,
    ):
        tell_dashboard(client)
        yield client

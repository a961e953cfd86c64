"""Worker processes on this machine, which only this machine can reach."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dasksom.cluster.encryption import LOOPBACK
from dasksom.cluster.interrupts import shielded_from_interrupts
from dasksom.cluster.options import ClusterOptions
from dasksom.cluster.readiness import log_dashboard
from dasksom.cluster.supervision import LOST_WORKERS_SECONDS, SupervisionTerms, supervised
from dasksom.deferred import deferred
from dasksom.errors import InputError

_visible_devices = deferred("dasksom.cluster.gpus:visible_devices")
_assignment_plugin = deferred("dasksom.cluster.gpus:assignment_plugin")
LOCAL_TTL_SECONDS = 30.0
"""Seconds of silence after which a worker is restarted."""
_FILES = 64
_FILES_PER_WORKER = 10
"""Files and connections opened by this process: a base number, plus a number per worker. Workers open fewer than
`_FILES`."""


def _worker_settings(worker_memory: int) -> dict[str, Any]:
    """Return dask settings for workers that only run dasksom's tasks; settings of the user take precedence.

    By default, dask's workers return every freed buffer to the system at once, so that the pages of each chunk are
    faulted in and zeroed again, and reading takes up to twice as long. These settings reuse the memory of chunks.
    Dask also spills to disk from 60 % of a worker's memory, because it does not know the needs of its tasks. The memory
    of dasksom's tasks is planned, and reading data from the image again is faster than spilling it.
    """
    import dask

    kept = min(256 << 20, worker_memory // 8)
    environment = "distributed.nanny.pre-spawn-environ"
    ours: dict[str, tuple[Any, Any]] = {  # dask's default, and the value for such workers
        f"{environment}.MALLOC_TRIM_THRESHOLD_": (65536, kept),
        # a buffer of its own mapping is returned when it is freed; glibc accepts no threshold above 32 MiB, and only
        # the main arena grows by more than 64 MiB
        f"{environment}.MALLOC_MMAP_MAX_": (None, 0),
        f"{environment}.MALLOC_ARENA_MAX": (None, 1),
        # how long dask tries to reach a worker that has died, for each try that `comm.retry.count` allows (dask: 0)
        "distributed.comm.timeouts.connect": ("30s", "6s"),
        "distributed.worker.memory.target": (0.6, 0.8),
        "distributed.worker.memory.spill": (0.7, 0.85),
        "distributed.worker.memory.pause": (0.8, 0.9),
        # dask samples 100 times a second what each thread does, and 50 times its own delay: a tenth of a core
        "distributed.worker.profile.enabled": (True, False),
        "distributed.admin.tick.interval": ("20ms", "500ms"),
        # after this time a worker that has not come back is replaced
        "distributed.deploy.lost-worker-timeout": ("15s", "5s"),
    }
    users = dask.config.collect()  # files and environment, without dask's defaults
    return {
        key: value
        for key, (default, value) in ours.items()
        if dask.config.get(key, None) == default and dask.config.get(key, None, config=users) is None
    }


def check_files(workers: int) -> None:
    """Raise the limit of open files if it is too low for the number of workers; InputError if that is not possible.

    Raises
    ------
    InputError
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    needed = _FILES + workers * _FILES_PER_WORKER
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise InputError(
            f"a process may open {hard} files here, and {workers} worker processes need {needed}; raise the limit "
            f"(ulimit -n {needed}), ask for fewer workers (--workers), or use threads (--cluster threads)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def local_cluster(options: ClusterOptions) -> Iterator[Any]:
    """Start worker processes that only this machine can reach, and stop them at the end.

    They have one thread each, or a GPU and the threads that read for it. GPUs are assigned to workers in their order.
    """
    import dask
    from distributed import Client, LocalCluster

    check_files(options.count)
    with dask.config.set(_worker_settings(options.worker_memory)), ExitStack() as stack:
        with shielded_from_interrupts():
            cluster = LocalCluster(
                n_workers=options.count,
                threads_per_worker=options.worker_threads,
                memory_limit=options.worker_memory,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",  # dask's default, and None as well, listens on every interface
                silence_logs=logging.CRITICAL,  # a task's error reaches the caller; workers need not print it too
            )
            stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster))
        if options.gpus:
            devices = _visible_devices(options.gpus, options.count, shared=options.device == "cuda")
            client.register_plugin(_assignment_plugin(devices), name="dasksom-gpus")
        log_dashboard(client)
        terms = SupervisionTerms(options.wait_seconds(LOST_WORKERS_SECONDS), owned=True, workers=options.count)
        yield stack.enter_context(supervised(client, terms, ttl=LOCAL_TTL_SECONDS))

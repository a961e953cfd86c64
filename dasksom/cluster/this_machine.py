"""Clusters on this machine: its threads, or processes that nobody outside reaches."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import Any

import dask

from dasksom.cluster.existing import tell_dashboard
from dasksom.cluster.options import ClusterOptions
from dasksom.cluster.supervision import WAIT_SECONDS, Terms, looked_after
from dasksom.errors import InputError

LOOPBACK = "127.0.0.1"
FILES = 64
FILES_A_WORKER = 10
"""Files and connections that this process opens, and for each worker; a worker itself opens fewer than `FILES`."""
TTL_SECONDS = 30.0
"""How long a worker may say nothing before it counts as hung."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
"""Signals that end a run."""
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
        # dask tries so long to reach a worker that has died, and anew for each try that `comm.retry.count` allows:
        # that setting stays at dask's 0
        "distributed.comm.timeouts.connect": ("30s", "6s"),
        "distributed.worker.memory.target": (0.6, 0.8),
        "distributed.worker.memory.spill": (0.7, 0.85),
        "distributed.worker.memory.pause": (0.8, 0.9),
        # dask looks 100 times a second at what each thread does, and 50 times whether it keeps up: a tenth of a core
        "distributed.worker.profile.enabled": (True, False),
        "distributed.admin.tick.interval": ("20ms", "500ms"),
        # after this a worker that has not come back is given up, and another one takes its place
        "distributed.deploy.lost-worker-timeout": ("15s", "5s"),
    }
    users = dask.config.collect()  # files and environment, without dask's own values
    return {
        key: value
        for key, (default, value) in ours.items()
        if dask.config.get(key, None) == default and dask.config.get(key, None, config=users) is None
    }


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start threads that a Ctrl-C does not reach, nor the processes that they start, now or later.

    A terminal sends it to all processes of a command. This one ends the workers; left to themselves they would print
    tracebacks. What comes meanwhile is not lost: it takes effect when the context ends.
    """
    with _put_off():
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            yield
            return
        resource_tracker.ensure_running()  # when it starts it lets the signal through to the thread that started it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _put_off() -> Iterator[None]:
    """Put off what would end this process until the context ends.

    The mask of a thread is not enough: the system gives the signal to another thread that has none, and Python acts on
    it in the main one. A cluster that is half started cannot be stopped without a traceback.
    """
    if threading.current_thread() is not threading.main_thread():  # the only one that handlers run in
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDINGS}
    ours = {number: handler for number, handler in before.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda sent, _: came.append(sent))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def check_files(workers: int) -> None:
    """Refuse to start where a process may open too few files to talk to its workers; raise the limit where it can be.

    Raises
    ------
    InputError
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    needed = FILES + workers * FILES_A_WORKER
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise InputError(
            f"a process may open {hard} files here, and {workers} workers take {needed}; raise the limit (ulimit -n "
            f"{needed}), ask for fewer workers (--workers), or use the threads of this process (--cluster threads)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def local(options: ClusterOptions) -> Iterator[Any]:
    """Start single-thread worker processes on this machine, reachable from it alone, and stop them at the end."""
    from distributed import Client, LocalCluster

    check_files(options.count)
    with dask.config.set(_worker_settings(options.worker_memory)), ExitStack() as stack:
        with _deaf_to_interrupts():
            cluster = LocalCluster(
                n_workers=options.count,
                threads_per_worker=1,
                memory_limit=options.worker_memory,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",  # dask's default, and None as well, listens on every interface
                silence_logs=logging.CRITICAL,  # a task's error reaches the caller; workers need not print it too
            )
            stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster))
        tell_dashboard(client)
        terms = Terms(options.wait_seconds(WAIT_SECONDS), ours=True, workers=options.count)
        yield stack.enter_context(looked_after(client, terms, ttl=TTL_SECONDS))

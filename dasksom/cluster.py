"""From the name of a cluster to a Client.

To add a kind of cluster: write its function of `ClusterOptions` (a context manager) and add its line to ``CLUSTERS``.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dask
import psutil
from dask.system import CPU_COUNT
from dask.utils import parse_bytes

from dasksom.errors import DasksomError, InputError

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
WAIT_SECONDS = 60.0
"""How long to wait for the first worker of a cluster that somebody else started."""

MINIMUM_MEMORY = 256 << 20
"""Least memory of a worker, in bytes: Python with the libraries, one color counter and a small chunk."""
MOST_MMAP_THRESHOLD = 32 << 20
"""Bytes; the most that glibc accepts."""


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster to run on, and how large one that starts by itself is."""

    name: str = "auto"
    """"auto", a name in ``CLUSTERS``, the address of a scheduler (tcp://host:port), or the path of a scheduler file."""
    workers: int | None = None
    """Worker processes of a local cluster, or threads of "threads"; by default one per core."""
    memory_limit: str | None = None
    """Memory of each local worker, such as 4GiB; by default the machine's, shared evenly."""

    @property
    def count(self) -> int:
        """Number of local workers."""
        return self.workers or CPU_COUNT

    @property
    def worker_memory(self) -> int:
        """Memory of each local worker, in bytes."""
        if self.memory_limit is None:
            return int(psutil.virtual_memory().total) // self.count
        return int(parse_bytes(self.memory_limit))


def check_options(options: ClusterOptions) -> None:
    """Refuse options that name no cluster, before any work.

    Raises
    ------
    InputError
    """
    if options.workers is not None and options.workers < 1:
        raise InputError(f"workers: at least 1 is needed; got {options.workers}")
    if options.memory_limit is not None:
        try:
            size = options.worker_memory
        except (ValueError, OverflowError):
            raise InputError(
                f"memory limit {options.memory_limit!r} is not a size; give one such as 4GiB or 800MB"
            ) from None
        if size < MINIMUM_MEMORY:
            raise InputError(f"memory limit {options.memory_limit}: a worker needs at least {MINIMUM_MEMORY >> 20}MiB")
    name = options.name
    if name == "auto" or name in CLUSTERS or "://" in name:
        return
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(
            f"cluster {name!r} is not known; give one of {', '.join(['auto', *CLUSTERS])}, an address such as "
            "tcp://host:8786, or a scheduler file that exists"
        )
    try:
        json.loads(path.read_text())["address"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(
            f"{name}: not a scheduler file as `dask scheduler --scheduler-file` writes it ({error})"
        ) from error


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
        if find_spec("bokeh"):
            logger.info("dashboard: %s", cluster.dashboard_link)
        yield client


@contextmanager
def _existing(**where: str) -> Iterator[Any]:
    from distributed import Client

    at = next(iter(where.values()))
    try:
        client = Client(**where, timeout=WAIT_SECONDS / 4)
    except (OSError, TimeoutError, ValueError) as error:
        raise DasksomError(
            f"no dask scheduler answers at {at} ({error}); is it running, and is this the right address?"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_SECONDS)
        except TimeoutError as error:
            raise DasksomError(
                f"the scheduler at {at} has no workers after {WAIT_SECONDS:.0f} s; start some first"
            ) from error
        yield client


CLUSTERS: dict[str, Callable[[ClusterOptions], AbstractContextManager[Any]]] = {"threads": threads, "local": local}
"""Kinds of cluster that dasksom starts by itself, by name."""


def connect(options: ClusterOptions, *, small: bool) -> AbstractContextManager[Any]:
    """Make a cluster current for dask while the context lasts.

    Parameters
    ----------
    options : ClusterOptions
        The name "auto" takes the cluster at ``DASK_SCHEDULER_ADDRESS`` (or dask's ``scheduler-address`` setting), else
        the threads of this process for a small job, else a local cluster.
    small : bool
        Whether the job is not worth starting processes for.

    Raises
    ------
    InputError
        If nothing of that name is known.
    DasksomError
        If no scheduler answers, or it has no workers.
    """
    check_options(options)
    name = options.name
    if name == "auto":
        address = dask.config.get("scheduler-address", None)
        if address:
            return _existing(address=address)
        name = "threads" if small and options.workers is None else "local"
    if name in CLUSTERS:
        return CLUSTERS[name](options)
    if "://" in name:
        return _existing(address=name)
    return _existing(scheduler_file=os.fspath(Path(name).expanduser()))

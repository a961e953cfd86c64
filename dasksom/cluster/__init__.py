"""From the name of a cluster to a Client.

To add a kind of cluster: add its line to ``KINDS`` (`dasksom.cluster.kinds`), or, for one that no dask class starts,
write its function of `ClusterOptions` (a context manager) and add its line to ``CLUSTERS``.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dask
import psutil
from dask.utils import parse_bytes

from dasksom.cluster.allocation import ALLOCATIONS, take_role
from dasksom.cluster.task_counts import count_tasks, tell_retries
from dasksom.cluster.existing import existing
from dasksom.cluster.kinds import KINDS, job_script, start
from dasksom.cluster.this_machine import local, threads
from dasksom.cluster.options import ClusterOptions, TlsFiles, Workers, check_place, check_values, scheduler_address
from dasksom.cluster.death_blame import OURS
from dasksom.cluster.supervision import Watch, can_be_asked
from dasksom.errors import InputError

__all__ = [
    "ALLOCATIONS",
    "CLUSTERS",
    "KINDS",
    "OURS",
    "ClusterOptions",
    "TlsFiles",
    "Watch",
    "Workers",
    "can_be_asked",
    "check_options",
    "connect",
    "count_tasks",
    "expected_workers",
    "job_script",
    "take_role",
    "tell_retries",
]

CLUSTERS: dict[str, Callable[[ClusterOptions], AbstractContextManager[Any]]] = {
    "threads": threads,
    "local": local,
    **dict.fromkeys(KINDS, start),
}
"""Kinds of cluster that are started for a run, by name."""


def check_options(options: ClusterOptions) -> None:
    """Refuse options that name no cluster, or that it would not heed, before any work.

    Raises
    ------
    InputError
    """
    check_values(options)
    check_place(options.name, [*CLUSTERS, *ALLOCATIONS])
    if options.options and options.name not in (*KINDS, *ALLOCATIONS):
        raise InputError(f"cluster {options.name!r} takes no options; those that do are {', '.join(KINDS)}")
    if options.adapt is not None and options.name not in KINDS:
        raise InputError(f"cluster {options.name!r} does not grow and shrink; those that can are {', '.join(KINDS)}")


def expected_workers(options: ClusterOptions, *, small: bool) -> Workers:
    """Tell who will work, as far as the options say; parameters as of `connect`."""
    name = options.name
    if name == "auto" and not dask.config.get("scheduler-address", None):
        name = "threads" if small and options.workers is None else "local"
    if name == "threads":
        return Workers(1, options.count, int(psutil.virtual_memory().total))
    if name == "local":
        return Workers(options.count, 1, options.worker_memory)
    given = options.options
    count = options.adapt[1] if options.adapt else options.workers or options.minimum_workers
    if options.memory_limit is not None:
        return Workers(count, 1, options.worker_memory)
    processes = int(given.get("processes", 1) or 1)
    memory = next(
        (given[key] for key in ("memory", "worker_memory", "worker_mem") if isinstance(given.get(key), str)), "0"
    )
    return Workers(count, max(1, int(given.get("cores", 1) or 1) // processes), int(parse_bytes(memory)) // processes)


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
        If nothing of that name is known, its package is missing, or the connection would not be encrypted.
    DasksomError
        If no scheduler answers, its workers do not come, or have other versions.
    """
    check_options(options)
    name = options.name
    if name in ALLOCATIONS:
        raise InputError(f"cluster {name}: every process takes its role before anything else; see take_role")
    if name == "auto":
        address = dask.config.get("scheduler-address", None)
        if address:
            return existing(address, options)
        name = "threads" if small and options.workers is None else "local"
    if name in CLUSTERS:
        return CLUSTERS[name](options)
    return existing(name if "://" in name else scheduler_address(Path(name).expanduser()), options)

"""Start or connect to the cluster given by options, and make it dask's current one in a context."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dasksom.cluster.allocation import ALLOCATIONS
from dasksom.cluster.existing import existing_cluster
from dasksom.cluster.kinds import CLUSTER_KINDS, requested_cluster
from dasksom.cluster.options import ClusterOptions, Workers, check_name, check_values, scheduler_address
from dasksom.cluster.this_machine import local_cluster, thread_pool
from dasksom.errors import InputError

CLUSTERS: dict[str, Callable[[ClusterOptions], AbstractContextManager[Any]]] = {
    "threads": thread_pool,
    "local": local_cluster,
    **dict.fromkeys(CLUSTER_KINDS, requested_cluster),
}
"""Kinds of cluster that are started for a run, by name."""
_MEMORY_OPTIONS = ("memory", "worker_memory", "worker_mem")


def check_options(options: ClusterOptions) -> None:
    """Check, before any work, that options name a cluster and apply to it.

    Raises
    ------
    InputError
    """
    check_values(options)
    check_name(options.name, [*CLUSTERS, *ALLOCATIONS])
    if options.options and options.name not in (*CLUSTER_KINDS, *ALLOCATIONS):
        raise InputError(f"cluster {options.name!r} takes no options; these do: {', '.join(CLUSTER_KINDS)}")
    if options.adapt is not None and options.name not in CLUSTER_KINDS:
        raise InputError(f"cluster {options.name!r} does not grow and shrink; these do: {', '.join(CLUSTER_KINDS)}")


def _scheduler_of_dask() -> str | None:
    import dask

    return dask.config.get("scheduler-address", None)  # type: ignore[no-any-return]


def _automatic(options: ClusterOptions, small: bool) -> str:
    return "threads" if small and options.workers is None else "local"


def expected_workers(options: ClusterOptions, *, small: bool) -> Workers:
    """Return the workers of a run, as far as the options determine them; parameters are those of `connect`."""
    from dask.utils import parse_bytes

    name = options.name
    if name == "auto" and not _scheduler_of_dask():
        name = _automatic(options, small)
    if name == "threads":
        return Workers(1, options.threads, options.threads_memory)
    if name == "local":
        return Workers(options.count, 1, options.worker_memory)
    given = options.options
    count = options.adapt[1] if options.adapt else options.workers or options.minimum_workers
    if options.memory_limit is not None:
        return Workers(count, 1, options.memory_bytes or 0)
    processes = int(given.get("processes", 1) or 1)
    memory = next((given[key] for key in _MEMORY_OPTIONS if isinstance(given.get(key), str)), "0")
    return Workers(count, max(1, int(given.get("cores", 1) or 1) // processes), int(parse_bytes(memory)) // processes)


def connect(options: ClusterOptions, *, small: bool) -> AbstractContextManager[Any]:
    """Make a cluster current for dask while the context lasts.

    Parameters
    ----------
    options : ClusterOptions
        The name "auto" selects the cluster at ``DASK_SCHEDULER_ADDRESS`` (or dask's ``scheduler-address`` setting),
        else the threads of this process for a small job, else a local cluster.
    small : bool
        Whether the job is too small to start processes.

    Raises
    ------
    InputError
        If the name is unknown, a package is missing, or the connection would not be encrypted.
    DasksomError
        If no scheduler answers, or its workers do not start or have other versions.
    """
    check_options(options)
    name = options.name
    if name in ALLOCATIONS:
        raise InputError(f"cluster {name}: every process takes its role before anything else; see take_role")
    if name == "auto":
        address = _scheduler_of_dask()
        if address:
            return existing_cluster(address, options)
        name = _automatic(options, small)
    if name in CLUSTERS:
        return CLUSTERS[name](options)
    return existing_cluster(name if "://" in name else scheduler_address(Path(name).expanduser()), options)

"""Start or connect to the cluster given by options, and make it dask's current one in a context."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dasksom.cluster.kinds import ALLOCATIONS, CLUSTER_KINDS, CLUSTERS
from dasksom.cluster.memory import process_memory
from dasksom.cluster.options import ClusterOptions, Workers, check_name, check_values, scheduler_address
from dasksom.deferred import deferred
from dasksom.errors import InputError

_existing_cluster: Callable[..., AbstractContextManager[Any]] = deferred("dasksom.cluster.existing:existing_cluster")
_local_gpus = deferred("dasksom.cluster.gpus:local_gpus")
_MEMORY_OPTIONS = ("memory", "worker_memory", "worker_mem")
_GPU_WORKER_MEMORY = 2 << 30
"""Least memory of a worker that uses a GPU where it need not, in bytes."""
_MEMORY_KEY = "dasksom.threads-memory"


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


def _with_gpus(options: ClusterOptions, name: str) -> ClusterOptions:
    """Return options of a local cluster with the GPUs of this machine, if tasks may search on them.

    With "auto", workers that share too little memory for the libraries of a GPU search on the processor.

    Raises
    ------
    InputError
        If tasks may search only on GPUs, and there are none.
    """
    if options.device == "cpu" or (options.device == "auto" and find_spec("cupy") is None):
        return options
    found = replace(options, gpus=_local_gpus(options.device))
    memory = found.threads_memory if name == "threads" else found.worker_memory
    return found if options.device == "cuda" or memory >= _GPU_WORKER_MEMORY else options


def expected_workers(options: ClusterOptions, *, small: bool) -> Workers:
    """Return the workers of a run, as far as the options determine them; parameters are those of `connect`."""
    from dask.utils import parse_bytes

    name = options.name
    if name == "auto" and not _scheduler_of_dask():
        name = _automatic(options, small)
    if name in ("threads", "local"):
        options = _with_gpus(options, name)
        gpu_memory = min((gpu.memory for gpu in options.gpus), default=0)
    if name == "threads":
        return Workers(1, options.threads, options.threads_memory, gpu_memory)
    if name == "local":
        return Workers(options.count, options.worker_threads, options.worker_memory, gpu_memory)
    given = options.options
    count = options.adapt[1] if options.adapt else options.workers or options.minimum_workers
    if options.memory_limit is not None:
        return Workers(count, 1, options.memory_bytes or 0)
    processes = int(given.get("processes", 1) or 1)
    memory = next((given[key] for key in _MEMORY_OPTIONS if isinstance(given.get(key), str)), "0")
    return Workers(count, max(1, int(given.get("cores", 1) or 1) // processes), int(parse_bytes(memory)) // processes)


@contextmanager
def thread_pool(options: ClusterOptions) -> Iterator[None]:
    """Run on this process's threads: nothing to start, for images of ordinary size."""
    import dask
    import dask.threaded

    limits = {"num_workers": options.threads, _MEMORY_KEY: options.threads_memory}
    # the function itself: for the name "threads" dask imports distributed, to see whether there is a client
    with dask.config.set({"scheduler": dask.threaded.get, **limits}):
        yield


def thread_pool_memory() -> int:
    """Return the bytes that this process may use: the limit given to `thread_pool`, or that of the machine."""
    import dask

    return int(dask.config.get(_MEMORY_KEY, None) or process_memory())


def take_role(options: ClusterOptions) -> AbstractContextManager[ClusterOptions]:
    """Take this process's role in an allocation; call it before any file access.

    Entering the context returns only in the process that executes the run, with the options of its cluster; the other
    processes end there. Options of other kinds are returned unchanged.

    Raises
    ------
    InputError
        If this process is not in an allocation, or the allocation is too small.
    """
    if options.name not in ALLOCATIONS:
        return nullcontext(options)
    if not options.insecure and options.tls is None:
        raise InputError(
            f"cluster {options.name}: processes of an allocation talk over its network; give --tls-ca-file, --tls-cert "
            "and --tls-key, or add --insecure on a network you trust"
        )
    return ALLOCATIONS[options.name](options)


def connect(options: ClusterOptions, *, small: bool) -> AbstractContextManager[Any]:
    """Make a cluster current for dask while the context lasts; the context holds its Client, None for threads.

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
            return _existing_cluster(address, options)
        name = _automatic(options, small)
    if name in CLUSTERS:
        return CLUSTERS[name](_with_gpus(options, name) if name in ("threads", "local") else options)
    return _existing_cluster(name if "://" in name else scheduler_address(Path(name).expanduser()), options)

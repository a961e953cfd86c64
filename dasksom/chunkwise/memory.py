"""The memory of those who work on the tasks, and images that are kept in it."""

import dask
import dask.array as da
from dask.system import CPU_COUNT

from dasksom.chunkwise.submission import current_client
from dasksom.cluster import TASK_ANNOTATIONS, Workers, thread_pool_memory

HEADROOM = 0.25
"""Part of a worker's memory that stays free for the work when an image is kept in the rest."""


def workers() -> Workers:
    """Tell who works on the tasks; without a cluster this process is the only worker."""
    client = current_client()
    if client is None:
        return Workers(1, int(dask.config.get("num_workers", None) or CPU_COUNT), thread_pool_memory())
    there = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [int(worker["memory_limit"]) for worker in there if worker["memory_limit"]]
    return Workers(len(there), max((int(worker["nthreads"]) for worker in there), default=1), min(limits, default=0))


def memory_limit() -> int:
    """Give the memory of the current cluster's workers together, else of this machine, in bytes."""
    client = current_client()
    if client is None:
        return thread_pool_memory()
    return sum(int(worker["memory_limit"]) for worker in client.scheduler_info(n_workers=-1)["workers"].values())


def keep_in_memory(image: da.Array, mask: da.Array | None, cache: str) -> tuple[da.Array, da.Array | None]:
    """Hold an image and its mask in the memory of the cluster, so that later passes need not read them again.

    Parameters
    ----------
    image : dask array
    mask : dask array or None
        May be made of the same file, which is then read once.
    cache : {"auto", "memory", "none"}
        "auto" holds them where a quarter of the workers' memory is then left, below where they begin to write to disk.
    """
    share = float(dask.config.get("distributed.worker.memory.target", 0.6) or 0.6) - HEADROOM
    if cache == "memory" or (cache == "auto" and image.nbytes <= memory_limit() * share):
        with dask.annotate(**TASK_ANNOTATIONS):
            return (image.persist(), None) if mask is None else dask.persist(image, mask)
    return image, mask

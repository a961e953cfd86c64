"""Worker memory, and caching of images in it."""

import dask
import dask.array as da
from dask.system import CPU_COUNT

from dasksom.chunkwise.submission import current_client
from dasksom.cluster import TASK_ANNOTATIONS, Workers, thread_pool_memory

_HEADROOM = 0.25
"""Fraction of a worker's memory that remains free for tasks when an image is cached."""


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


def keep_in_memory(image: da.Array, mask: da.Array | None, cache: str) -> tuple[da.Array, da.Array | None]:
    """Cache an image and its mask in the memory of the cluster, so that later passes do not read them again.

    Parameters
    ----------
    image : dask array
    mask : dask array or None
        If it comes from the image's file, the file is read once.
    cache : {"auto", "memory", "none"}
        "auto" caches them if they fit below the spill threshold with a quarter of the workers' memory to spare.
    """
    share = float(dask.config.get("distributed.worker.memory.target", 0.6) or 0.6) - _HEADROOM
    if cache == "memory" or (cache == "auto" and image.nbytes <= memory_limit() * share):
        with dask.annotate(**TASK_ANNOTATIONS):
            return (image.persist(), None) if mask is None else dask.persist(image, mask)
    return image, mask

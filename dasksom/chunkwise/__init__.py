"""Passes over the chunks of an image: the only package that builds dask graphs.

A pass runs a function on every chunk, in the task that reads the chunk, and combines the results in a tree whose shape
depends only on the chunk grid. Sums of floats therefore have the same bits for any number of workers, any order of
completion and any retries.

The chunk grid is cut into *windows*, boxes of neighboring chunks in row-major order, which are submitted a few at a
time. Scheduler and driver hold a few windows and never the complete graph, and progress can be reported. The tree of a
window is computed on the cluster; its result reaches the driver in the order of the windows.

Windows are built from `dask._task_spec`, on purpose: 256 chunks with a mask of the same file make 272 tasks, where the
public `dask.array.reduction` makes 1,109. pyproject.toml therefore limits dask to versions that were tested.
"""

from dasksom.chunkwise.chunk_grid import Corner, Steps, chunk_count, chunk_steps, corner_of
from dasksom.chunkwise.mapping import Progress, map_chunks, run_tasks
from dasksom.chunkwise.record_keeper import SMALL_RECORD_SECONDS, Keeper, ThrottledKeeper
from dasksom.chunkwise.reduction import reduce_chunks
from dasksom.chunkwise.reduction_tree import FAN_IN, pass_tasks
from dasksom.chunkwise.submission import keep_in_memory, workers

__all__ = [
    "FAN_IN",
    "SMALL_RECORD_SECONDS",
    "Corner",
    "Keeper",
    "Progress",
    "Steps",
    "ThrottledKeeper",
    "chunk_count",
    "chunk_steps",
    "corner_of",
    "keep_in_memory",
    "map_chunks",
    "pass_tasks",
    "reduce_chunks",
    "run_tasks",
    "workers",
]

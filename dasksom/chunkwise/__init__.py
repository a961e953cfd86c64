"""One pass over the chunks of an image: the one place where dask graphs are built.

A pass runs a function on every chunk, next to where the chunk is read (one task a chunk), and combines what comes back
in a tree whose shape depends on the chunk grid alone. So float sums have the same bits whatever the number of workers,
whoever finishes first, and whatever had to be done again.

The chunk grid is cut into *windows*, boxes of neighboring chunks in row-major order, which are submitted a few at a
time. Scheduler and driver then hold a few windows and never the whole image, and there is progress to report. The tree
inside a window is computed on the cluster; its result comes to the driver, always in the order of the windows.
"""

from dasksom.chunkwise.chunk_grid import Corner, Steps, chunk_count, chunk_steps, corner_of
from dasksom.chunkwise.mapping import Progress, map_chunks, run_tasks
from dasksom.chunkwise.memory import keep_in_memory, workers
from dasksom.chunkwise.reduction import Keeper, reduce_chunks
from dasksom.chunkwise.reduction_tree import FAN_IN, pass_tasks

__all__ = [
    "FAN_IN",
    "Corner",
    "Keeper",
    "Progress",
    "Steps",
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

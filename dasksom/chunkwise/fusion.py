"""Making one task of what is done for one task alone."""

from collections.abc import Sequence
from typing import Any

from dask._task_spec import Alias, DataNode, Task  # what dask's own collections are made of


def fuse_private(graph: dict[Any, Any], keys: Sequence[Any]) -> None:
    """Make one task of each of some tasks and of all that is done for it alone.

    An image and its mask may both be made of what is read: dask makes a task of the reading then, which two others use,
    and one of each of these. What several of the tasks need stays a task of its own, and so does what lies in a
    worker's memory.
    """
    dependents: dict[Any, int] = {}
    waiting, seen = list(keys), set(keys)
    while waiting:
        for needed in getattr(graph.get(waiting.pop()), "dependencies", ()):
            dependents[needed] = dependents.get(needed, 0) + 1
            if needed not in seen:
                seen.add(needed)
                waiting.append(needed)
    for key in keys:
        left: dict[Any, int] = {}
        own, waiting = [key], [key]
        while waiting:
            for needed in graph[waiting.pop()].dependencies:
                left[needed] = left.get(needed, dependents[needed]) - 1
                if not left[needed] and isinstance(graph.get(needed), (Task, Alias, DataNode)):
                    own.append(needed)
                    waiting.append(needed)
        graph[key] = Task.fuse(*map(graph.pop, own), key=key)

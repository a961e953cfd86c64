"""Fusion of a task with the tasks that only it depends on."""

from collections.abc import Sequence
from typing import Any

from dask._task_spec import Alias, DataNode, Task  # private API, used on purpose: see dasksom.chunkwise


def fuse_private(graph: dict[Any, Any], keys: Sequence[Any]) -> None:
    """Fuse each given task with the tasks that only it depends on, in place.

    An image and its mask may depend on the same read: dask then leaves three tasks, the read and the two that use it.
    Tasks that several of the given tasks need remain separate, as does data in the memory of a worker.
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

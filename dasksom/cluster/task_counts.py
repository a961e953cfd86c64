"""What a run's tasks did on a cluster: how many ended, were done again, and how many workers were lost."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dasksom.cluster.supervision import can_be_asked
from dasksom.storage.retries import take_retries

RETRIES = "dasksom-retries"
"""Topic of a cluster's events under which workers tell how often they have read again."""


@dataclass
class TaskCounts:
    """Filled in when the run ends; None where there is no scheduler to ask."""

    workers: int | None = None
    """Those that were there when the run began."""
    tasks: int | None = None
    """Tasks that ended well, each time that they did."""
    retries: int | None = None
    """Tasks that were begun again because their worker was lost, and reads because a store failed for a moment."""
    lost_workers: int | None = None


def _make_plugin() -> Any:
    from distributed.diagnostics.plugin import SchedulerPlugin

    class Counter(SchedulerPlugin):  # type: ignore[misc]  # defined here: importing dasksom must not import distributed
        tasks = retries = lost_workers = 0

        def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
            if start == "processing":
                self.tasks += finish == "memory"
                self.retries += finish in ("waiting", "released", "no-worker", "queued")

        def log_event(self, topic: str, told: Any) -> None:
            if topic == RETRIES:
                self.retries += int(told)

        def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
            self.lost_workers += 1

    return Counter()


def _read(name: str, dask_scheduler: Any) -> tuple[int, int, int]:
    counter = dask_scheduler.plugins[name]
    return counter.tasks, counter.retries, counter.lost_workers


def tell_retries() -> None:
    """Tell the cluster, from inside a task, how often the task had to read again."""
    retries, distributed = take_retries(), sys.modules.get("distributed")
    if retries and distributed is not None:
        with suppress(ValueError):  # not on a worker
            distributed.get_worker().log_event(RETRIES, retries)


@contextmanager
def count_tasks(client: Any) -> Iterator[TaskCounts]:
    """Count the tasks of a client's cluster while the context lasts, of all its clients.

    Parameters
    ----------
    client : distributed.Client, or anything else where there is no cluster
    """
    counts = TaskCounts()
    if not hasattr(client, "run_on_scheduler"):
        yield counts
        return
    name = f"dasksom-{uuid4().hex}"
    client.register_plugin(_make_plugin(), name=name)
    try:
        counts.workers = len(client.nthreads())
        yield counts
        counts.tasks, counts.retries, counts.lost_workers = client.run_on_scheduler(_read, name)
    finally:
        with suppress(Exception):
            if can_be_asked(client):  # a scheduler that is gone has said so already
                client.unregister_scheduler_plugin(name)

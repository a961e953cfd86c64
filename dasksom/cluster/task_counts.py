"""Counts of what a run did on a cluster: finished tasks, retries, lost workers."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dasksom.deferred import deferred
from dasksom.storage.retries import take_retries

_is_connected = deferred("dasksom.cluster.supervision:is_connected")
_TOPIC = "dasksom-retries"
"""Topic of the cluster's events under which workers report repeated reads."""


@dataclass
class TaskCounts:
    """Counts, set when the run ends; None without a scheduler."""

    workers: int | None = None
    """Workers at the beginning of the run."""
    tasks: int | None = None
    """Tasks that finished, counted each time they did."""
    retries: int | None = None
    """Tasks started again because their worker was lost, and reads repeated because a store failed for a moment."""
    lost_workers: int | None = None


def _make_plugin() -> Any:
    from distributed.diagnostics.plugin import SchedulerPlugin

    class Counter(SchedulerPlugin):  # type: ignore[misc]  # defined here: importing dasksom must not import distributed
        tasks = retries = lost_workers = 0

        def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
            if start == "processing":
                self.tasks += finish == "memory"
                self.retries += finish in ("waiting", "released", "no-worker", "queued")

        def log_event(self, topic: str, message: Any) -> None:
            if topic == _TOPIC:
                self.retries += int(message)

        def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
            self.lost_workers += 1

    return Counter()


def _read_counts(name: str, dask_scheduler: Any) -> tuple[int, int, int]:
    counter = dask_scheduler.plugins[name]
    return counter.tasks, counter.retries, counter.lost_workers


def report_retries() -> None:
    """Report the number of repeated reads of the current task to the cluster."""
    retries, distributed = take_retries(), sys.modules.get("distributed")
    if retries and distributed is not None:
        with suppress(ValueError):  # not on a worker
            distributed.get_worker().log_event(_TOPIC, retries)


@contextmanager
def count_tasks(client: Any) -> Iterator[TaskCounts]:
    """Count the tasks of all clients of a cluster while the context lasts.

    Parameters
    ----------
    client : distributed.Client, or None where there is no cluster
    """
    counts = TaskCounts()
    if client is None:
        yield counts
        return
    name = f"dasksom-{uuid4().hex}"
    client.register_plugin(_make_plugin(), name=name)
    try:
        counts.workers = len(client.nthreads())
        yield counts
        counts.tasks, counts.retries, counts.lost_workers = client.run_on_scheduler(_read_counts, name)
    finally:
        with suppress(Exception):
            if _is_connected(client):  # a lost scheduler has been reported already
                client.unregister_scheduler_plugin(name)

"""On which tasks suspicion falls when a worker dies: on those that it was at, not on those that waited for it.

Dask gives a task up (`KilledWorker`) once more than `distributed.scheduler.allowed-failures` workers died that had it,
whether they were at it or it waited in their queue. Where machines come and go (spot machines, jobs that end) that
stops runs of sound tasks. So, after each death, the tasks that only waited are cleared: then a task that ends every
worker is given up soon, and hardly any other ever is.
"""

import heapq
from collections.abc import Collection
from typing import Any

DASKS_OWN = 3
"""What dask has for `allowed-failures`, where nobody has set it."""
TRIES = 10
"""Workers that may die at one of our tasks then, before it is given up. A worker that has just come takes long for its
first task, which most often is one that another worker died with: so a few deaths in a row may be chance."""
OURS = {"dasksom": True}
"""Annotation of the tasks that are cleared; those of others on a shared cluster are none of our business."""


def tries(allowed_failures: int) -> int:
    """Give how many workers may die at one of our tasks, on a scheduler of so many `allowed-failures`."""
    return TRIES if allowed_failures == DASKS_OWN else allowed_failures + 1


class Suspicion:
    """What is known of the deaths of a cluster's workers; lives on its scheduler.

    Parameters
    ----------
    allowed_failures : int
        The scheduler's: it gives a task up whose `suspicious` is more.
    """

    def __init__(self, allowed_failures: int) -> None:
        self._head_start = allowed_failures + 1 - tries(allowed_failures)
        self._threads: dict[str, int] = {}
        self._at: dict[str, set[Any]] = {}
        self._blamed: dict[Any, int] = {}
        self._stimulus = ""
        self._had: list[Any] = []

    def worker_came(self, address: str, threads: int) -> None:
        """Note how many tasks a worker can be at."""
        self._threads[address], self._at[address] = threads, set()

    def worker_has(self, address: str, tasks: Collection[Any]) -> None:
        """Note what tasks a worker has, each time that it is given one or has done one, and what it goes on with.

        A worker begins with what has the least priority number of what it has just then, and ends what it has begun
        before it takes what is more urgent but came later. What it ended in its last two milliseconds it may not have
        told any more: that is blamed, and cleared when it is done elsewhere.
        """
        at = self._at.setdefault(address, set())
        at.intersection_update([task.key for task in tasks])
        free = self._threads.get(address, 1) - len(at)
        waiting = (task for task in tasks if task.key not in at)
        at.update([task.key for task in heapq.nsmallest(free, waiting, key=lambda task: task.priority)])

    def task_done(self, task: Any) -> None:
        """Clear a task that has been done: it may be blamed by chance, but is not deadly."""
        if self._blamed.pop(task.key, 0):
            task.suspicious = 0

    def task_dropped(self, task: Any, stimulus: str) -> None:
        """Note a task that leaves a worker unfinished, for a reason that the scheduler gives a name."""
        if stimulus != self._stimulus:
            self._stimulus, self._had = stimulus, []
        self._had.append(task)

    def worker_went(self, address: str, stimulus: str) -> int:
        """Blame the tasks that a worker was at, and clear the others; give how many it had if it went unexpectedly."""
        self._threads.pop(address, None)
        at = self._at.pop(address, set())
        if stimulus != self._stimulus:
            return 0
        had, self._had = [task for task in self._had if _is_ours(task)], []
        # dask adds one for each death, if it was one
        dead = [task for task in had if task.suspicious > self._suspicious(task)]
        for task in dead:
            if task.key in at:
                self._blamed[task.key] = self._blamed.get(task.key, 0) + 1
            task.suspicious = self._suspicious(task)
        return len(dead)

    def _suspicious(self, task: Any) -> int:
        return max(0, self._blamed.get(task.key, 0) + self._head_start)


def _is_ours(task: Any) -> bool:
    """Tell whether one of dask's TaskStates is of a run of dasksom."""
    return "dasksom" in (task.annotations or {})


def plugin_of(topic: str, *, ours: bool, ttl: float, ttl_default: float) -> Any:
    """Make the scheduler plugin that keeps a `Suspicion`, and tells each death as an event of a topic.

    Parameters
    ----------
    topic : str
    ours : bool
        Whether the cluster was started for the run: then a worker that hangs is restarted after `ttl` seconds, unless
        somebody has set another time for dask.
    ttl, ttl_default : float
        `distributed.scheduler.worker-ttl` in seconds, and what dask has where nobody has set it.
    """
    from distributed.diagnostics.plugin import SchedulerPlugin

    class Deaths(SchedulerPlugin):  # type: ignore[misc]  # defined here: importing dasksom must not import distributed
        async def start(self, scheduler: Any) -> None:
            self.scheduler, self.suspicion = scheduler, Suspicion(scheduler.allowed_failures)
            for address, worker in scheduler.workers.items():
                self.suspicion.worker_came(address, worker.nthreads)
            looks = scheduler.periodic_callbacks.get("worker-ttl")
            if ours and looks is not None:
                if scheduler.worker_ttl == ttl_default:
                    scheduler.worker_ttl = ttl
                # dask looks as seldom as a worker may be silent, and so finds out after up to twice that time
                looks.stop()  # and the next look is due then already
                looks.callback_time = min(looks.callback_time, scheduler.worker_ttl * 100)
                looks.start()

        def add_worker(self, scheduler: Any, worker: str) -> None:
            self.suspicion.worker_came(worker, scheduler.workers[worker].nthreads)

        def transition(self, key: str, start: str, finish: str, *_: Any, stimulus_id: str, **rest: Any) -> None:
            if "processing" not in (start, finish) or not _is_ours(task := self.scheduler.tasks[key]):
                return
            if finish == "processing":
                self._note_tasks_of(task.processing_on.address)
            elif finish == "memory":
                self.suspicion.task_done(task)
                self._note_tasks_of(rest["worker"])
            else:
                self.suspicion.task_dropped(task, stimulus_id)

        def _note_tasks_of(self, address: str) -> None:
            if address in self.scheduler.workers:
                self.suspicion.worker_has(address, self.scheduler.workers[address].processing)

        def remove_worker(self, scheduler: Any, worker: str, *, stimulus_id: str, **_: Any) -> None:
            tasks = self.suspicion.worker_went(worker, stimulus_id)
            if tasks:
                scheduler.log_event(topic, {"worker": worker, "tasks": tasks})

    return Deaths()

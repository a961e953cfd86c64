"""When a worker dies, blame the tasks that it was running, not those queued on it.

Dask blames both, and gives up a task (`KilledWorker`) after more than `distributed.scheduler.allowed-failures` workers
with this task died. On machines that come and go (spot instances, jobs that end), this stops runs with sound tasks.
Queued tasks are therefore cleared after each death: a task that kills every worker is given up soon, other tasks
hardly ever.
"""

import heapq
from collections.abc import Collection
from typing import Any

DASK_ALLOWED_FAILURES = 3
"""Dask's default of `allowed-failures`."""
ALLOWED_DEATHS = 10
"""Default number of workers that may die running one of our tasks before it is given up. A new worker is slow at its
first task, usually one that a dead worker was running: a few deaths in a row may be chance."""
TASK_ANNOTATIONS = {"dasksom": True}
"""Annotations of the tasks that are cleared; tasks of other users of the cluster are not changed."""


def allowed_deaths(allowed_failures: int) -> int:
    """Return the number of workers that may die running one of our tasks, for a scheduler's `allowed-failures`."""
    return ALLOWED_DEATHS if allowed_failures == DASK_ALLOWED_FAILURES else allowed_failures + 1


class DeathBlame:
    """Number of deaths for which each task is blamed; held by the scheduler.

    Parameters
    ----------
    allowed_failures : int
        Setting of the scheduler, which gives up a task when its `suspicious` exceeds it.
    """

    def __init__(self, allowed_failures: int) -> None:
        self._head_start = allowed_failures + 1 - allowed_deaths(allowed_failures)
        self._threads: dict[str, int] = {}
        self._running: dict[str, set[Any]] = {}
        self._blamed: dict[Any, int] = {}
        self._stimulus = ""
        self._released: list[Any] = []

    def worker_added(self, address: str, threads: int) -> None:
        """Record the number of tasks that a worker can run at once."""
        self._threads[address], self._running[address] = threads, set()

    def tasks_assigned(self, address: str, tasks: Collection[Any]) -> None:
        """Record the tasks assigned to a worker, whenever it gets or finishes one.

        A worker starts the assigned task with the lowest priority number, and finishes it before it starts more urgent
        tasks that arrive later. Tasks finished in its last two milliseconds may be unreported: such a task is blamed,
        and cleared when another worker finishes it.
        """
        running = self._running.setdefault(address, set())
        running.intersection_update([task.key for task in tasks])
        free = self._threads.get(address, 1) - len(running)
        waiting = (task for task in tasks if task.key not in running)
        running.update([task.key for task in heapq.nsmallest(free, waiting, key=lambda task: task.priority)])

    def task_finished(self, task: Any) -> None:
        """Clear a task that has finished: it was blamed by chance."""
        if self._blamed.pop(task.key, 0):
            task.suspicious = 0

    def task_released(self, task: Any, stimulus: str) -> None:
        """Record a task that leaves a worker unfinished, with the id of the scheduler's event."""
        if stimulus != self._stimulus:
            self._stimulus, self._released = stimulus, []
        self._released.append(task)

    def worker_removed(self, address: str, stimulus: str) -> int:
        """Blame the tasks that a worker was running and clear its others; return their number if it died."""
        self._threads.pop(address, None)
        running = self._running.pop(address, set())
        if stimulus != self._stimulus:
            return 0
        released, self._released = [task for task in self._released if _is_ours(task)], []
        # dask increments `suspicious` only if the worker died
        dead = [task for task in released if task.suspicious > self._suspicious(task)]
        for task in dead:
            if task.key in running:
                self._blamed[task.key] = self._blamed.get(task.key, 0) + 1
            task.suspicious = self._suspicious(task)
        return len(dead)

    def _suspicious(self, task: Any) -> int:
        return max(0, self._blamed.get(task.key, 0) + self._head_start)


def _is_ours(task: Any) -> bool:
    """Return whether one of dask's TaskStates belongs to a run of dasksom."""
    return "dasksom" in (task.annotations or {})


def death_plugin(topic: str, *, owned: bool, ttl: float, default_ttl: float) -> Any:
    """Create the scheduler plugin that holds a `DeathBlame` and logs each death as an event of a topic.

    Parameters
    ----------
    topic : str
    owned : bool
        Whether the cluster was started for the run. If so, hanging workers are restarted after `ttl` seconds, unless
        dask is configured otherwise.
    ttl, default_ttl : float
        `distributed.scheduler.worker-ttl` in seconds, and its default in dask.
    """
    from distributed.diagnostics.plugin import SchedulerPlugin

    class Deaths(SchedulerPlugin):  # type: ignore[misc]  # defined here: importing dasksom must not import distributed
        async def start(self, scheduler: Any) -> None:
            self.scheduler, self.blame = scheduler, DeathBlame(scheduler.allowed_failures)
            for address, worker in scheduler.workers.items():
                self.blame.worker_added(address, worker.nthreads)
            check = scheduler.periodic_callbacks.get("worker-ttl")
            if owned and check is not None:
                if scheduler.worker_ttl == default_ttl:
                    scheduler.worker_ttl = ttl
                # dask checks once per ttl, and so detects silence after up to twice that time
                check.stop()  # the next check is already scheduled
                check.callback_time = min(check.callback_time, scheduler.worker_ttl * 100)
                check.start()

        def add_worker(self, scheduler: Any, worker: str) -> None:
            self.blame.worker_added(worker, scheduler.workers[worker].nthreads)

        def transition(self, key: str, start: str, finish: str, *_: Any, stimulus_id: str, **rest: Any) -> None:
            if "processing" not in (start, finish) or not _is_ours(task := self.scheduler.tasks[key]):
                return
            if finish == "processing":
                self._note_tasks_of(task.processing_on.address)
            elif finish == "memory":
                self.blame.task_finished(task)
                self._note_tasks_of(rest["worker"])
            else:
                self.blame.task_released(task, stimulus_id)

        def _note_tasks_of(self, address: str) -> None:
            if address in self.scheduler.workers:
                self.blame.tasks_assigned(address, self.scheduler.workers[address].processing)

        def remove_worker(self, scheduler: Any, worker: str, *, stimulus_id: str, **_: Any) -> None:
            tasks = self.blame.worker_removed(worker, stimulus_id)
            if tasks:
                scheduler.log_event(topic, {"worker": worker, "tasks": tasks})

    return Deaths()

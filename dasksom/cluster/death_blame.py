"""Blame for deaths of workers: a worker's death blames the tasks that it was running, not those queued on it.

Dask blames both, and gives a task up (`KilledWorker`) once more than `distributed.scheduler.allowed-failures` workers
that had it died. Where machines come and go (spot machines, jobs that end) that stops runs whose tasks are sound. So
queued tasks are cleared after each death: a task that kills every worker is given up soon, and hardly any other is.
"""

import heapq
from collections.abc import Collection
from typing import Any

DASK_ALLOWED_FAILURES = 3
"""Dask's default of `allowed-failures`."""
ALLOWED_DEATHS = 10
"""Workers that may die at one of our tasks, by default, before it is given up. A new worker takes long for its first
task, which most often is one that another worker died with: a few deaths in a row may be chance."""
TASK_ANNOTATIONS = {"dasksom": True}
"""Annotations of the tasks that are cleared; tasks of others on a shared cluster are left alone."""


def allowed_deaths(allowed_failures: int) -> int:
    """Return how many workers may die at one of our tasks, by a scheduler's `allowed-failures`."""
    return ALLOWED_DEATHS if allowed_failures == DASK_ALLOWED_FAILURES else allowed_failures + 1


class DeathBlame:
    """Number of deaths that each task is blamed for; held by the scheduler.

    Parameters
    ----------
    allowed_failures : int
        The scheduler's: it gives up a task whose `suspicious` is more.
    """

    def __init__(self, allowed_failures: int) -> None:
        self._head_start = allowed_failures + 1 - allowed_deaths(allowed_failures)
        self._threads: dict[str, int] = {}
        self._running: dict[str, set[Any]] = {}
        self._blamed: dict[Any, int] = {}
        self._stimulus = ""
        self._released: list[Any] = []

    def worker_added(self, address: str, threads: int) -> None:
        """Note how many tasks a worker can run at once."""
        self._threads[address], self._running[address] = threads, set()

    def tasks_assigned(self, address: str, tasks: Collection[Any]) -> None:
        """Note the tasks assigned to a worker, each time that it gets or finishes one.

        A worker starts with the task of the lowest priority number among those that it has at that moment, and
        finishes what it has started before it takes more urgent tasks that came later. It may not have reported yet
        what it finished in its last two milliseconds: such a task is blamed, and cleared when it is done elsewhere.
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
        """Note a task that leaves a worker unfinished, with the identifier of the scheduler's event."""
        if stimulus != self._stimulus:
            self._stimulus, self._released = stimulus, []
        self._released.append(task)

    def worker_removed(self, address: str, stimulus: str) -> int:
        """Blame the tasks that a worker was running, clear its others; return how many it had if it died."""
        self._threads.pop(address, None)
        running = self._running.pop(address, set())
        if stimulus != self._stimulus:
            return 0
        released, self._released = [task for task in self._released if _is_ours(task)], []
        # dask adds one for each death, if it was one
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
        Whether the cluster was started for the run: then a worker that hangs is restarted after `ttl` seconds, unless
        dask is configured otherwise.
    ttl, default_ttl : float
        `distributed.scheduler.worker-ttl` in seconds, and dask's default of it.
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
                # dask checks as seldom as a worker may be silent, and so notices after up to twice that time
                check.stop()  # and the next check is scheduled already
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

"""On which tasks suspicion falls when a worker dies: on those that it was at, not on those that waited for it.

Dask gives a task up (`KilledWorker`) once more than `distributed.scheduler.allowed-failures` workers died that had it,
whether they were at it or it waited in their queue. Where machines come and go (spot machines, jobs that end) that
stops runs of sound tasks. So, after each death, the tasks that only waited are cleared: then a task that ends every
worker is given up soon, and hardly any other ever is.
"""

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
        self._blamed: dict[Any, int] = {}
        self._stimulus = ""
        self._had: list[Any] = []

    def worker_came(self, address: str, threads: int) -> None:
        """Note how many tasks a worker can be at."""
        self._threads[address] = threads

    def task_dropped(self, task: Any, stimulus: str) -> None:
        """Note a task that leaves a worker unfinished, for a reason that the scheduler gives a name."""
        if stimulus != self._stimulus:
            self._stimulus, self._had = stimulus, []
        self._had.append(task)

    def worker_went(self, address: str, stimulus: str) -> int:
        """Blame the tasks that a worker was at, and clear the others; give how many it had if it went unexpectedly."""
        threads = self._threads.pop(address, 1)
        if stimulus != self._stimulus:
            return 0
        had, self._had = [task for task in self._had if (task.annotations or {}).get("dasksom")], []
        # dask adds one for each death, if it was one
        dead = [task for task in had if task.suspicious > self._suspicious(task)]
        # a worker begins with what has the least priority number
        for place, task in enumerate(sorted(dead, key=lambda task: task.priority)):
            if place < threads:
                self._blamed[task.key] = self._blamed.get(task.key, 0) + 1
            task.suspicious = self._suspicious(task)
        return len(dead)

    def _suspicious(self, task: Any) -> int:
        return max(0, self._blamed.get(task.key, 0) + self._head_start)


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

        def transition(self, key: Any, start: str, finish: str, *_: Any, stimulus_id: str, **__: Any) -> None:
            if start == "processing" and finish != "memory":
                self.suspicion.task_dropped(self.scheduler.tasks[key], stimulus_id)

        def remove_worker(self, scheduler: Any, worker: str, *, stimulus_id: str, **_: Any) -> None:
            tasks = self.suspicion.worker_went(worker, stimulus_id)
            if tasks:
                scheduler.log_event(topic, {"worker": worker, "tasks": tasks})

    return Deaths()

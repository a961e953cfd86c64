from dataclasses import dataclass, field

import pytest

from dasksom.cluster.death_blame import DASKS_OWN, OURS, TRIES, Suspicion


@dataclass
class _Task:
    """What of dask's TaskState matters here."""

    key: str
    priority: tuple[int, ...]
    suspicious: int = 0
    annotations: dict | None = field(default_factory=lambda: dict(OURS))


def _die(suspicion, tasks, address="w", stimulus="s", *, expected=False):
    suspicion.worker_has(address, tasks)
    for task in tasks:
        task.suspicious += not expected
        suspicion.task_dropped(task, stimulus)
    return suspicion.worker_went(address, stimulus)


@pytest.mark.parametrize("threads", [1, 2])
def test_suspicion_falls_on_what_the_worker_was_at(threads):
    suspicion = Suspicion(7)
    tasks = [_Task("c", (3,)), _Task("a", (1,)), _Task("b", (2,))]
    for death in range(1, 6):
        suspicion.worker_came("w", threads)
        assert _die(suspicion, tasks, stimulus=f"death {death}") == 3
        guilty = {task.key for task in tasks if task.suspicious}
        assert guilty == {"a", "b", "c"} - ({"b", "c"} if threads == 1 else {"c"})
        assert tasks[1].suspicious == death


def _blamed_of(suspicion, tasks):
    _die(suspicion, tasks)
    return [task.key for task in tasks if task.suspicious]


def test_what_was_begun_is_ended_though_more_urgent_tasks_come():
    suspicion, begun, came = Suspicion(7), _Task("begun", (2,)), _Task("came", (1,))
    suspicion.worker_has("w", [begun])
    assert _blamed_of(suspicion, [came, begun]) == ["begun"]


def test_a_worker_that_is_done_goes_on_with_the_most_urgent():
    suspicion = Suspicion(7)
    done, late, urgent = _Task("done", (3,)), _Task("late", (2,)), _Task("urgent", (1,))
    suspicion.worker_has("w", [done])
    suspicion.worker_has("w", [done, late, urgent])
    suspicion.worker_has("w", [late, urgent])
    assert _blamed_of(suspicion, [late, urgent]) == ["urgent"]


def test_what_has_been_done_once_is_not_deadly():
    suspicion, task = Suspicion(7), _Task("a", (1,))
    _die(suspicion, [task])
    suspicion.task_done(task)
    assert task.suspicious == 0
    _die(suspicion, [task], stimulus="another death")
    assert task.suspicious == 1


def test_workers_that_leave_as_they_should_blame_nobody():
    suspicion, task = Suspicion(7), _Task("a", (1,))
    _die(suspicion, [task])
    assert _die(suspicion, [task], stimulus="retired", expected=True) == 0
    assert task.suspicious == 1


def test_others_tasks_are_none_of_our_business():
    suspicion = Suspicion(7)
    tasks = [_Task("a", (1,)), _Task("theirs", (2,), annotations=None)]
    for death in range(3):
        _die(suspicion, tasks, stimulus=f"death {death}")
    assert [task.suspicious for task in tasks] == [3, 3]


def test_tasks_that_were_taken_from_a_worker_before_are_not_its_own():
    suspicion, stolen, had = Suspicion(7), _Task("stolen", (1,)), _Task("a", (2,))
    suspicion.task_dropped(stolen, "stolen")
    assert _die(suspicion, [had]) == 1
    assert (stolen.suspicious, had.suspicious) == (0, 1)
    assert suspicion.worker_went("w", "another") == 0


def test_a_task_is_given_up_when_so_many_workers_died_at_it():
    """On a scheduler that nobody has configured; it does so when a task is more suspicious than allowed."""
    suspicion, task = Suspicion(DASKS_OWN), _Task("a", (1,))
    for death in range(1, TRIES):
        _die(suspicion, [task], stimulus=f"death {death}")
        assert (task.suspicious + 1 > DASKS_OWN) == (death == TRIES - 1)

from dataclasses import dataclass, field

import pytest

from dasksom.cluster.death_blame import ALLOWED_DEATHS, DASK_ALLOWED_FAILURES, TASK_ANNOTATIONS, DeathBlame


@dataclass
class _Task:
    """The fields of dask's TaskState that matter here."""

    key: str
    priority: tuple[int, ...]
    suspicious: int = 0
    annotations: dict | None = field(default_factory=lambda: dict(TASK_ANNOTATIONS))


def _die(blame, tasks, address="w", stimulus="s", *, expected=False):
    blame.tasks_assigned(address, tasks)
    for task in tasks:
        task.suspicious += not expected
        blame.task_released(task, stimulus)
    return blame.worker_removed(address, stimulus)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_death_blames_the_tasks_that_the_worker_was_running(threads):
    blame = DeathBlame(7)
    tasks = [_Task("c", (3,)), _Task("a", (1,)), _Task("b", (2,))]
    for death in range(1, 6):
        blame.worker_added("w", threads)
        assert _die(blame, tasks, stimulus=f"death {death}") == 3
        guilty = {task.key for task in tasks if task.suspicious}
        assert guilty == {"a", "b", "c"} - ({"b", "c"} if threads == 1 else {"c"})
        assert tasks[1].suspicious == death


def _blamed_of(blame, tasks):
    _die(blame, tasks)
    return [task.key for task in tasks if task.suspicious]


def test_a_started_task_is_blamed_though_more_urgent_tasks_came():
    blame, begun, came = DeathBlame(7), _Task("begun", (2,)), _Task("came", (1,))
    blame.tasks_assigned("w", [begun])
    assert _blamed_of(blame, [came, begun]) == ["begun"]


def test_a_free_worker_takes_the_most_urgent_task():
    blame = DeathBlame(7)
    done, late, urgent = _Task("done", (3,)), _Task("late", (2,)), _Task("urgent", (1,))
    blame.tasks_assigned("w", [done])
    blame.tasks_assigned("w", [done, late, urgent])
    blame.tasks_assigned("w", [late, urgent])
    assert _blamed_of(blame, [late, urgent]) == ["urgent"]


def test_a_finished_task_is_cleared():
    blame, task = DeathBlame(7), _Task("a", (1,))
    _die(blame, [task])
    blame.task_finished(task)
    assert task.suspicious == 0
    _die(blame, [task], stimulus="another death")
    assert task.suspicious == 1


def test_workers_that_retire_blame_no_task():
    blame, task = DeathBlame(7), _Task("a", (1,))
    _die(blame, [task])
    assert _die(blame, [task], stimulus="retired", expected=True) == 0
    assert task.suspicious == 1


def test_tasks_of_others_are_left_alone():
    blame = DeathBlame(7)
    tasks = [_Task("a", (1,)), _Task("theirs", (2,), annotations=None)]
    for death in range(3):
        _die(blame, tasks, stimulus=f"death {death}")
    assert [task.suspicious for task in tasks] == [3, 3]


def test_stolen_tasks_are_not_blamed():
    blame, stolen, had = DeathBlame(7), _Task("stolen", (1,)), _Task("a", (2,))
    blame.task_released(stolen, "stolen")
    assert _die(blame, [had]) == 1
    assert (stolen.suspicious, had.suspicious) == (0, 1)
    assert blame.worker_removed("w", "another") == 0


def test_a_task_is_given_up_after_the_allowed_deaths():
    """On a scheduler with dask's defaults, which gives up a task that is more suspicious than allowed."""
    blame, task = DeathBlame(DASK_ALLOWED_FAILURES), _Task("a", (1,))
    for death in range(1, ALLOWED_DEATHS):
        _die(blame, [task], stimulus=f"death {death}")
        assert (task.suspicious + 1 > DASK_ALLOWED_FAILURES) == (death == ALLOWED_DEATHS - 1)

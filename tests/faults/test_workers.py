"""Workers that die, hang and cannot be reached: the run goes on, and makes the same bytes."""

import random

import pytest

from tests.faults.harness import Moment, Watchdog, kill, moments, run, workers_of


def kill_one(draw):
    def fault():
        chosen = draw.choice(sorted(workers_of(), key=lambda one: one.pid))
        return kill(chosen)

    return fault


@pytest.mark.parametrize("moment", [Moment(0, 0.2, 0.0), Moment(2, 0.5, 0.01), Moment(4, 0.3, 0.02)], ids=str)
def test_a_killed_worker(moment, source, undisturbed, two, tmp_path):
    with Watchdog(100):
        done = run(source, tmp_path / "out.zarr", two, [(moment, kill_one(random.Random(1)))])
    assert len(done.landed) == 1
    assert done.summary.lost_workers == 1
    assert done.same == undisturbed.same

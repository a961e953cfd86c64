"""Workers that die, hang and cannot be reached: the run goes on, and makes the same bytes."""

import random
import signal
import time

import dask
import psutil
import pytest

from dasksom.chunkwise import mapping
from dasksom.cluster.this_machine import LOCAL_TTL_SECONDS
from tests.faults import harness
from tests.faults.harness import Moment, Watchdog, fill_up, gone, kill_of, moments, run, workers_of


def kill_one(cluster, seed):
    """Give a fault: a worker, chosen by a seed, is killed."""
    draw = random.Random(seed)  # noqa: S311
    return lambda: kill_of(cluster, draw.choice(sorted(workers_of(), key=lambda one: one.pid)))


def check_killed(done, kills, undisturbed):
    assert len(set(done.landed)) == kills
    assert done.record.lost_workers >= kills
    assert done.same == undisturbed.same


@pytest.mark.slow
def test_killed_workers__20_of_20(source, undisturbed, two, tmp_path):
    run(source, tmp_path / "first.zarr", two.scheduler_address)  # workers have loaded what they need
    usual, extra = run(source, tmp_path / "usual.zarr", two.scheduler_address), []
    for seed, moment in enumerate(moments(1234, 20)):
        with Watchdog(250):
            fill_up(two, 2)
            done = run(source, tmp_path / f"{seed}.zarr", two.scheduler_address, [(moment, kill_one(two, seed))])
        check_killed(done, 1, undisturbed)
        extra.append(done.seconds - usual.seconds)
    print(f"20 of 20 identical; extra seconds: at most {max(extra):.1f}, mean {sum(extra) / 20:.1f}")
    assert max(extra) < 15


def holders_of_codebook(cluster):
    """Give the addresses of the workers that hold a codebook, which is the result of a task where it is large."""
    tasks = list(cluster.scheduler.tasks.items())  # another thread's
    held = [task for key, task in tasks if str(key).startswith("array-")]
    return {worker.address for task in held for worker in list(task.who_has or ())}


def kill_all_holders(cluster):
    def fault():
        deadline = time.monotonic() + 30
        while not (addresses := holders_of_codebook(cluster)) and time.monotonic() < deadline:
            time.sleep(0.001)
        pids = [nanny.process.pid for nanny in list(cluster.workers.values()) if nanny.worker_address in addresses]
        assert pids, f"nobody holds the codebook: {sorted(map(str, cluster.scheduler.tasks))[:20]}"
        everybody = [psutil.Process(pid) for pid in pids]
        for process in everybody:
            process.send_signal(signal.SIGKILL)
        return sorted(gone(process) for process in everybody)

    return fault


@pytest.fixture
def large_codebook(monkeypatch):
    """A codebook that is the result of a task, as those of more than 1 MiB are."""
    monkeypatch.setattr(mapping, "_LITERAL_BYTES", 1024)


@pytest.mark.slow
@pytest.mark.parametrize("passed", [1, 2, 3])
def test_all_holders_of_the_codebook_are_killed_at_once(passed, large_codebook, source, undisturbed, two, tmp_path):
    faults = [(Moment(passed, 0.3, 0.0), kill_all_holders(two))]
    with Watchdog(250):
        done = run(source, tmp_path / "out.zarr", two.scheduler_address, faults)
    assert done.record.lost_workers == len(done.landed[0])
    assert done.same == undisturbed.same


def stop_one():
    """Let a worker hang for ever."""
    process = workers_of()[0]
    process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 30
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.status() == psutil.STATUS_STOPPED
    return process


@pytest.mark.slow
@pytest.mark.parametrize("ttl", [None, 5], ids=["default", "configured"])
def test_a_hung_worker(ttl, source, undisturbed, tmp_path):
    configured = {} if ttl is None else {"distributed.scheduler.worker-ttl": f"{ttl}s"}
    with Watchdog(250), dask.config.set(configured):
        usual = run(source, tmp_path / "usual.zarr", "local", workers=2, memory_limit="1GiB")
        faults = [(Moment(2, 0.4, 0.0), stop_one)]
        done = run(source, tmp_path / "out.zarr", "local", faults, workers=2, memory_limit="1GiB")
    assert not done.landed[0].is_running()
    assert done.same == undisturbed.same
    extra = done.seconds - usual.seconds
    print(f"ttl {ttl or LOCAL_TTL_SECONDS} s: {extra:.1f} s more than undisturbed")
    assert extra < (ttl or LOCAL_TTL_SECONDS) + 15


def strike(cluster, seed, workers):
    """Give a fault: of the workers that are there one is killed; whoever owns the cluster brings others."""
    draw, struck = random.Random(seed), set()  # noqa: S311

    def fault():
        cluster.scale(workers)
        pid = draw.choice(fill_up(cluster, 2, struck))
        struck.add(pid)
        return kill_of(cluster, psutil.Process(pid))

    return fault


STORM = [Moment(passed, share / 8, 0.02) for passed in range(harness.PASSES) for share in range(1, 8)]
"""After each window of a run, but for the last ones of passes: 35 kills."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_at_least_30_kills(seed, source, undisturbed, two, tmp_path):
    """The image is kept in the workers' memory, so that what they die with waits for them and can go nowhere else."""
    two.scale(4)
    assert two.scheduler.allowed_failures == 3
    fault = strike(two, seed, 4)
    with Watchdog(500):
        faults = [(moment, fault) for moment in STORM]
        done = run(source, tmp_path / "out.zarr", two.scheduler_address, faults, cache="memory")
    print(f"{len(done.landed)} kills, {done.record.lost_workers} workers lost, in {done.seconds:.0f} s")
    assert len(set(done.landed)) == len(STORM) >= 30
    assert done.record.lost_workers >= 30
    assert done.same == undisturbed.same

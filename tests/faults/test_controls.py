"""Builds that are broken on purpose: the tests of faults must find each of them out."""

import random
import signal
import threading
from contextlib import suppress

import dask
import psutil
import pytest
from distributed import Client, as_completed

from dasksom.chunkwise import mapping
from dasksom.chunkwise.submission import current_client
from dasksom.cluster import Supervisor
from dasksom.cluster.death_blame import DeathBlame
from dasksom.errors import DasksomError, DeadlyTaskError
from dasksom.training import streaming
from tests.faults import harness
from tests.faults.harness import Moment, Watchdog, hash_of, run, worker
from tests.faults.test_workers import stop_one


def _scattered(value):
    return current_client().scatter(value, broadcast=True) if hasattr(value, "nbytes") else value


def kill_all():
    found = harness.workers_of()
    for process in found:
        with suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
            process.send_signal(signal.SIGKILL)
    return tuple(harness.gone(process) for process in found)


@pytest.mark.slow
def test_a_scattered_codebook_is_lost_with_its_holders(source, two, tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "_share", _scattered)
    broken = pytest.raises(DasksomError, match=r"gave the work up|is gone")
    with Watchdog(250), broken:
        run(source, tmp_path / "out.zarr", two.scheduler_address, [(Moment(2, 0.3, 0.0), kill_all)])
    assert not (tmp_path / "out.zarr").exists()


def _in_order_of_completion(image, function, combine, *, beside, progress, keeper, **arguments):
    """Add results up as they come, as a first idea would have it."""
    client, total = current_client(), None
    grid = image.to_delayed()
    corners = dask.array.core.slices_from_chunks(image.chunks)
    calls = [
        dask.delayed(function, pure=False)(block, tuple(cut.start for cut in corner), **arguments)
        for block, corner in zip(grid.ravel(), corners, strict=True)
    ]
    for _, part in as_completed(client.compute(random.sample(calls, len(calls))), with_results=True):
        total = part if total is None else combine([total, part])
    return total


@pytest.mark.slow
def test_sums_in_order_of_completion_have_other_bits(images, two, monkeypatch):
    with Client(two.scheduler_address), dask.config.set(scheduler="dask.distributed"):
        expected = hash_of(images["float32"])
        assert hash_of(images["float32"]) == expected
        monkeypatch.setattr(streaming, "reduce_chunks", _in_order_of_completion)
        assert {hash_of(images["float32"]) for _ in range(2)} != {expected}


@pytest.mark.slow
def test_a_cluster_that_gives_up_at_once_does_not_survive_a_kill(source, two, tmp_path):
    two.scheduler.allowed_failures = 0
    faults = [(Moment(2, 0.2, 0.0), kill_all)]  # at once, while they are at what was submitted before
    with Watchdog(250), pytest.raises(DeadlyTaskError, match="a worker died"):
        run(source, tmp_path / "out.zarr", two.scheduler_address, faults, cache="memory")


@pytest.mark.slow
def test_without_patience_for_what_waited_a_storm_ends_a_run(source, two, tmp_path, monkeypatch):
    monkeypatch.setattr(DeathBlame, "worker_removed", lambda *_: 0)
    monkeypatch.setattr(two.scheduler, "allowed_failures", 1)  # sooner than with 3; the plugin would not heed it here
    # each time that both have died, both begin with the same chunks, and have the same waiting
    faults = [(Moment(2, share, 0.0), kill_all) for share in (0.1, 0.15, 0.2, 0.25, 0.3)]

    def storms():
        for attempt in range(3):  # on a busy machine the kills of one may hit different chunks
            run(source, tmp_path / f"out-{attempt}.zarr", two.scheduler_address, faults, cache="memory")

    with Watchdog(500), pytest.raises(DeadlyTaskError):
        storms()


@pytest.mark.slow
def test_a_hung_worker_holds_up_a_cluster_that_does_not_look(source, two, tmp_path):
    """Dask's own five minutes, and nobody who looks: as long as the worker hangs, nothing ends."""
    stopped = []

    def fault():
        stopped.append(stop_one())
        timer = threading.Timer(20, stopped[0].resume)
        timer.daemon = True
        timer.start()
        return stopped[0].pid

    with Watchdog(250):
        done = run(source, tmp_path / "out.zarr", two.scheduler_address, [(Moment(2, 0.2, 0.0), fault)])
    assert done.seconds > 15


@pytest.mark.slow
def test_a_bare_future_tells_nothing_of_a_lost_scheduler(source, tmp_path, monkeypatch, scheduler):
    monkeypatch.setattr(Supervisor, "result", lambda self, future: future.result())
    with worker(tmp_path, scheduler), pytest.raises(BaseException) as told:  # noqa: PT011
        run(source, tmp_path / "out.zarr", scheduler.file, [(Moment(1, 0.2, 0.0), scheduler.process.kill)])
    assert not isinstance(told.value, DasksomError)

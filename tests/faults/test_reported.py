"""Faults that end a run: what happened is told in words, soon, and nothing hangs or is left behind."""

import json
import os
import resource
import signal
import time
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.cluster import ClusterOptions, connect
from dasksom.cluster.death_blame import ALLOWED_DEATHS
from dasksom.errors import DeadlyTaskError
from tests.faults import harness
from tests.faults.harness import (
    Command,
    Watchdog,
    epochs_in,
    fingerprint,
    gone,
    quantize_arguments,
    quantizing,
    worker,
    workers_of,
)
from tests.faults.memory_cgroups import kills_in, memory_cgroup


def check_told(command, seconds, *words):
    began = time.monotonic()
    assert command.finish(seconds + 30) == 1
    took = time.monotonic() - began
    logged = map(json.loads, command.errors.splitlines())
    message = next(line["message"] for line in logged if (line["logger"], line["level"]) == ("dasksom", "ERROR"))
    print(f"{took:.1f} s: {message}")
    for word in words:
        assert word in message
    assert "Traceback" not in command.errors
    assert took < seconds


@pytest.mark.slow
def test_a_killed_scheduler(source, scheduler, tmp_path):
    address = json.loads(Path(scheduler.file).read_text())["address"]
    with worker(tmp_path, scheduler), quantizing(tmp_path, source, scheduler) as command:
        command.wait_for(lambda: epochs_in(command.errors) >= 2, 90)
        scheduler.process.kill()
        scheduler.process.wait(10)
        check_told(command, 60, address, "is gone")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.slow
def test_a_scheduler_that_hangs(source, scheduler, tmp_path):
    address = json.loads(Path(scheduler.file).read_text())["address"]
    with worker(tmp_path, scheduler), quantizing(tmp_path, source, scheduler) as command:
        command.wait_for(lambda: epochs_in(command.errors) >= 2, 90)
        scheduler.process.send_signal(signal.SIGSTOP)
        check_told(command, 150, address, "has not answered")


@pytest.mark.slow
def test_all_workers_are_gone(source, scheduler, tmp_path):
    with quantizing(tmp_path, source, scheduler, "--wait", "25s") as command:
        with worker(tmp_path, scheduler) as only:
            command.wait_for(lambda: epochs_in(command.errors) >= 2, 90)
        assert only.process.poll() is not None
        check_told(command, 25 + 20, "all workers", "are gone", "--wait")
    assert "all workers are gone; waited" in command.errors


@pytest.mark.slow
def test_all_workers_are_gone_for_a_while(source, undisturbed, scheduler, tmp_path):
    with quantizing(tmp_path, source, scheduler, epochs=harness.EPOCHS) as command:
        with worker(tmp_path, scheduler):
            command.wait_for(lambda: epochs_in(command.errors) >= 1, 90)
        time.sleep(2)  # what the worker had sent before is added up and told by then
        done = epochs_in(command.errors)
        assert done < harness.EPOCHS
        time.sleep(5)
        assert epochs_in(command.errors) == done
        with worker(tmp_path, scheduler):
            assert command.finish(90) == 0
    assert fingerprint(tmp_path / "out.zarr") == undisturbed.bytes


# ----------------------------------------------------------------------------------------------- tasks that are deadly


def _crash(block, block_id):
    if block_id == (2, 1, 0):
        time.sleep(0.05)  # as a decoder takes: what was done just before has been told by then
        os._exit(11)
    return block


@pytest.mark.slow
def test_a_chunk_that_ends_every_worker(tmp_path):
    draw = np.random.default_rng(0).normal(0, 1, (80, 60, 4)).astype(np.float32)
    image = da.from_array(draw, chunks=(20, 20, 4)).map_blocks(_crash, dtype=np.float32)
    deaths = []
    with Watchdog(400), connect(ClusterOptions("local", 2, "1GiB"), small=False) as client:
        client.subscribe_topic("all", lambda event: deaths.append(event[1].get("action") == "remove-worker"))
        with pytest.raises(DeadlyTaskError) as told:
            BatchSOM(3, 3, epochs=1).fit(image)
        deadline = time.monotonic() + 20
        while sum(deaths) < ALLOWED_DEATHS and time.monotonic() < deadline:  # the last one is told after the error
            time.sleep(0.01)
        client.unsubscribe_topic("all")
    assert f"{ALLOWED_DEATHS} workers died" in str(told.value)
    assert "chunk (2, 1), pixels [40:60, 20:40]" in str(told.value)
    assert ALLOWED_DEATHS <= sum(deaths) <= 3 * ALLOWED_DEATHS


@pytest.mark.slow
def test_the_kernel_kills_for_want_of_memory(scheduler, tmp_path):
    """The worker believes that it has 4 GiB, and has 300 MiB beside what it begins with."""
    source = harness.make_image(tmp_path / "large.zarr", shape=(4096, 4096), chunk=4096)
    confine = tmp_path / "confine.py"  # not its nanny, which the kernel might choose instead

    with memory_cgroup(300) as folder:
        procs = str(folder / "cgroup.procs")
        confine.write_text(f"import os\ndef dask_setup(worker): open({procs!r}, 'w').write(str(os.getpid()))\n")
        options = ["--grid", "4x4", "--epochs", "2", "--chunk-size", "128MiB"]
        arguments = ["--log-json", "quantize", source, "out.zarr", *options]
        with (
            worker(tmp_path, scheduler, "--memory-limit", "4GiB", "--preload", str(confine)),
            Command(tmp_path, *arguments, "--cluster", scheduler.file) as command,
        ):
            check_told(command, 200, "workers died", "chunk (0, 0)", "--chunk-size", "4.00 GiB", "out of memory")
        assert kills_in(folder) >= 4
    assert not (tmp_path / "out.zarr").exists()


# ------------------------------------------------------------------------------------------------------ of the machine


def _few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def test_too_few_files_may_be_open(source, tmp_path):
    with Command(tmp_path, *quantize_arguments(source, "out.zarr", "--workers", "2"), limits=_few_files) as command:
        assert command.finish(60) == 2
    assert "ulimit -n" in command.errors.splitlines()[-1]
    assert not (tmp_path / "out.zarr").exists()


def _some_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))


@pytest.mark.slow
def test_enough_files_may_be_open(source, undisturbed, tmp_path):
    with Command(tmp_path, *quantize_arguments(source, "out.zarr", "--workers", "2"), limits=_some_files) as command:
        assert command.finish(90) == 0
    assert fingerprint(tmp_path / "out.zarr") == undisturbed.bytes


def test_an_interrupt_reaches_all_processes_and_one_speaks(source, tmp_path):
    arguments = quantize_arguments(source, "out.zarr", "--workers", "2", "--memory-limit", "1GiB", epochs=40)[2:]
    with Command(tmp_path, *arguments) as command:
        workers = command.wait_for(lambda: len(found := workers_of(command.process.pid)) == 2 and found, 60)
        time.sleep(2)
        os.killpg(command.process.pid, signal.SIGINT)
        assert command.finish(30) == 130
    said = [line for line in command.errors.splitlines() if line.strip() and " chunks, " not in line]
    assert said[0] == "dasksom: interrupted"
    assert all("dasksom resume out.zarr" in line for line in said[1:])
    for worker_process in workers:
        gone(worker_process)
    assert not (tmp_path / "out.zarr").exists()

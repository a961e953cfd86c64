"""Limits of memory, on trees of files as the kernel has them, and on real processes."""

import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from dasksom.cluster import ClusterOptions, expected_workers, memory
from dasksom.cluster.memory import machine_memory, process_memory

GIB = 1 << 30


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return a function that writes the file of this process's cgroups, and files with limits."""
    proc, mount = tmp_path / "cgroup", tmp_path / "mount"

    def make(lines, limits):
        proc.write_text(lines)
        for name, limit in limits.items():
            (mount / name).parent.mkdir(parents=True, exist_ok=True)
            (mount / name).write_text(f"{limit}\n")

    monkeypatch.setattr(memory, "_PROC", proc)
    monkeypatch.setattr(memory, "_MOUNT", mount)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GIB))
    return make


V1_UNLIMITED = 9223372036854771712


@pytest.mark.parametrize(
    ("lines", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": "max"}, 64 * GIB),
        ("0::/\n", {"memory.max": 2 * GIB}, 2 * GIB),  # a container with a namespace of its own
        ("0::/a/b\n", {"a/b/memory.max": 3 * GIB, "a/memory.max": "max"}, 3 * GIB),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": 2 * GIB}, 2 * GIB),  # the outer one is smaller
        ("0::/a/b\n", {"a/b/memory.max": 3 * GIB, "a/b/memory.high": GIB}, GIB),
        ("0::/host/x\n", {"memory.max": 5 * GIB}, 5 * GIB),  # the name is that of the host
        ("0::/docker/id/job\n", {"job/memory.max": GIB, "memory.max": "max"}, GIB),  # and begins with it
        ("4:memory:/job\n", {"memory/job/memory.limit_in_bytes": 1400 << 20}, 1400 << 20),
        ("4:memory:/a/b\n0::/\n", {"memory/a/memory.limit_in_bytes": GIB}, GIB),
        ("4:memory:/x\n", {"memory/memory.limit_in_bytes": V1_UNLIMITED}, 64 * GIB),
        ("3:cpuset:/job\n", {"memory/job/memory.limit_in_bytes": GIB}, 64 * GIB),
        ("0::/a\n", {"unified/a/memory.max": GIB}, GIB),
    ],
)
def test_machine_memory__is_the_least_of_all_nested_cgroups(tree, lines, limits, expected):
    tree(lines, limits)
    assert machine_memory() == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLURM_MEM_PER_NODE": "4096"}, 4 * GIB),
        ({"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_ON_NODE": "3"}, 3 * GIB),
        ({"SLURM_MEM_PER_NODE": "0"}, 64 * GIB),  # all of the node
        ({"SLURM_MEM_PER_NODE": "much"}, 64 * GIB),
    ],
)
def test_machine_memory__of_a_slurm_job(tree, monkeypatch, variables, expected):
    tree("", {})
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert machine_memory() == 64 * GIB  # not in a job
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert machine_memory() == expected


def test_process_memory__honors_ulimit():
    code = "from dasksom.cluster import machine_memory, process_memory; print(process_memory(), machine_memory())"

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (3 * GIB, 3 * GIB))

    done = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=limit, capture_output=True, text=True, check=True, timeout=120
    )
    process, machine = map(int, done.stdout.split())
    assert 2 * GIB < process <= min(3 * GIB, machine)


def test_process_memory__without_limits_is_that_of_the_machine():
    assert process_memory() <= machine_memory() <= psutil.virtual_memory().total


def test_local_workers__share_what_the_cgroup_allows(tree, monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 8)
    tree("0::/\n", {"memory.max": 1400 << 20})
    workers = expected_workers(ClusterOptions("local"), small=False)
    assert (workers.count, workers.memory) == (1, 1000 << 20)  # 400 MiB are left to the driver
    workers = expected_workers(ClusterOptions("local", workers=2), small=False)
    assert (workers.count, workers.memory) == (2, 500 << 20)
    workers = expected_workers(ClusterOptions("local", memory_limit="4GiB"), small=False)
    assert (workers.count, workers.memory) == (1, 1400 << 20)  # no worker can have more than all
    assert expected_workers(ClusterOptions("threads"), small=False).memory == 1400 << 20
    tree("0::/\n", {"memory.max": 6 * GIB})
    assert expected_workers(ClusterOptions("local"), small=False).count == 5


@pytest.mark.parametrize("name", ["threads", "auto"])
def test_threads__honor_the_memory_limit(name):
    options = ClusterOptions(name, memory_limit="700MiB")
    assert expected_workers(options, small=True).memory == 700 << 20
    code = (
        "from dasksom.cluster import ClusterOptions, connect\n"
        "from dasksom.chunkwise.submission import workers\n"
        f"with connect(ClusterOptions({name!r}, memory_limit='700MiB'), small=True): print(workers().memory)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DASK_SCHEDULER_ADDRESS": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) == 700 << 20

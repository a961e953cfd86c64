import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import dask
import dask.array as da
import psutil
import pytest

from dasksom.cluster import ClusterOptions, connect
from dasksom.errors import DasksomError, InputError


def _total():
    return da.ones((100, 3), chunks=(10, 3)).sum().compute()


def _children():
    """Give the processes that were started here, Python's own helper aside (it lives as long as this process)."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ends just now
            if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


@pytest.mark.parametrize("name", ["threads", "local"])
def test_a_cluster_of_this_machine_computes_and_stops(name):
    before = _children()
    with connect(ClusterOptions(name, workers=1, memory_limit="1GiB"), small=False):
        assert _total() == 300
    deadline = time.monotonic() + 20
    while _children() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _children() <= before


def _listening(process):
    found = set()
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # one that an earlier test has ended
            connections = one.net_connections("inet")
            found |= {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
    return found


def test_local__listens_on_loopback_alone():
    with connect(ClusterOptions("local", workers=2, memory_limit="1GiB"), small=False) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2
        addresses = _listening(psutil.Process())
        assert addresses
        assert addresses <= {"127.0.0.1", "::1"}


def test_auto__starts_no_process_for_a_small_job():
    with connect(ClusterOptions(), small=True) as client:
        assert not hasattr(client, "scheduler_info")
        assert _total() == 300


def test_auto__starts_workers_where_they_are_asked_for():
    with connect(ClusterOptions(workers=1, memory_limit="1GiB"), small=True) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 1


def _settings():
    return [
        dask.config.get(f"distributed.worker.{name}") for name in ("memory.spill", "memory.pause", "profile.enabled")
    ]


def test_settings_of_our_workers__a_users_own_stay_though_they_are_dasks(monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__MEMORY__SPILL", "0.7")
    with connect(ClusterOptions("local", workers=1, memory_limit="1GiB"), small=False) as client:
        assert [*client.run(_settings).values()] == [[0.7, 0.9, False]]


def test_threads__as_many_as_asked_for():
    with connect(ClusterOptions("threads", workers=3), small=True):
        assert dask.config.get("scheduler") is dask.threaded.get
        assert dask.config.get("num_workers") == 3


def test_an_address_a_scheduler_file_and_the_environment(two_workers, tmp_path, monkeypatch):
    address = two_workers.scheduler.address
    scheduler_file = tmp_path / "scheduler.json"
    scheduler_file.write_text(json.dumps({"address": address}))
    for name in (address, str(scheduler_file)):
        with connect(ClusterOptions(name), small=True) as client:
            assert client.scheduler.address == address
            assert _total() == 300
    with dask.config.set({"scheduler-address": address}), connect(ClusterOptions(), small=True) as client:
        assert client.scheduler.address == address


def test_dask_scheduler_address_is_honored(two_workers):
    code = (
        "from dasksom.cluster import connect, ClusterOptions\n"
        "if __name__ == '__main__':\n"
        "    with connect(ClusterOptions(), small=True) as client: print(client.scheduler.address)"
    )
    address = two_workers.scheduler.address
    environment = {**os.environ, "DASK_SCHEDULER_ADDRESS": address}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == address


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ClusterOptions("lokal"), "lokal.*auto, threads, local"),
        (ClusterOptions("none.json"), "scheduler file"),
        (ClusterOptions(workers=0), "at least 1"),
        (ClusterOptions(memory_limit="big"), "not a size"),
        (ClusterOptions(memory_limit="3"), "at least"),
    ],
)
def test_options_that_name_no_cluster_are_refused_before_any_work(options, message):
    with pytest.raises(InputError, match=message):
        connect(options, small=True)


def test_a_file_that_is_no_scheduler_file(tmp_path):
    path = tmp_path / "some.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="not a scheduler file"):
        connect(ClusterOptions(str(path)), small=True)


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr("dasksom.cluster.existing.CONNECT_SECONDS", 1.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(DasksomError, match="no dask scheduler answers"),
            connect(ClusterOptions(address), small=True),
        ):
            pass


def test_a_scheduler_without_workers():
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        refused = pytest.raises(DasksomError, match="has no worker after 1 s")
        with refused, connect(ClusterOptions(cluster.scheduler_address, wait="1s"), small=True):
            pass

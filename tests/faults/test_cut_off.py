"""Workers that are cut off: by a network that fails, or because what watches over them dies."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.faults import harness
from tests.faults.harness import Command, epochs_in, fingerprint, is_gone, kill, quantizing, worker, workers_of

PROXY = """
import asyncio, sys

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

async def meet(reader, writer):
    there, answer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(pump(reader, answer), pump(there, writer))

async def serve():
    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"""
"""A network between a worker and its scheduler, that can fail in silence (SIGSTOP) or loudly (SIGKILL)."""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["silence", "reset"])
def test_a_network_that_fails(way, source, undisturbed, tmp_path, monkeypatch, request):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "8s")  # what an administrator may have set
    scheduler = request.getfixturevalue("scheduler")
    port = json.loads(Path(scheduler.file).read_text())["address"].rpartition(":")[2]
    proxy = psutil.Popen([sys.executable, "-c", PROXY, port], stdout=subprocess.PIPE, text=True)
    try:
        address = f"tcp://127.0.0.1:{proxy.stdout.readline().strip()}"
        far = ["worker", address, "--nthreads", "1", "--local-directory", str(tmp_path), "--host", "127.0.0.1"]
        with (
            worker(tmp_path, scheduler),
            Command(tmp_path, *far, "--no-dashboard", script=("-m", "dask")),
            quantizing(
                tmp_path, source, scheduler, "--minimum-workers", "2", "--summary", "s.json", epochs=harness.EPOCHS
            ) as command,
        ):
            command.wait_for(lambda: epochs_in(command.errors) >= 1, 90)
            if way == "silence":
                proxy.suspend()
            else:
                kill(proxy)
            began = time.monotonic()
            assert command.finish(120) == 0
            print(f"{way}: {time.monotonic() - began:.1f} s to the end")
        assert '"lost_workers": 0' not in (tmp_path / "s.json").read_text()
    finally:
        proxy.kill()
        proxy.wait(5)
        proxy.stdout.close()
    assert fingerprint(tmp_path / "out.zarr") == undisturbed.bytes


@pytest.mark.slow
def test_a_killed_nanny(source, undisturbed, scheduler, tmp_path):
    with (
        worker(tmp_path, scheduler) as nanny,
        worker(tmp_path, scheduler),
        quantizing(tmp_path, source, scheduler, "--minimum-workers", "2", epochs=harness.EPOCHS) as command,
    ):
        command.wait_for(lambda: epochs_in(command.errors) >= 1, 90)
        (orphan,) = workers_of(nanny.process.pid)
        nanny.process.kill()
        nanny.process.wait(5)
        assert seconds_to_end(orphan, 20) < 20
        assert command.finish(90) == 0
    assert fingerprint(tmp_path / "out.zarr") == undisturbed.bytes


def seconds_to_end(process, most):
    began = time.monotonic()
    while not is_gone(process) and time.monotonic() - began < most:
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.slow
def test_control__an_orphan_that_hangs_is_seen(scheduler, tmp_path):
    with worker(tmp_path, scheduler) as nanny:
        (orphan,) = nanny.wait_for(lambda: workers_of(nanny.process.pid), 30)
        time.sleep(3)
        orphan.suspend()
        nanny.process.kill()
        nanny.process.wait(5)
        assert seconds_to_end(orphan, 5) >= 5
        kill(orphan)

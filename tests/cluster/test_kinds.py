"""Every kind of cluster: what is refused, what is passed on, and the same bits on all that can be had here."""

import inspect
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from distributed.security import Security

from dasksom import BatchSOM
from dasksom.cluster import (
    ALLOCATIONS,
    CLUSTER_KINDS,
    CLUSTERS,
    ClusterOptions,
    TlsFiles,
    connect,
    job_script,
    take_role,
)
from dasksom.cluster.encryption import check_encrypted
from dasksom.cluster.readiness import check_versions, wait_for_workers
from dasksom.cluster.requested import load_class
from dasksom.config import load_config
from dasksom.errors import DasksomError, InputError

PROJECT = Path(__file__).parents[2]
CONFIGS = sorted((PROJECT / "configs").glob("*.yaml"))
JOBS = {
    "cores": 1,
    "memory": "2GB",
    "scheduler_options": {"host": "127.0.0.1"},
    "worker_extra_args": ["--host", "127.0.0.1", "--no-dashboard"],
}


def fitted():
    """Train on an image of 40 chunks on whatever is current; give what must not differ by a bit."""
    draw = np.random.default_rng(3).normal(100, 30, (200, 80, 4)).astype(np.float32)
    image = da.from_array(draw, chunks=(20, 20, 4))
    som = BatchSOM(4, 5, epochs=3, random_state=0).fit(image)
    return som.weights_.tobytes() + np.asarray(som.predict(image)).tobytes()


@pytest.fixture(scope="module")
def expected():
    with dask.config.set(scheduler="threads", num_workers=2):
        return fitted()


def on(options):
    with connect(options, small=False):
        return fitted()


# ------------------------------------------------------------------------------------------------- clusters that start


@pytest.fixture
def certificates(tmp_path):
    made = Security.temporary()
    texts = {"ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    for name, text in texts.items():
        (tmp_path / f"{name}.pem").write_text(text)
    return TlsFiles(*(str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key")))


@contextmanager
def scheduler_and_workers(folder, tls=None, workers=1):
    """Start what an administrator would: dask's own commands, on loopback."""
    secure = [] if tls is None else ["--tls-ca-file", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key]
    protocol = "tcp" if tls is None else "tls"
    file = folder / "scheduler.json"
    common = ["--scheduler-file", str(file), "--host", "127.0.0.1", *secure]
    dask_command = [sys.executable, "-m", "dask"]
    scheduler = ["scheduler", "--port", "0", "--protocol", protocol, "--no-dashboard"]
    commands = [[*dask_command, *scheduler, *common]] + workers * [
        [*dask_command, "worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", *common]
    ]
    started = []
    try:
        for command in commands:
            started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder))
            deadline = time.monotonic() + 60
            while not (file.exists() and file.read_text()):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield str(file)
    finally:
        for process in started:  # nobody waits for the other side's good-bye
            process.kill()
            process.wait(5)


def test_same_bits__over_tls(tmp_path, certificates, expected):
    with scheduler_and_workers(tmp_path, certificates, workers=2) as file:
        with connect(ClusterOptions(file, tls=certificates, minimum_workers=2), small=False) as client:
            assert client.scheduler.address.startswith("tls://")
            assert fitted() == expected
        with (
            pytest.raises(InputError, match=r"no certificates are given for tls; add --tls-ca-file, --tls-cert"),
            connect(ClusterOptions(file), small=False),
        ):
            pass


# dask-jobqueue ends such jobs by a SIGKILL and does not wait for them
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_same_bits__on_jobs_that_a_script_starts(tmp_path, monkeypatch, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    options = ClusterOptions("local-jobs", workers=1, options={**JOBS, "local_directory": str(tmp_path)})
    with connect(options, small=False) as client:
        assert client.scheduler.address.startswith("tls://127.0.0.1")
        (folder,) = tmp_path.glob(".dasksom-keys-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert fitted() == expected
    assert not list(tmp_path.glob(".dasksom-keys-*"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_same_bits__on_local_processes(workers, expected):
    assert on(ClusterOptions("local", workers, "1GiB")) == expected


@pytest.mark.slow
def test_same_bits__over_tcp(tmp_path, expected):
    with scheduler_and_workers(tmp_path) as file:
        assert on(ClusterOptions(file)) == expected


# --------------------------------------------------------------------------------------------------- what is passed on


def test_every_kind_is_a_name_that_the_command_line_shows():
    assert {"threads", "local", "slurm", "pbs", "lsf", "sge", "htcondor", "kubernetes", "gateway", "coiled"} <= {
        *CLUSTERS
    }
    assert {*CLUSTER_KINDS} <= {*CLUSTERS}
    assert {*ALLOCATIONS} == {"slurm-allocation", "mpi"}


@pytest.mark.parametrize("name", CLUSTER_KINDS)
def test_a_kind_names_a_class_or_the_extra_that_brings_it(name):
    kind = CLUSTER_KINDS[name]
    assert f"\n{kind.extra} = [" in (PROJECT / "pyproject.toml").read_text()
    try:
        import_module(kind.module)
    except ImportError:
        with pytest.raises(InputError, match=rf"dasksom\[{kind.extra}\]"):
            load_class(kind)
    else:
        assert inspect.isclass(load_class(kind))


def test_interrupts_still_interrupt_once_jobqueue_is_imported():
    before = signal.getsignal(signal.SIGINT)
    sys.modules.pop("dask_jobqueue.runner", None)
    load_class(CLUSTER_KINDS["slurm"])
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs__every_key_is_explained_and_every_option_known(path):
    cluster = load_config(path, {}).cluster
    for line in path.read_text().splitlines():
        if re.match(r" +#? ?\w+: ", line) and not line.endswith(":"):
            assert "#" in line[4:], line
    kind = CLUSTER_KINDS.get(cluster.name)
    if kind is None:
        assert not cluster.options
    elif kind.is_batch:
        script = job_script(cluster.as_options())
        assert "distributed.cli.dask_worker tls://" in script
        assert "01:00:00" in script
    else:
        try:
            parameters = inspect.signature(getattr(import_module(kind.module), kind.name)).parameters
        except ImportError:
            pytest.skip(f"{kind.module} is not installed")
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            assert {*cluster.options} <= {*parameters}


def test_job_script__a_users_own_configuration_of_dask_stays():
    load_class(CLUSTER_KINDS["slurm"])  # brings dask-jobqueue's defaults
    site = {"queue": "gpu-night", "cores": 3, "memory": "5GB"}
    with dask.config.set({f"jobqueue.slurm.{key}": value for key, value in site.items()}):
        script = job_script(ClusterOptions("slurm", insecure=True))
        assert "#SBATCH -p gpu-night" in script
        assert "--cpus-per-task=3" in script
        assert "#SBATCH -p day" in job_script(ClusterOptions("slurm", insecure=True, options={"queue": "day"}))
    assert "tls" not in script


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ClusterOptions("slurm", options={"coars": 3}), "cluster slurm: .*coars"),
        (ClusterOptions("slurm"), "cores and memory"),
        (ClusterOptions("local"), "no job scripts; these do: slurm, pbs"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of dask's half-made clusters
@pytest.mark.filterwarnings("ignore:unclosed cluster:ResourceWarning")
def test_job_script__what_cannot_be_used(options, message):
    with pytest.raises(InputError, match=message):
        job_script(options)


def test_a_batch_system_that_is_not_here(monkeypatch):
    monkeypatch.setenv("PATH", "")
    refused = pytest.raises(InputError, match="command sbatch is not on this machine")
    with refused, connect(ClusterOptions("slurm"), small=False):
        pass


# ---------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ClusterOptions("slrum"), "did you mean 'slurm'"),
        (ClusterOptions("local", options={"cores": 1}), "takes no options"),
        (ClusterOptions("local", adapt=(1, 2)), "does not grow"),
        (ClusterOptions("slurm", adapt=(3, 2)), "fewest"),
        (ClusterOptions("slurm", adapt=(0, 2), minimum_workers=3), "minimum_workers, 3"),
        (ClusterOptions("slurm", adapt=(1, 2), workers=2), "give one of them"),
        (ClusterOptions("slurm", workers=2, minimum_workers=3), "more than the workers"),
        (ClusterOptions("slurm", minimum_workers=0), "minimum_workers: at least 1"),
        (ClusterOptions("slurm", wait="soon"), "'soon' is not a time"),
        (ClusterOptions("slurm", tls=TlsFiles("a", "b", "c")), "no such file"),
        (ClusterOptions("mpi", insecure=True), "takes its role"),
        (ClusterOptions("tcp://192.0.2.1:8786"), "not encrypted"),
        (ClusterOptions("tls://192.0.2.1:8786"), "no certificates are given for tls; add --tls-ca-file, --tls-cert, "),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(InputError, match=message), connect(options, small=False):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"job_script_prologue": ["touch canary"]},
        {"python": "sh"},
        {"queue": "a\ntouch canary"},
        {"account": "a; touch canary"},
        {"job_extra_directives": ["`touch canary`"]},
        {"log_directory": "$(touch canary)"},
        {"worker_extra_args": ["--preload", "canary.py"]},
        {"bootstrap": True, "env_vars": {"LD_PRELOAD": "canary.so"}},
    ],
)
def test_options_that_carry_commands_need_a_word_of_the_user(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)  # dask-jobqueue makes the log directory at once
    name = "ec2" if "bootstrap" in options else "slurm"
    with pytest.raises(InputError, match="--allow-shell"), connect(ClusterOptions(name, options=options), small=False):
        pass
    if name == "slurm":
        given = {"cores": 1, "memory": "1GB", **options}
        assert job_script(ClusterOptions(name, options=given, insecure=True, allow_shell=True))


def test_a_configuration_cannot_allow_itself_commands(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("cluster: {name: slurm, allow_shell: true, options: {python: sh}}")
    with pytest.raises(InputError, match="cannot allow itself"):
        load_config(path, {})


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://h:1", "gateway://h:1"]
)
def test_check_encrypted__accepts(address):
    check_encrypted(address, insecure=False)


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "tcp://example.org:1", "ws://h:1", "ucx://h:1", "tcp://[fe80::1]:1"]
)
def test_check_encrypted__refuses(address):
    with pytest.raises(InputError, match=r"not encrypted.*--insecure"):
        check_encrypted(address, insecure=False)
    check_encrypted(address, insecure=True)


def test_dask_scheduler_address__is_no_way_around_encryption():
    with (
        dask.config.set({"scheduler-address": "tcp://192.0.2.1:8786"}),
        pytest.raises(InputError, match="not encrypted"),
        connect(ClusterOptions(), small=True),
    ):
        pass


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_take_role__outside_an_allocation(name):
    with pytest.raises(InputError, match="--insecure"), take_role(ClusterOptions(name)):
        pass
    with pytest.raises(InputError, match=r"not a task of a Slurm job|dasksom\[mpi\]|allocation of 1 proc"):  # noqa: SIM117
        with take_role(ClusterOptions(name, insecure=True)):
            pass


def test_take_role__other_kinds_go_on_as_they_are():
    with take_role(ClusterOptions("local", 2)) as options:
        assert options == ClusterOptions("local", 2)


# ------------------------------------------------------------------------------------------------- versions and waiting


def _versions(**changed):
    here = {"python": "3.11.7.final.0", "dasksom": "1", "dask": "2", "distributed": "2", "numpy": "3"}
    there = {**here, **changed}
    return {
        "client": {"packages": here},
        "scheduler": {"packages": here},
        "workers": {f"tcp://w{n}": {"packages": there if n else here} for n in range(20)},
    }


def test_check_versions__the_same():
    check_versions(_versions())
    check_versions(_versions(python="3.11.9.final.0", tornado="7"))


def test_check_versions__a_table_of_what_differs():
    with pytest.raises(DasksomError) as refused:
        check_versions(_versions(dask="9.9", dasksom=None))
    lines = str(refused.value).splitlines()
    assert any(re.search(r"dask +here 2 +there 9.9 +on tcp://w1, .* and 7 more", line) for line in lines)
    assert any(re.search(r"dasksom +here 1 +there missing", line) for line in lines)
    assert "w0," not in str(refused.value)


def test_other_versions_are_refused_before_any_work(two_workers, monkeypatch):
    real = two_workers.get_versions(packages=["dasksom"])
    assert {one["packages"]["dasksom"] for one in real["workers"].values()} == {real["client"]["packages"]["dasksom"]}
    monkeypatch.setitem(real["client"]["packages"], "dasksom", "0.0")
    with pytest.raises(DasksomError, match=r"dasksom +here 0\.0"):
        check_versions(real)


def test_wait_for_workers__says_what_it_waits_for(two_workers, caplog):
    with caplog.at_level("INFO", "dasksom.cluster"), pytest.raises(DasksomError, match="has 2 of 3 workers after 1 s"):
        wait_for_workers(two_workers, 3, 0.7)
    said = [record.message for record in caplog.records if "2 of 3 workers are ready" in record.message]
    assert said[0] == "2 of 3 workers are ready; waited 0 s, at most 1 s"


def test_wait_for_workers__speaks_each_minute(monkeypatch, caplog):
    class Waits:
        """A cluster that lacks a worker, and a clock that only goes while somebody waits for it."""

        now, scheduler = 0.0, SimpleNamespace(address="tcp://scheduler:1")

        def nthreads(self):
            return {"tcp://worker:1": 1}

        def wait_for_workers(self, least, timeout):
            self.now += timeout
            raise TimeoutError

    client = Waits()
    monkeypatch.setattr("dasksom.cluster.readiness.time", SimpleNamespace(monotonic=lambda: client.now))
    with (
        caplog.at_level("INFO", "dasksom.cluster"),
        pytest.raises(DasksomError, match="has 1 of 2 workers after 200 s"),
    ):
        wait_for_workers(client, 2, 200.0)
    waited = [re.search(r"waited (\d+) s, at most 200 s", record.message)[1] for record in caplog.records]
    assert waited == ["0", "60", "120", "180"]


# ---------------------------------------------------------------------------------------------------- a real gateway

GATEWAY = """
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:{api}"
c.Proxy.address = "127.0.0.1:{public}"
c.ClusterConfig.scheduler_cmd = ["dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["dask", "worker"]
c.ClusterConfig.worker_cores = 1
c.ClusterConfig.worker_memory = "1 G"
c.ClusterConfig.idle_timeout = 120
c.UnsafeLocalBackend.clusters_directory = "{folder}"
c.UnsafeLocalBackend.sigint_timeout = 1
"""


def free_ports(count):
    """Give ports that nobody has; not of those that the system gives to whoever asks for any, before we use them."""
    found = []
    for port in random.sample(range(20_000, 32_000), 1000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")


def is_well(gateway):
    try:
        with urlopen(f"{gateway}/api/health", timeout=5) as answer:  # noqa: S310  # of this machine
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def gateway(tmp_path):
    """Start a Dask Gateway whose clusters are processes of this machine; give its address."""
    api, public = free_ports(2)
    address = f"http://127.0.0.1:{public}"
    (tmp_path / "gateway.py").write_text(GATEWAY.format(api=api, public=public, folder=tmp_path))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (tmp_path / "gateway.log").open("w") as log:
        server = subprocess.Popen(
            ["dask-gateway-server", "--config", "gateway.py"], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 120
            while not is_well(address):
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield address
        finally:
            server.send_signal(signal.SIGINT)  # it stops its clusters
            try:
                server.wait(40)
            finally:
                server.kill()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("dask-gateway-server"), reason="no dask-gateway-server here")
def test_gateway__workers_that_are_asked_for_and_adapted_give_the_same_file(gateway, tmp_path, photograph):
    zarr.create_array(tmp_path / "scene.zarr", data=photograph.astype(np.float32), chunks=(100, 100, 3))
    (tmp_path / "lo.yaml").write_text(f"cluster: {{options: {{address: '{gateway}', auth: basic}}}}")
    (tmp_path / "adapt.yaml").write_text("cluster: {workers: null, adapt: [2, 2]}")
    small = ["--epochs", "3", "--chunk-size", "120KB"]
    config = ["--config", str(PROJECT / "configs" / "gateway.yaml"), "--config", "lo.yaml", "--minimum-workers", "2"]

    def run(*command):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "gateway.log").read_text()
        assert "Traceback" not in done.stderr

    dasksom = [sys.executable, "-m", "dasksom", "quantize", "scene.zarr"]
    run(*dasksom, "threads.zarr", *small, "--cluster", "threads")
    run(*dasksom, "asked.zarr", *small, *config, "--workers", "2")
    run(*dasksom, "adapted.zarr", *small, *config, "--config", "adapt.yaml")
    check_same(tmp_path, "threads.zarr", "asked.zarr", "adapted.zarr")
    log = (tmp_path / "gateway.log").read_text()
    assert log.count("Created worker") >= 4
    assert log.count("204 DELETE /api/v1/clusters/") == 2  # by the runs themselves, as they end


def check_same(folder, *names):
    """Check that outputs hold the same bytes."""
    first, *others = (zarr.open_group(folder / name, mode="r") for name in names)
    for group in others:
        for array in ("labels", "image", "palette"):
            assert group[array][...].tobytes() == first[array][...].tobytes()


# ------------------------------------------------------------------------------------------------------ a real Slurm


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("sbatch"), reason="no Slurm here; scripts/slurm-loopback runs this on one")
def test_slurm__jobs_and_an_allocation_give_the_same_file(tmp_path, photograph):
    zarr.create_array(tmp_path / "scene.zarr", data=photograph.astype(np.float32), chunks=(100, 100, 3))
    (tmp_path / "lo.yaml").write_text("cluster: {options: {interface: lo, memory: 1GB, log_directory: .}}")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    small = ["--epochs", "3", "--chunk-size", "120KB"]

    def run(*command):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
        assert done.returncode == 0, done.stdout + done.stderr + logs

    config = ["--config", str(PROJECT / "configs" / "slurm.yaml"), "--config", "lo.yaml"]
    run("dasksom", "quantize", "scene.zarr", "threads.zarr", *small, "--cluster", "threads")
    run("dasksom", "quantize", "scene.zarr", "jobs.zarr", *small, *config, "--workers", "2", "--minimum-workers", "2")
    script = str(PROJECT / "scripts" / "submit-slurm")
    run("sbatch", "--wait", "--ntasks", "4", "--mem-per-cpu", "1G", script, "scene.zarr", "allocation.zarr", *small)
    check_same(tmp_path, "threads.zarr", "jobs.zarr", "allocation.zarr")
    assert subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout.strip() == ""
    assert not list(tmp_path.glob("scheduler-*.json"))

"""GPUs of this machine, as a driver's program reports them that stands in for NVIDIA's; and one process for each."""

import os
from types import SimpleNamespace

import pytest

from dasksom.cluster import ClusterOptions, Workers, connect, connection, expected_workers, gpus
from dasksom.cluster.gpus import Gpu, assignment_plugin, local_gpus, machine_gpus, visible_devices
from dasksom.errors import InputError

TWO = "GPU-aa, 16384\nGPU-bb, 81920\n"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Return a function that makes the program of the driver print something, or fail."""

    def install(output, code=0):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        machine_gpus.cache_clear()

    yield install
    machine_gpus.cache_clear()


@pytest.fixture
def package(monkeypatch):
    """Let CuPy seem to be installed."""
    for module in (gpus, connection):
        monkeypatch.setattr(module, "find_spec", lambda name: name == "cupy")


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [("GPU-aa", 16), ("GPU-bb", 80)]),
        ("1", [("1", 16)]),
        ("GPU-bb, GPU-aa", [("GPU-bb", 16), ("GPU-aa", 16)]),
        ("1,-1,0", [("1", 16)]),
        ("", []),
    ],
)
def test_gpus__are_those_that_the_environment_allows(driver, visible, expected):
    driver(TWO)
    assert [(gpu.identity, gpu.memory >> 30) for gpu in machine_gpus(visible)] == expected


@pytest.mark.parametrize(("output", "code"), [("", 0), ("no devices were found", 6), ("GPU-aa, [N/A]\n", 0)])
def test_gpus__none_where_the_driver_reports_none(driver, output, code):
    driver(output, code)
    assert machine_gpus(None) == machine_gpus("0") == ()


def test_cuda__without_package_or_gpu_is_refused_in_words(driver, monkeypatch):
    driver(TWO)
    monkeypatch.setattr(gpus, "find_spec", lambda name: None)
    assert local_gpus("auto") == ()
    with pytest.raises(InputError, match=r"CuPy is not installed; run pip install 'dasksom\[cuda\]', or use"):
        local_gpus("cuda")
    monkeypatch.setattr(gpus, "find_spec", lambda name: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(InputError, match="reports no GPU of this machine among those that CUDA_VISIBLE_DEVICES='-1'"):
        expected_workers(ClusterOptions("threads", device="cuda"), small=True)
    driver("")
    with pytest.raises(InputError, match=r"reports no GPU of this machine; run on .*--cluster.*, or use 'auto'"):
        connect(ClusterOptions("local", device="cuda"), small=False)


def test_workers__one_per_gpu_with_cuda_one_per_core_with_auto(driver, package, monkeypatch):
    driver(TWO)
    monkeypatch.setattr("dask.system.CPU_COUNT", 8)
    monkeypatch.setattr("dasksom.cluster.options.machine_memory", lambda: 64 << 30)
    monkeypatch.setattr("dasksom.cluster.options.process_memory", lambda: 64 << 30)
    share = ((64 << 30) - (400 << 20)) // 2
    assert expected_workers(ClusterOptions("local", device="cuda"), small=False) == Workers(2, 4, share, 16 << 30)
    automatic = expected_workers(ClusterOptions("local", device="auto"), small=False)
    assert (automatic.count, automatic.threads, automatic.gpu_memory) == (8, 1, 16 << 30)
    assert expected_workers(ClusterOptions("local", device="cpu"), small=False).gpu_memory == 0
    assert expected_workers(ClusterOptions("threads", device="auto"), small=False).gpu_memory == 16 << 30
    for device, expected in (("auto", 0), ("cuda", 16 << 30)):  # with too little memory for the libraries of a GPU
        options = ClusterOptions("local", memory_limit="1GiB", device=device)
        assert expected_workers(options, small=False).gpu_memory == expected


def test_visible_devices():
    two = Gpu("a", 1), Gpu("b", 1)
    assert visible_devices(two, 3, shared=True) == {0: "a", 1: "b", 2: "a"}
    assert visible_devices(two, 3, shared=False) == {0: "a", 1: "b", 2: ""}
    assert visible_devices((), 1, shared=True) == {0: ""}


def test_assignment__is_by_the_name_of_the_worker(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "before")
    monkeypatch.setenv("CUPY_TF32", "1")
    for name, expected in ((1, "b"), (7, "")):
        assignment_plugin({0: "a", 1: "b"}).setup(SimpleNamespace(name=name))
        assert os.environ["CUDA_VISIBLE_DEVICES"] == expected
        assert os.environ["CUPY_TF32"] == "0"


def _device(dask_worker):
    return dask_worker.name, os.environ["CUDA_VISIBLE_DEVICES"], dask_worker.state.nthreads


@pytest.mark.slow
def test_local_workers__each_sees_its_gpu_again_after_a_restart(driver, package, monkeypatch):
    driver(TWO)
    with connect(ClusterOptions("local", workers=3, memory_limit="2GiB", device="auto"), small=False) as client:
        expected = [(0, "GPU-aa", 1), (1, "GPU-bb", 1), (2, "", 1)]
        assert sorted(client.run(_device).values()) == expected
        client.restart()
        assert sorted(client.run(_device).values()) == expected
    monkeypatch.setattr("dask.system.CPU_COUNT", 4)
    with connect(ClusterOptions("local", memory_limit="1GiB", device="cuda"), small=False) as client:
        assert sorted(client.run(_device).values()) == [(0, "GPU-aa", 2), (1, "GPU-bb", 2)]
        assert client.submit(os.getenv, "CUPY_TF32").result() == "0"

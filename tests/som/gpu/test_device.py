"""The device of a process: found, or refused in words; and work that is halved where a device's memory is too small."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.errors import DeviceMemoryError, InputError
from dasksom.som.bmu import search as search_module
from dasksom.som.bmu.search import Search
from dasksom.som.gpu import device
from dasksom.som.gpu.device import MOST_PIECE_BYTES, array_module, piece_bytes, work_in_pieces
from dasksom.som.samples import Samples
from tests.som.gpu.fake_device import FakeDevice


@pytest.fixture(autouse=True)
def _forget_the_device(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    device._cuda.cache_clear()
    yield
    device._cuda.cache_clear()


def install(monkeypatch, module):
    monkeypatch.setattr(device, "find_spec", lambda name: True)
    monkeypatch.setattr(device, "import_module", lambda name: module)


def fake(count):
    return SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count)))


def no_driver():
    raise RuntimeError("cudaErrorInsufficientDriver: the driver is too old\nmore")


class Tf32(FakeDevice):
    """A device that multiplies float32 with 10 bits, as with CUPY_TF32=1."""

    def asarray(self, values):
        bits = np.array(values).view(np.uint32) & np.uint32(0xFFFFE000)
        return bits.view(np.float32)


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        (None, r"CuPy is not installed; run pip install 'dasksom\[cuda\]'"),
        (fake(lambda: 0), "this machine has no NVIDIA GPU; run on one that has"),
        (fake(no_driver), r"cannot use a GPU here \(cudaErrorInsufficientDriver: the driver is too old\); install an"),
        (Tf32(), r"fewer digits \(TF32\); unset CUPY_TF32"),
    ],
    ids=["no package", "no GPU", "no driver", "TF32"],
)
def test_cuda__is_refused_in_words_and_auto_takes_the_processor(module, problem, monkeypatch):
    if module is None:
        monkeypatch.setattr(device, "find_spec", lambda name: None)
    else:
        install(monkeypatch, module)
    with pytest.raises(InputError, match=f"device 'cuda': .*{problem}.*; or use 'auto'"):
        array_module("cuda")
    assert array_module("auto") is None


def test_hidden_gpus__nothing_is_imported(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(device, "import_module", None)
    assert array_module("auto") is None
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES hides all GPUs from this process; set it to one"):
        array_module("cuda")


def test_a_device_that_multiplies_exactly_is_used(monkeypatch):
    module = FakeDevice()
    install(monkeypatch, module)
    assert array_module("auto") is array_module("cuda") is module
    assert array_module("cpu") is None


def test_small_searches__auto_does_not_ask_for_a_device(monkeypatch):
    asked = []
    monkeypatch.setattr(search_module, "_array_module", lambda name: asked.append(name))
    samples = Samples(np.ones((4, 3)), None, None)
    for name, metric, missing in (("auto", "euclidean", "error"), ("cpu", "euclidean", "error")):
        Search(metric, device=name, missing=missing).best(samples, np.eye(3))
    assert asked == []
    monkeypatch.setattr(search_module, "_LEAST_WORK", 36)
    Search(device="auto").best(samples, np.eye(3))
    assert asked == ["auto"]
    Search("manhattan", device="auto").best(samples, np.eye(3))
    Search(missing="bands", device="auto").best(samples, np.eye(3))
    assert asked == ["auto"]


def test_too_little_memory__auto_continues_on_the_processor(monkeypatch, caplog):
    monkeypatch.setattr(search_module, "_array_module", lambda name: FakeDevice(most=0))
    monkeypatch.setattr(search_module, "_LEAST_WORK", 0)
    samples, codebook = Samples(np.eye(3), None, None), np.eye(3)[::-1].copy()
    with caplog.at_level(logging.WARNING, "dasksom"):
        assert Search(device="auto").best(samples, codebook).tolist() == [2, 1, 0]
        assert Search(device="auto").gather(samples, codebook, np.array([2, 1, 0])).hits.tolist() == [1, 1, 1]
    assert caplog.text.count("; the processor continues") == 2
    with pytest.raises(
        DeviceMemoryError, match=r"too small for 1 samples \(Out of memory.*\); end other .*--device cpu"
    ):
        Search(device="cuda").best(samples, codebook)


def test_pieces_take_half_of_the_free_memory_up_to_a_limit():
    assert piece_bytes(FakeDevice(free=1 << 20)) == 1 << 19
    assert piece_bytes(FakeDevice()) == MOST_PIECE_BYTES
    assert piece_bytes(np) > 0


def test_work_in_pieces__halves_in_multiples_and_frees_memory(caplog):
    pieces, module = [], FakeDevice()

    def work(part):
        if part.stop - part.start > 30:
            raise RuntimeError("CUDARuntimeError: cudaErrorMemoryAllocation: out of memory")
        pieces.append((part.start, part.stop))

    with caplog.at_level(logging.WARNING, "dasksom"):
        work_in_pieces(module, work, 95, rows=64, least=10)
    assert pieces == [(0, 30), (30, 60), (60, 90), (90, 120)]
    assert module.freed == 1
    assert "the GPU is out of memory; continuing with 30 samples at once" in caplog.text


def test_work_in_pieces__other_errors_pass():
    with pytest.raises(ZeroDivisionError):
        work_in_pieces(np, lambda part: 1 // 0, 5, rows=5)


@pytest.mark.parametrize("parameters", [{"metric": "manhattan"}, {"missing": "bands"}])
def test_cuda__is_refused_for_searches_that_no_gpu_does(parameters):
    with pytest.raises(InputError, match=r"GPUs search by 'euclidean' and 'cosine' distances.*; use device='auto'"):
        BatchSOM(2, 2, device="cuda", **parameters).fit(np.ones((4, 3)))

import os
import signal
import subprocess
import sys
import time

import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM, InputError, open_image
from dasksom.chunkwise import ThrottledKeeper
from dasksom.demo.synthetic_mosaic import write_mosaic
from dasksom.som.quality import Epoch, Quality
from dasksom.training.checkpoint import Checkpoint
from dasksom.training.record_encoding import pack, unpack
from dasksom.training.trained_map import MapState


@pytest.fixture
def state():
    epoch = Epoch(1, 0.5, 1 / 3, float("nan"), 2e300, -0.0, 7)
    return MapState(np.random.default_rng(0).random((5, 3)), np.eye(3), (epoch, epoch))


@pytest.fixture
def eager(monkeypatch):
    """Save every state and every window."""
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)


def test_records_come_back_bit_for_bit(state):
    quality = Quality(np.ones(2), np.zeros(2), 0.1, np.ones(1), np.zeros(3), 1e-300, None)
    value = {"state": state, "more": (1, None, True, "text", quality, np.arange(4, dtype=np.uint32)), "nothing": ()}
    found = unpack(pack(value))
    assert found["state"].codebook.tobytes() == state.codebook.tobytes()
    assert repr(found["state"].history) == repr(state.history)
    assert found["more"][:4] == (1, None, True, "text")
    assert found["more"][5].dtype == np.uint32
    assert found["more"][4].misplaced is None
    assert pack(found) == pack(value)


def test_every_flipped_bit_of_a_record_is_found(state):
    content, draw = pack(state), np.random.default_rng(0)
    for bit in draw.integers(0, 8 * len(content), 300):
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(ValueError, match="checksum"):
            unpack(bytes(broken))
    for end in draw.integers(0, len(content), 50):
        with pytest.raises(ValueError, match="checksum"):
            unpack(content[:end])


def test_a_record_that_is_broken_gives_way_to_the_one_before(tmp_path, state, caplog):
    kept = Checkpoint(tmp_path / "kept", {"a": 1})
    kept.save("state", state)
    kept.save("state", MapState(state.codebook, state.laid_out))
    assert len(kept.load("state").history) == 0
    path = tmp_path / "kept" / "state.record"
    path.write_bytes(path.read_bytes()[:-1])
    assert len(kept.load("state").history) == 2
    assert "it is ignored" in caplog.text
    assert kept.load("nothing") is None


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    Checkpoint(tmp_path / "kept", {"epochs": "4", "image": ["x", 1]})
    Checkpoint(tmp_path / "kept", {"epochs": "4", "image": ["x", 1]})
    with pytest.raises(InputError, match="epochs: '4' then, '5' now"):
        Checkpoint(tmp_path / "kept", {"epochs": "5", "image": ["x", 1]})
    older = Checkpoint(
        tmp_path / "kept", {"epochs": "4", "image": ["x", 1], "scale": "none", "stack": False, "new": []}
    )
    assert older.changes({"epochs": "4", "image": ["x", 1], "scale": "standard"}) == [
        "scale: None then, 'standard' now"
    ]
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match=r"holds other files \(.*\); name a folder"):
        Checkpoint(tmp_path, {})
    assert (tmp_path / "mine.txt").read_text() == "precious"
    with pytest.raises(InputError, match="the folder for checkpoints cannot be created: File exists"):
        Checkpoint(tmp_path / "mine.txt", {})


class KilledError(Exception):
    pass


@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize("options", [{}, {"init": "sample"}, {"color_space": "lab", "refine": 12}])
def test_fit__goes_on_wherever_it_was_stopped(photograph, tmp_path, eager, dtype, options):
    image = da.from_array((photograph[::2, ::2] / (1 if dtype == "u1" else 255)).astype(dtype), chunks=(50, 30, 3))
    how = {"epochs": 2, "random_state": 1, **options}
    straight = BatchSOM(3, 3, **how).fit(image)
    calls = {"all": 0, "until": None}

    def progress(*_):
        calls["all"] += 1
        if calls["all"] == calls["until"]:
            raise KilledError

    BatchSOM(3, 3, **how).fit(image, progress=progress)
    total, stops = calls["all"], 0
    for until in np.random.default_rng(0).integers(1, total + 1, 4):
        calls.update(all=0, until=int(until))
        try:
            BatchSOM(3, 3, **how).fit(image, progress=progress, checkpoint=tmp_path / "kept")
        except KilledError:
            stops += 1
        left = calls["all"]
        calls.update(all=0, until=None)
        som = BatchSOM(3, 3, **how).fit(image, progress=progress, checkpoint=tmp_path / "kept")
        assert som.weights_.tobytes() == straight.weights_.tobytes()
        assert som.history_ == straight.history_
        assert calls["all"] <= total - left + 2  # what was done is not done again, but for a window and a state
        assert list((tmp_path / "kept").iterdir()) == []
    assert stops


def test_fit__refuses_to_go_on_with_something_else(photograph, tmp_path, eager):
    def stop(epoch, _):
        raise KilledError

    image = da.from_array(photograph.astype(np.float32), chunks=(100, 100, 3))
    with pytest.raises(KilledError):
        BatchSOM(2, 2, epochs=3).fit(image, on_epoch=stop, checkpoint=tmp_path)
    with pytest.raises(InputError, match="epochs: '3' then, '4' now"):
        BatchSOM(2, 2, epochs=4).fit(image, checkpoint=tmp_path)
    with pytest.raises(InputError, match="image 0"):
        BatchSOM(2, 2, epochs=3).fit(image + 1, checkpoint=tmp_path)
    with pytest.raises(InputError, match="image 0"):
        BatchSOM(2, 2, epochs=3).fit(image, mask=photograph[..., 0] > 9, checkpoint=tmp_path)
    with pytest.raises(InputError, match="dask arrays"):
        BatchSOM(2, 2, epochs=3).fit(photograph, checkpoint=tmp_path)


TRAINS = """
import sys, time
import numpy as np
from dasksom import BatchSOM, open_image

image = open_image(sys.argv[1], chunk_bytes=1 << 18).astype(np.float32)
som = BatchSOM(3, 3, epochs=3).fit(image, on_epoch=lambda *_: time.sleep(2.2), checkpoint=sys.argv[2])
print(som.weights_.tobytes().hex())
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.3, 2.5, 4.8])
def test_fit__goes_on_after_its_process_was_killed(tmp_path, after):
    write_mosaic(tmp_path / "mosaic.zarr", side=1024, chunk=1024)
    image = open_image(tmp_path / "mosaic.zarr", chunk_bytes=1 << 18).astype(np.float32)
    expected = BatchSOM(3, 3, epochs=3).fit(image).weights_.tobytes().hex()
    command = [sys.executable, "-c", TRAINS, str(tmp_path / "mosaic.zarr"), str(tmp_path / "kept")]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "kept" / "identity.record").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        while after > 4 and not (tmp_path / "kept" / "state.record").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(after % 4)
    finally:
        os.kill(running.pid, signal.SIGKILL)
    assert running.wait(60) == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == expected, done.stderr

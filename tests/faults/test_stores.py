"""Stores that fail for a moment, and for good: a server that answers 503, as busy stores do."""

import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dasksom.errors import InputError
from dasksom.storage import retries as patience
from tests.faults.harness import PASSES, Watchdog, run


@pytest.fixture
def store(source):
    """A server of the image; `often` tells which requests for chunks it fails to answer."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=str(Path(source).parent), **options)

        def log_message(self, *_):
            pass

        def do_GET(self):
            if "/c/" in self.path:
                with serving.lock:
                    serving.asked += 1
                    fails = serving.often and serving.asked % serving.often == 0
                    serving.failed += bool(fails)
                if fails:
                    self.send_error(503)
                    return
            super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        serving.asked = serving.failed = serving.often = 0
        serving.lock = threading.Lock()
        serving.url = f"http://127.0.0.1:{serving.server_port}/{Path(source).name}"
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join(5)


@pytest.mark.slow
def test_a_store_that_fails_now_and_then(store, undisturbed, two, tmp_path):
    store.often = 40
    with Watchdog(250):
        done = run(store.url, tmp_path / "out.zarr", two.scheduler_address)
    assert store.failed >= 10
    assert done.record.retries == store.failed
    assert store.asked == 128 * PASSES + store.failed
    assert done.same == undisturbed.same


@pytest.mark.parametrize(("delays", "tried"), [((0.01, 0.02), 3), ((), 1)], ids=["patient", "control: impatient"])
def test_a_store_that_fails_for_good(delays, tried, store, tmp_path, monkeypatch):
    store.often = 1
    monkeypatch.setattr(patience, "DELAYS", delays)
    with pytest.raises(InputError, match=rf"pixels \[\d+:\d+, \d+:\d+\] cannot be read: 503.* \(tried {tried} times\)"):
        run(store.url, tmp_path / "out.zarr", "threads")
    assert not (tmp_path / "out.zarr").exists()


def test_control__without_patience_the_first_failure_ends_a_run(store, tmp_path, monkeypatch):
    store.often = 40
    monkeypatch.setattr(patience, "DELAYS", ())
    with pytest.raises(InputError, match="503"):
        run(store.url, tmp_path / "out.zarr", "threads")

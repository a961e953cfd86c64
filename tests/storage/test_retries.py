import errno

import pytest

from dasksom.errors import InputError
from dasksom.storage import retries as patience
from dasksom.storage.retries import RetriesExhaustedError, is_transient, retry, take_retries


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(patience, "DELAYS", (0.001, 0.002, 0.003))
    take_retries()


class _Flaky:
    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "read"


class _StatusError(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), ConnectionResetError(), OSError(errno.EIO, "io"), OSError(errno.ESTALE, "nfs"), _StatusError(503)],
)
def test_patiently__what_may_pass_is_tried_again_and_counted(error):
    read = _Flaky(error, error)
    assert retry(read) == "read"
    assert read.calls == 3
    assert take_retries() == 2
    assert take_retries() == 0


@pytest.mark.parametrize(
    "error",
    [
        InputError("damaged"),
        FileNotFoundError(errno.ENOENT, "gone"),
        PermissionError(errno.EACCES, "no"),
        OSError(errno.ENOSPC, "full"),
        ValueError("cannot be decoded"),
        _StatusError(404),
    ],
)
def test_patiently__what_lasts_is_told_at_once(error):
    read = _Flaky(error)
    with pytest.raises(type(error)):
        retry(read)
    assert read.calls == 1
    assert take_retries() == 0


def test_patiently__what_does_not_pass_is_told_in_the_end():
    read = _Flaky(*(ConnectionError("away") for _ in range(9)))
    with pytest.raises(RetriesExhaustedError, match=r"away \(tried 4 times\)"):
        retry(read)
    assert read.calls == 4


def test_is_passing__errors_of_networks():
    aiohttp = pytest.importorskip("aiohttp")
    assert is_transient(aiohttp.ServerDisconnectedError())
    assert is_transient(aiohttp.ClientPayloadError())
    botocore = pytest.importorskip("botocore.exceptions")
    assert is_transient(botocore.ReadTimeoutError(endpoint_url="s3"))

"""Runs on a client of the caller that cannot be used, or is closed before the run has ended."""

import asyncio

import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster

from dasksom import BatchSOM
from dasksom.cluster import check_reads
from dasksom.errors import DasksomError


@pytest.fixture
def cluster():
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


@pytest.fixture
def image():
    return da.from_array(np.random.default_rng(0).normal(size=(200, 200, 4)), chunks=(10, 10, 4))


@pytest.mark.parametrize("closed", ["client", "cluster"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of dask, whose requests are under way
def test_a_client_that_is_closed_during_a_pass(cluster, image, closed):
    calls = []

    def progress(done, total):
        calls.append(done)
        if len(calls) == 3:
            (client if closed == "client" else cluster).close()

    with (
        Client(cluster) as client,
        pytest.raises(
            DasksomError,
            match=r"its cluster was closed, or its scheduler is gone; keep|the scheduler at .* is gone, or cannot",
        ),
    ):
        BatchSOM(4, 4, epochs=5, cache="none").fit(image, progress=progress)


def test_an_asynchronous_client(cluster, image):
    async def fit():
        async with Client(cluster.scheduler_address, asynchronous=True):
            BatchSOM(4, 4, epochs=5).fit(image)

    with pytest.raises(DasksomError, match=r"client is asynchronous.*asyncio.to_thread"):
        asyncio.run(fit())


class Workers:
    """A client whose workers are on other machines, and run in this process."""

    def __init__(self, *addresses):
        self.addresses, self.asked = addresses, []

    def nthreads(self):
        return dict.fromkeys(self.addresses, 1)

    def run(self, function, *arguments, workers, on_error):
        self.asked += workers
        return {worker: function(*arguments) for worker in workers}


def test_check_reads__names_a_worker_that_has_other_files(tmp_path):
    path = tmp_path / "image.tif"
    workers = Workers("tcp://10.0.0.1:4000", "tcp://127.0.0.1:4001", "tls://10.0.0.2:4000")
    check_reads(workers, path.read_bytes, str(path))
    assert not workers.asked  # what nobody can read, the run reports
    path.write_bytes(b"1")
    check_reads(workers, path.read_bytes, str(path))
    assert workers.asked == ["tcp://10.0.0.1:4000", "tls://10.0.0.2:4000"]
    here = iter([b"1"])

    def read():
        if next(here, None) is None:
            raise FileNotFoundError(path)

    with pytest.raises(DasksomError, match=r"image.tif: .* 2 of 2 workers .*10.0.0.1.*FileNotFoundError.*shared"):
        check_reads(workers, read, str(path))

"""Fixtures of several test modules."""

import dask
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from skimage import data

from dasksom.storage import own_removal
from tests import browsing

BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # machines are busy at times
settings.register_profile("dasksom", **BUSY, derandomize=True, database=None)
settings.register_profile("explore", **BUSY)  # --hypothesis-profile explore: other examples each time
settings.load_profile("dasksom")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run tests marked slow")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        skip = pytest.mark.skip(reason="slow; --slow runs it")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _threads():
    """Compute on two threads unless a test says otherwise, whatever the machine."""
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


@pytest.fixture(scope="session", autouse=True)
def _sweep_soon():
    """Shorten the wait for tasks that still write before a deletion; most tests have none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_removal, "REMOVAL_PAUSE_SECONDS", 0.005)
        yield


@pytest.fixture(scope="session")
def photograph():
    """A photograph of (400, 600, 3) uint8."""
    return data.coffee()


@pytest.fixture(scope="session")
def patch(photograph):
    """A small piece of it, (48, 60, 3) uint8."""
    return np.ascontiguousarray(photograph[100:148, 200:260])


@pytest.fixture(scope="session")
def two_workers():
    """A client of a cluster of two single-thread worker processes, shared by all tests that need one."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", memory_limit="2GiB"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def client(two_workers):
    """The shared client, current for the duration of a test."""
    with two_workers.as_current(), dask.config.set(scheduler="dask.distributed"):
        yield two_workers


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser for pages, shared by all tests that need one."""
    driver = browsing.start(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def s3():
    """An S3 of one bucket, `images`, on this machine: the options of fsspec, and a client."""
    from tests.object_store import serve_s3

    with serve_s3() as store:
        yield store


@pytest.fixture
def random():
    """A seeded generator of random numbers."""
    return np.random.default_rng(0)

"""Images and clusters that are disturbed."""

import pytest

from tests.faults import harness


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """An image of 128 chunks of uint16, streamed."""
    return harness.make_image(tmp_path_factory.mktemp("source") / "scene.zarr")


@pytest.fixture(scope="session")
def undisturbed(source, tmp_path_factory):
    """What a run over it comes to."""
    return harness.run(source, tmp_path_factory.mktemp("undisturbed") / "out.zarr", "threads")


@pytest.fixture
def two():
    """A cluster of two workers as somebody else would start it, whose processes are this one's."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit="1GiB",
        silence_logs=50,
    ) as cluster:
        yield cluster

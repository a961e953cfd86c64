"""Images and clusters that are disturbed."""

import dask
import pytest

from dasksom import open_image
from tests.faults import harness


@pytest.fixture(autouse=True)
def _others(monkeypatch):
    """Leave the workers of clusters alone that were there before."""
    monkeypatch.setattr(harness, "OTHERS", {one.pid for one in harness.workers_of()})


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

    # as README advises for a network without far corners: else a death may cost the 30 s that dask tries to connect
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "6s"}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit="1GiB",
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler as a process of its own; `file` is where it is told how to reach it."""
    file = tmp_path / "scheduler.json"
    with harness.dask_process(tmp_path, "scheduler", "--port", "0", "--scheduler-file", str(file)) as command:
        command.file = str(file)
        command.wait_for(lambda: file.exists() and file.read_text(), 30)
        yield command


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Streamed images of each type of pixels, lazy."""
    folder = tmp_path_factory.mktemp("images")
    paths = {dtype: harness.make_image(folder / f"{dtype}.zarr", dtype, (160, 240)) for dtype in harness.TYPES}
    return {dtype: open_image(path, chunk_bytes=1 << 14) for dtype, path in paths.items()}

import boto3
import fsspec
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from dasksom.image.mosaics import tiled_source as tiles
from dasksom.image.photographs import source as photographs
from dasksom.image.tiff import segments as tiff_layout
from dasksom.image.zarr import ome_writer as ome_results
from dasksom.image.zarr import source as zarr_files
from dasksom.image.zarr import writer as zarr_results
from dasksom.storage import locations


@pytest.fixture(autouse=True)
def _forget_open_files():
    for cached in (
        ome_results._target,
        photographs._decoded,
        tiff_layout._layout,
        tiff_layout._whole,
        tiles._tiling,
        tiles.tile_found,
        zarr_files._array,
        zarr_results._target,
    ):
        cached.cache_clear()


SECRET = "a-very-secret-word"  # noqa: S105 - it opens nothing


@pytest.fixture(scope="module")
def s3():
    """An S3 of one bucket, `images`, on this machine: what fsspec takes to open it, and a client."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "reader", "secret": SECRET, "endpoint_url": f"http://{host}:{port}"}
    options["client_kwargs"] = {"region_name": "us-east-1"}
    client = boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        aws_access_key_id="reader",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="images")
    yield options, client
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    locations.file_system.cache_clear()
    server.stop()


@pytest.fixture
def random():
    return np.random.default_rng(0)

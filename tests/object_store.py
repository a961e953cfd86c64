"""An S3 on this machine, for the tests that read from or write to a store."""

from contextlib import contextmanager

import boto3
import fsspec
from moto.server import ThreadedMotoServer

from dasksom.storage import locations

SECRET = "a-very-secret-word"  # noqa: S105 - it opens nothing


@contextmanager
def serve_s3():
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

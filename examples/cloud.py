"""Quantize from one bucket of a cloud to another, with a local S3 in place of the cloud's.

python examples/cloud.py [FOLDER]

The workers read the image from s3:// and write the result there, chunk by chunk; it can be opened once it is complete.
Nothing is stored on the disk of this machine. Credentials and the address of the store come from the environment, as
for the store's own tools. For your own bucket leave out the server and the variables, and add
`--config configs/coiled.yaml`, `aws.yaml` or `kubernetes.yaml` for workers near the data.
Needs dasksom[examples].
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import zarr
from moto.server import ThreadedMotoServer
from PIL import Image

from dasksom.cli.main import cli
from dasksom.demo import mosaic_array


@contextmanager
def store_on_this_machine() -> Iterator[None]:
    """Run an S3 on loopback, named by the environment, until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # silences a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    told = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "nothing-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.stop()


def main(folder: Path) -> None:
    """Put a scene into a bucket, quantize it there, and look at the result over the network."""
    folder.mkdir(parents=True, exist_ok=True)
    with store_on_this_machine():
        bucket = fsspec.filesystem("s3")
        bucket.mkdir("scenes")
        mosaic_array(2048, chunk=1024).to_zarr("s3://scenes/scene.zarr", zarr_format=3)  # yours exists
        where = ["s3://scenes/scene.zarr", "s3://scenes/reduced.ome.zarr"]
        for words in (
            ["plan", *where, "--chunk-size", "4MiB"],
            ["quantize", *where, "--chunk-size", "4MiB", "--workers", "2"],
        ):
            print("$ dasksom", *words)
            cli.main(words, standalone_mode=False)
        group = zarr.open_group("s3://scenes/reduced.ome.zarr", mode="r")
        preview = group["1"][...].transpose(1, 2, 0)  # only the level of half the size is transferred
        Image.fromarray(preview).save(folder / "cloud-preview.png")
        objects = bucket.find("scenes/reduced.ome.zarr", detail=True)
    size = sum(one["size"] for one in objects.values())
    print(f"s3://scenes/reduced.ome.zarr: {len(objects)} objects, {size / 1e6:.1f} MB")
    print(f"{folder / 'cloud-preview.png'}: {preview.shape[1]} x {preview.shape[0]} pixels of the result")


if __name__ == "__main__":  # workers are spawned and import this file again
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))

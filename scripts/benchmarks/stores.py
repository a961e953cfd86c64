"""An image in an object store that answers each request late, against the same image on a local disk."""

import logging
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import dask.array as da
import numpy as np
import zarr

from benchmarks.gigapixel import fit_and_label
from benchmarks.measuring import Row, Sizes, shown, timed
from dasksom.cluster import ClusterOptions, connect
from dasksom.demo.synthetic_mosaic import mosaic_array

LATENCY = 0.05
"""Seconds before each answer of the late store."""
BANDS = 10


def _serve(port: Connection, latency: Any) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it reports each request
    store = DomainDispatcherApplication(create_backend_app)

    def late(environ, start_response):
        time.sleep(latency.value)
        return store(environ, start_response)

    server = make_server("127.0.0.1", 0, late, threaded=True)
    port.send(server.server_port)
    server.serve_forever()


@contextmanager
def late_s3() -> Iterator[tuple[str, Any]]:
    """Start an S3 in a process of its own, and point this process and its workers to it.

    Yields the URL of its bucket, and its latency in seconds, which may be changed.
    """
    spawn = get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    latency = spawn.Value("d", 0.0)
    process = spawn.Process(target=_serve, args=(sender, latency), daemon=True)
    process.start()
    try:
        if not receiver.poll(60):
            raise TimeoutError("the S3 does not start")
        named = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{receiver.recv()}", "AWS_DEFAULT_REGION": "us-east-1"}
        keys = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
        with patch.dict(os.environ, named | keys):
            boto3.client("s3").create_bucket(Bucket="images")
            yield "s3://images", latency
    finally:
        process.terminate()
        process.join()


def _many_bands(block: np.ndarray) -> np.ndarray:
    mix = np.random.default_rng(0).random((block.shape[-1], BANDS))
    return (block @ mix).astype(np.float32)


def s3(sizes: Sizes, folder: Path) -> list[Row]:
    """Train on an image of 32-bit numbers and label it, from a store and from a disk."""
    side, chunk = (1024, 1024) if sizes.toy else (4096, 1024)
    path, times = folder / "stored.zarr", dict[str, list[float]]()
    pixels = mosaic_array(side, chunk)
    pixels = pixels.map_blocks(_many_bands, chunks=(*pixels.chunks[:2], (BANDS,)), dtype=np.float32)
    codec = zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")
    target = zarr.create_array(path, shape=pixels.shape, chunks=pixels.chunksize, dtype=pixels.dtype, compressors=codec)
    da.store(pixels, target, lock=False)
    with late_s3() as (bucket, latency):
        client = boto3.client("s3")
        for file in path.rglob("*"):
            if file.is_file():
                client.upload_file(str(file), "images", str(file.relative_to(folder)))

        def fit(source: Path | str, seconds: float) -> None:
            latency.value = seconds
            with own.as_current():
                fit_and_label(source, folder / "labels.zarr", "none", times)

        with connect(ClusterOptions("local", 2, "2GiB"), small=False) as own:
            remote = f"{bucket}/{path.name}"
            disk, at_once, late = timed(
                partial(fit, path, 0), partial(fit, remote, 0), partial(fit, remote, LATENCY), repeats=sizes.repeats
            )
    size = f"{pixels.nbytes / 2**20:.0f} MiB of float32, chunks of {chunk}"
    of_late, of_disk, of_server = (statistics.median(one) for one in (late, disk, at_once))
    name = f"s3 with {1000 * LATENCY:.0f} ms a request"
    return [
        Row(f"{name} / disk, fit + labels", of_late / of_disk, "<= 1.3", f"{shown(late)} / {shown(disk)}; {size}"),
        Row(f"{name} / s3 without", of_late / of_server, "<= 1.3", f"{shown(late)} / {shown(at_once)}"),
    ]

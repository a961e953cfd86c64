"""Images in remote stores: S3 as moto serves it, HTTP as a server that gives parts of files, both on this machine."""

import logging
import pickle
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tifffile
import yaml
import zarr
from click.testing import CliRunner
from PIL import Image
from zarr.storage import ZipStore

from dasksom import BatchSOM, InputError, open_image, open_picture
from dasksom.cli.main import cli
from dasksom.image import open_pixels
from dasksom.storage.locations import Location, locate
from tests.object_store import SECRET


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (300, 220, 3), np.uint8)


@pytest.fixture(scope="module")
def bucket(s3, pixels, tmp_path_factory):
    """A bucket with images, and what it takes to open it."""
    folder = tmp_path_factory.mktemp("bucket")
    tifffile.imwrite(folder / "tiles.tif", pixels, photometric="rgb", tile=(64, 64), compression="zlib")
    tifffile.imwrite(folder / "strips.tif", pixels, photometric="rgb", rowsperstrip=7)
    Image.fromarray(pixels).save(folder / "photo.png")
    zarr.create_array(folder / "scene.zarr", data=pixels, chunks=(64, 64, 3))
    with ZipStore(folder / "scene.zarr.zip", mode="w") as store:
        zarr.create_array(store, data=pixels, chunks=(64, 64, 3))
    group = zarr.create_group(folder / "group", zarr_format=2)
    group.create_array("image", data=pixels, chunks=(64, 64, 3))
    (folder / "empty.tif").touch()
    options, client = s3
    for path in folder.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "images", path.relative_to(folder).as_posix())
    return options


@pytest.mark.parametrize("name", ["tiles.tif", "strips.tif", "photo.png", "scene.zarr", "scene.zarr.zip", "group"])
def test_s3__every_format(bucket, pixels, name):
    image = open_image(f"s3://images/{name}", storage=bucket, chunk_bytes=64 * 64 * 6)
    assert np.array_equal(image.compute(), pixels)
    assert np.array_equal(image[70:200, 50:180].compute(), pixels[70:200, 50:180])
    assert open_image(f"s3://images/{name}", storage=bucket, chunk_bytes=64 * 64 * 6).name == image.name


def test_s3__on_workers_of_a_cluster(bucket, pixels, client):
    for name in ("tiles.tif", "scene.zarr", "scene.zarr.zip"):
        image = open_image(f"s3://images/{name}", storage=bucket, chunk_bytes=64 * 64 * 6)
        som = BatchSOM(2, 2, epochs=2).fit(image)
        assert np.array_equal(som.weights_, BatchSOM(2, 2, epochs=2).fit(pixels).weights_)


def test_s3__mask_beside_the_image(bucket, pixels):
    found = open_picture("s3://images/tiles.tif", mask="s3://images/photo.png", storage=bucket)
    assert np.array_equal(found.mask.compute(), pixels.any(axis=2))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.tif", r"^s3://images/gone\.tif: there is no such file, or no such server"),
        ("gone.zarr", r"^s3://images/gone\.zarr: no Zarr metadata is found there"),
        ("empty.tif", r"is empty \(0 bytes\)"),
        ("scene.zarr/c/0/0/0", "not an image that is known here"),
    ],
)
def test_s3__refused(bucket, name, message):
    with pytest.raises(InputError, match=message):
        open_image(f"s3://images/{name}", storage=bucket)


def test_s3__missing_chunk(s3, bucket, pixels):
    client = s3[1]
    kept = client.get_object(Bucket="images", Key="scene.zarr/c/2/1/0")["Body"].read()
    client.delete_object(Bucket="images", Key="scene.zarr/c/2/1/0")
    try:
        with pytest.raises(InputError, match=r"the chunk c/2/1/0, pixels \[128:192, 64:128\], .* is missing"):
            open_image("s3://images/scene.zarr", storage=bucket).compute()
        filled = open_image("s3://images/scene.zarr", storage=bucket, fill_missing=True).compute()
        assert not filled[128:192, 64:128].any()
    finally:
        client.put_object(Bucket="images", Key="scene.zarr/c/2/1/0", Body=kept)


def test_secrets__are_shown_nowhere(bucket, caplog):
    caplog.set_level(logging.DEBUG, "dasksom")
    image = open_image("s3://images/tiles.tif", storage=bucket)
    source = open_pixels("s3://images/tiles.tif", storage=bucket)
    assert np.array_equal(pickle.loads(pickle.dumps(source))[0:9, 0:9, 0:3], source[0:9, 0:9, 0:3])
    shown = [repr(source), str(source.location), repr(source.location), repr(image), str(list(image.dask.keys()))]
    shown += [str(source.identity), caplog.text, repr(dict(image.dask))]
    wrong = {**bucket, "endpoint_url": f"http://reader:{SECRET}@127.0.0.1:9/", "config_kwargs": {"retries": {}}}
    for storage in (wrong, {**bucket, "no_such_option": SECRET}):
        for name in ("tiles.tif", "scene.zarr", "scene.zarr.zip"):
            with pytest.raises(InputError) as caught:
                open_image(f"s3://images/{name}", storage=storage)
            shown.append(str(caught.value))
            assert caught.value.__cause__ is None
    assert not [text for text in shown if SECRET in text]


def test_command_line__storage_from_a_configuration_file(bucket, tmp_path):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"input": {"storage": bucket}, "map": {"grid": "2x2"}}))
    options = ["--config", str(tmp_path / "run.yaml")]
    for command in (
        ["quantize", "s3://images/tiles.tif", str(tmp_path / "out.zarr")],
        ["info", "s3://images/tiles.tif"],
    ):
        done = CliRunner().invoke(cli, [*command, *options])
        assert done.exit_code == 0, done.output
        assert "220 x 300 pixels" in done.output
        assert SECRET not in done.output
    assert zarr.open_group(tmp_path / "out.zarr", mode="r")["labels"].shape == (300, 220)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://me:word@host:81/a/b.tif?sig=abcdef&x=1#part", "https://host:81/a/b.tif"),
        ("s3://bucket/a.zarr", "s3://bucket/a.zarr"),
    ],
)
def test_location__shows_itself_without_secrets(url, name):
    location = locate(url, {"secret": "longsecret", "headers": {"Authorization": "Bearer xyzxyz"}})
    assert str(location) == location.name == name
    assert repr(location) == f"Location({name!r})"
    error = str(location.refusal(f"GET {url} with longsecret and Bearer xyzxyz failed at {url.partition('?')[2]}"))
    assert not re.search("word|abcdef|longsecret|xyzxyz", error)
    assert location.below("c", "0").name == f"{name}/c/0"
    assert location.below("c").storage_options() == location.storage_options()
    assert Location("/a/b").below("", "c/d/").path == "/a/b/c/d"


class _Parts(SimpleHTTPRequestHandler):
    """Gives parts of files, which the standard library's handler does not."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = self.translate_path(self.path)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            self.send_error(404)
            return
        part = data[int(wanted[1]) : int(wanted[2]) + 1] if wanted else data
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def end_headers(self):
        if self.command == "HEAD":
            self.send_header("Accept-Ranges", "bytes")
        super().end_headers()


class _Whole(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(params=[_Parts, _Whole], ids=["parts", "whole"])
def server(request, tmp_path):
    class Handler(request.param):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=str(tmp_path), **options)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", request.param is _Parts
        serving.shutdown()
        thread.join(5)


def test_http__tiff_and_zarr(tmp_path, pixels, server):
    url, parts = server
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", tile=(64, 64), compression="zlib")
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(64, 64, 3))
    assert np.array_equal(open_image(f"{url}/a.zarr").compute(), pixels)
    if parts:
        assert np.array_equal(open_image(f"{url}/a.tif", chunk_bytes=64 * 64 * 6).compute(), pixels)
    else:
        with pytest.raises(InputError, match=r"a\.tif: cannot be reached: the server only sends complete files"):
            open_image(f"{url}/a.tif")
    with pytest.raises(InputError, match=r"b\.tif: there is no such file"):
        open_image(f"{url}/b.tif?token=abcdef")

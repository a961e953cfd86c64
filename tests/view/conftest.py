import asyncio
import json
import threading
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

from dasksom.cli.main import cli
from dasksom.image import open_result
from dasksom.view import server as serving
from dasksom.view.scene import Scene


def quantize(source, output, *words):
    """Write an output of 12 units; give its path."""
    done = CliRunner().invoke(cli, ["quantize", str(source), str(output), "--grid", "3x4", "--epochs", "4", *words])
    assert done.exit_code == 0, done.output
    return str(output)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photograph):
    """A folder with a photograph, and what was made of it."""
    folder = tmp_path_factory.mktemp("viewed")
    Image.fromarray(np.tile(photograph, (2, 2, 1))[:700, :1100]).save(folder / "photo.png")
    quantize(folder / "photo.png", folder / "hexagons.zarr", "--topology", "hexagonal")
    quantize(folder / "photo.png", folder / "levels.ome.zarr", "--chunk", "128")
    quantize(folder / "photo.png", folder / "levels.tif", "--layout", "pyramid", "--chunk", "128")
    return folder


@pytest.fixture(scope="module")
def many_bands(folder):
    """An output of five bands of 16 bits, with pixels that are no data."""
    rng = np.random.default_rng(5)
    ground = np.indices((300, 400)).sum(0)[..., None] * np.array([3, 5, 7, 11, 13])
    image = (ground + rng.integers(1, 300, (300, 400, 5)) + 1000).astype(np.uint16)
    image[0, 0] = 60000  # an outlier that would make all others black
    image[:40, 50:] = 0
    array = zarr.create_array(folder / "bands.zarr", shape=image.shape, dtype=image.dtype, chunks=(100, 100, 5))
    array[...] = image
    array.attrs["_FillValue"] = 0
    return quantize(folder / "bands.zarr", folder / "bands-som.zarr")


@contextmanager
def scene_of(output, original=None):
    with open_result(output) as result:
        scene = Scene.of(result, original)
        try:
            yield scene
        finally:
            scene.close()


class Client:
    """Asks a server that runs on a thread of its own."""

    def __init__(self, address):
        self.address = address

    def ask(self, path="", headers=None, method="GET", body=None):
        """Give status, headers and content of an answer."""
        address = path if path.startswith("http") else self.address + path
        place = urlsplit(address)
        connection = HTTPConnection(place.hostname, place.port, timeout=30)
        with closing(connection):
            connection.request(method, place.path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(self, path):
        status, headers, content = self.ask(path)
        assert status == 200, content
        assert headers["Content-Type"].startswith("application/json")
        return json.loads(content)


@contextmanager
def served(live):
    """Serve a live scene on loopback for as long as the context lasts."""
    there, stop = threading.Event(), {}

    def opened(address):
        stop.update(address=address, loop=asyncio.get_running_loop(), task=asyncio.current_task())
        there.set()

    def run():
        with suppress(asyncio.CancelledError):
            asyncio.run(serving.serve(live, serving.find_leaflet(), 0, opened))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert there.wait(30)
    try:
        yield Client(stop["address"])
    finally:
        stop["loop"].call_soon_threadsafe(stop["task"].cancel)
        thread.join(30)
        assert not thread.is_alive()

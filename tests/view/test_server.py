import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zlib

import numpy as np
import psutil
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

from dasksom.cli.main import cli
from dasksom.errors import InputError
from dasksom.view import server as serving
from dasksom.view.live_scene import LiveScene
from tests.view.conftest import quantize, served


@pytest.fixture(scope="module")
def client(folder):
    with LiveScene(str(folder / "hexagons.zarr"), None) as live, served(live) as client:
        client.scene = live.scene
        yield client


def test_page__and_what_it_loads_are_there_and_nothing_else(client):
    status, headers, content = client.ask()
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "://" not in policy
    assert "unsafe" not in policy
    for name in (*serving.ASSETS, *serving.LEAFLET):
        status, headers, content = client.ask(name)
        assert (status, headers["X-Content-Type-Options"]) == (200, "nosniff"), name
        assert b"http://" not in content.replace(b"http://www.w3.org/", b"") or name.startswith("leaflet")


@pytest.mark.parametrize(
    "path",
    [
        "../",
        "page",
        "page/",
        "..%2f..%2fetc/passwd",
        "labels/0/0/3/0",
        "labels/0/0/0/5",
        "labels/0/4/0/0",
        "labels/0/0/-1/0",
        "labels/0/0/a/0",
        "labels/0/0",
        "labels/0/0/999999999999/0",
        "image/0/0/0",
        "pixel/700/0",
        "pixel/0/1100",
        "pixel/1.5/0",
        "unit/12",
        "unit/-1",
    ],
)
def test_what_there_is_not_is_refused(client, path):
    status, headers, content = client.ask(path)
    assert status == 404
    assert json.loads(content)["error"]
    assert headers["Cache-Control"] == "no-store"


def test_others_are_refused(client):
    root, token, _ = client.address.rsplit("/", 2)
    guessed = ("y" if token[0] == "x" else "x") + token[1:]
    for path in ("/", "/about.json", f"/{guessed}/about.json"):
        assert client.ask(root + path)[0] == 404
    port = root.rsplit(":", 1)[1]
    for path in ("", "about.json", "labels/0/0/0/0", "nothing"):
        for host in (f"evil.example:{port}", "evil.example", "127.0.0.1.evil.example", f"0.0.0.0:{port}"):
            assert client.ask(path, {"Host": host})[0] == 403, (path, host)
    assert client.ask("about.json", {"Host": f"localhost:{port}"})[0] == 200
    assert client.ask("about.json", method="POST")[0] == 405
    assert "Access-Control-Allow-Origin" not in client.ask("about.json", {"Origin": "http://evil.example"})[1]


def test_nothing_listens_outside_this_machine(client):
    port = int(client.address.split(":")[2].split("/")[0])
    mine = [one.laddr for one in psutil.Process().net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert [place.ip for place in mine if place.port == port] == ["127.0.0.1"]


def test_tiles__hold_labels_and_the_original(client):
    scene = client.scene
    status, headers, content = client.ask("labels/0/1/0/1")
    assert status == 200
    assert headers["X-Complete"] == "1"
    assert "immutable" in headers["Cache-Control"]
    labels = np.frombuffer(zlib.decompress(content), np.uint8).reshape(256, 256)
    assert np.array_equal(labels, scene.labels.tile(2, 0, 1, scene.background)[0])
    status, headers, content = client.ask("original/0/1/1/1")
    image = Image.open(io.BytesIO(content))
    assert (status, headers["Content-Type"], image.mode) == (200, "image/png", "RGBA")
    assert np.array_equal(np.asarray(image), scene.original.tile(2, 1, 1, scene.background)[0])
    inner = Image.open(io.BytesIO(client.ask("original/0/1/0/1")[2]))
    assert inner.mode == "RGB"  # nothing of it is transparent


def test_answers__about_pixels_and_units(client):
    assert client.json("about.json") == json.loads(json.dumps({**client.scene.about, "version": 0}))
    assert client.json("pixel/12/34") == client.scene.pixel(12, 34)
    assert client.json("unit/7") == client.scene.unit(7)
    progress = client.json("progress")
    assert (progress["overviews"], progress["classes"], progress["writing"]["state"]) == ({}, 1, "idle")


def test_damage_is_told(folder, tmp_path):
    shutil.copytree(folder / "hexagons.zarr", tmp_path / "damaged.zarr")
    with LiveScene(str(tmp_path / "damaged.zarr"), None) as live, served(live) as client:
        for chunk in (tmp_path / "damaged.zarr" / "labels" / "c").rglob("*"):
            if chunk.is_file():
                chunk.write_bytes(b"damaged" + chunk.read_bytes()[7:])
        for path in ("labels/0/0/0/0", "pixel/0/0"):
            status, headers, content = client.ask(path)
            assert status == 500
            assert "Traceback" not in json.loads(content)["error"]
            assert headers["Cache-Control"] == "no-store"
        assert client.ask("original/0/0/0/0")[0] == 200


def test_an_output_that_is_replaced_is_opened_again(folder, tmp_path, photograph):
    output = tmp_path / "out.zarr"
    quantize(folder / "photo.png", output)
    with LiveScene(str(output), None) as live, served(live) as client:
        before = client.json("about.json")
        assert client.ask("labels/0/0/0/0")[0] == 200
        other = tmp_path / "other.png"
        Image.fromarray(255 - photograph).save(other)
        quantize(other, output, "--overwrite")
        for path in ("labels/0/0/0/0", "unit/0", "pixel/0/0", "progress"):
            status, headers, content = client.ask(path)
            assert (status, headers["Cache-Control"]) == (410, "no-store")
            assert json.loads(content)["error"] == "The output has been replaced"
        after = client.json("about.json")
        assert (before["version"], after["version"]) == (0, 1)
        assert after["colors"] == ["#" + bytes(color).hex() for color in zarr.open_group(output)["palette"][...]]
        assert after["colors"] != before["colors"]
        assert (after["height"], after["width"]) == photograph.shape[:2]
        assert client.ask("labels/0/0/0/0")[0] == 410
        labels = np.frombuffer(zlib.decompress(client.ask("labels/1/0/0/0")[2]), np.uint8).reshape(256, 256)
        assert np.array_equal(labels, zarr.open_group(output)["labels"][:256, :256])
        shutil.rmtree(output)
        assert client.ask("progress")[0] == 410
        status, _, content = client.ask("about.json")
        assert status == 500
        assert "out.zarr" in json.loads(content)["error"]


def test_names_with_escape_characters_are_shown_as_text(folder, tmp_path):
    output = tmp_path / os.fsdecode(b"esc\x1b[2J\xff.zarr")
    shutil.copytree(folder / "hexagons.zarr", output)
    with LiveScene(str(output), None) as live, served(live) as client:
        assert client.json("about.json")["title"] == "esc\\x1b[2J\\udcff.zarr"


def test_view__without_leaflet_names_the_extra(folder, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(serving, "files", missing)
    done = CliRunner().invoke(cli, ["view", str(folder / "hexagons.zarr"), "--no-browser"])
    assert isinstance(done.exception, InputError)
    assert "dasksom[view]" in str(done.exception)


def test_view__of_a_port_that_is_taken_says_so(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port}: .*omit --port"):
            serving.run_viewer(str(folder / "hexagons.zarr"), port=port, browser=False)


@pytest.mark.parametrize(("number", "code", "last"), [(signal.SIGINT, 0, "stopped\n"), (signal.SIGTERM, 143, "")])
def test_view__runs_until_it_is_stopped(folder, number, code, last):
    command = [sys.executable, "-m", "dasksom", "view", str(folder / "hexagons.zarr"), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            line = running.stdout.readline()
            address = line.split()[0]
            assert address.startswith("http://127.0.0.1:")
            with socket.create_connection(("127.0.0.1", int(address.split(":")[2].split("/")[0])), timeout=10):
                pass
            running.send_signal(number)
            out, err = running.communicate(timeout=30)
        finally:
            running.kill()
    assert (running.returncode, out, err) == (code, last, "")


def test_view__opens_the_browser(folder, monkeypatch):
    opened, said = [], []

    def browse(address):
        opened.append(address)
        os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C

    monkeypatch.setattr(serving.webbrowser, "open", browse)
    serving.run_viewer(str(folder / "hexagons.zarr"), say=said.append)
    assert said[0].startswith(opened[0])
    assert said[1:] == ["stopped"]

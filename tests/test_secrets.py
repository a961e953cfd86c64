"""A canary: secrets go in by every door, and nothing that runs leave or say has them."""

import json
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from dasksom import BatchSOM, InputError, load, open_image
from dasksom.cluster import ClusterOptions, job_script
from dasksom.redaction import printable, redact, redact_settings, secrets_in
from tests.bad_input.test_bad_input import run
from tests.image.test_remote_sources import _Parts

CANARY = "s3cr3t-canary"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def url(tmp_path, patch):
    """A URL with secrets wherever one can stand, of a folder on a server."""
    store = tmp_path / "store"
    store.mkdir()
    tifffile.imwrite(store / "a.tif", patch, photometric="rgb", tile=(16, 16), compression="zlib")
    tifffile.imwrite(store / "b.tif", patch[::-1], photometric="rgb", tile=(16, 16), compression="zlib")
    tifffile.imwrite(store / "float.tif", patch.astype(np.float32), photometric="rgb", tile=(16, 16))
    tifffile.imwrite(store / "broken.tif", patch, photometric="rgb", tile=(16, 16), compression="zlib")
    content = bytearray((store / "broken.tif").read_bytes())
    with tifffile.TiffFile(store / "broken.tif") as file:
        at = file.pages[0].dataoffsets[2]
    content[at : at + 40] = b"x" * 40
    (store / "broken.tif").write_bytes(content)
    Image.fromarray(np.full(patch.shape[:2], 255, np.uint8)).save(store / "mask.png")

    class Handler(_Parts):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=str(store), **options)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True).start()
        # the user is the store's, the signature is what S3 and Azure put into URLs
        user, query = f"me-{CANARY}:pass-{CANARY}", f"X-Amz-Signature=a-{CANARY}&sv=1&sig=b%2F-{CANARY}"
        yield lambda name: f"http://{user}@127.0.0.1:{serving.server_port}/{name}?{query}"
        serving.shutdown()


@pytest.fixture
def configured(folder):
    """A configuration file with secrets in it."""
    headers = {"headers": {"X-Token": f"Bearer {CANARY}"}}
    config = {"input": {"storage": {"client_kwargs": headers}}, "map": {"grid": "2x2", "epochs": 2}}
    (folder.parent / "run.yaml").write_text(yaml.safe_dump(config))
    return "--config", str(folder.parent / "run.yaml")


def _left(folder):
    """Give the files below a folder that tell a secret, and names that do."""
    found = [str(path) for path in folder.rglob("*") if CANARY in path.name]
    return found + [str(path) for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.mark.slow
def test_runs__leave_no_secrets_and_say_none(folder, url, configured):
    a, b = url("a.tif"), url("b.tif")
    told = []
    for code, *words in (
        (0, "quantize", a, "out.zarr", "--mask", url("mask.png"), "--summary", "sum.json", "--report", *configured),
        (0, "quantize", a, "out.tif", "--pixels", "colors", *configured),
        (0, "train", a, b, "map.npz", *configured),
        (0, "apply", "map.npz", a, b, "reduced", "--format", ".png", *configured),
        (0, "info", a, *configured),
        (0, "plan", a, *configured),
        (2, "quantize", a, "out.zarr", *configured),
        (2, "quantize", url("gone.tif"), "new.zarr", *configured),
        (2, "quantize", url("broken.tif"), "new.zarr", *configured),
        (2, "quantize", a, "new.zarr", "--mask", url("gone.png"), *configured),
        (2, "apply", url("gone.npz"), "photo.png", "new.zarr", *configured),
        (2, "apply", "map.npz", a, a, "reduced", "--format", ".png", *configured),
        (2, "quantize", a, "new.zarr", "--cluster", f"tls://me:{CANARY}@127.0.0.1:9", *configured),
        (2, "quantize", a, "new.zarr", "--cluster", f"tcp://me:{CANARY}@192.0.2.1:9", *configured),
    ):
        found, out, err = run("--debug", "-v", "--log-json", *words)
        assert found == code, (words[0], out, err)
        told.append(out + err)
    assert sorted(path.name for path in folder.iterdir()) == [
        "map.npz", "out.report.html", "out.tif", "out.zarr", "reduced", "sum.json",
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "reduced").iterdir()) == ["a.png", "b.png"]
    assert json.loads((folder / "sum.json").read_text())["image"].endswith("/a.tif")
    assert not [line for text in told for line in text.splitlines() if CANARY in line]
    assert _left(folder) == []


def test_workers__log_no_secrets(folder, url, configured):
    """A task that fails is logged by its worker, arguments and all."""
    words = ["--debug", "-v", "quantize", url("broken.tif"), "out.zarr", "--workers", "1", "--memory-limit", "1GiB"]
    command = [sys.executable, "-m", "dasksom", *words, *configured]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "cannot be decoded" in done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert _left(folder) == []


def test_checkpoints__hold_no_secrets(folder, url):
    def stop(*_):
        raise KeyboardInterrupt

    image = open_image(url("float.tif"))
    with pytest.raises(KeyboardInterrupt):
        BatchSOM(2, 2, epochs=3).fit(image, on_epoch=stop, checkpoint=folder / "kept")
    assert list((folder / "kept").iterdir())
    assert _left(folder) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of dask-jobqueue's half-made clusters
@pytest.mark.filterwarnings("ignore:unclosed cluster:ResourceWarning")
def test_clusters__say_none_of_their_secrets(folder, url):
    options = {"cores": 1, "memory": "1GB", "account": "me", "auth_token": CANARY, "env_vars": {"HOME": CANARY}}
    for kind in ("slurm", "gateway", "kubernetes"):
        words = [f"cluster: {{name: {kind}, options: {json.dumps(options)}}}"]
        (folder.parent / "cluster.yaml").write_text(words[0])
        for command in (("job-script",), ("quantize", url("a.tif"), "out.zarr")):
            code, out, err = run("--debug", *command, "--config", str(folder.parent / "cluster.yaml"), "--insecure")
            assert code in (1, 2)
            assert CANARY not in out + err
    bad = {"options": {"queue": f"a; echo {CANARY}"}}
    (folder.parent / "cluster.yaml").write_text(yaml.safe_dump({"cluster": {"name": "slurm", **bad}}))
    assert CANARY not in "".join(run("--debug", "job-script", "--config", str(folder.parent / "cluster.yaml"))[1:])
    assert _left(folder) == []


def test_job_scripts__hold_no_keys():
    """Certificates are files that only their user can read; scripts name them."""
    script = job_script(ClusterOptions("slurm", options={"cores": 1, "memory": "1GB"}))
    assert "key.pem" in script
    assert "PRIVATE KEY" not in script


@pytest.mark.parametrize(
    "text", [f"input: {{storage: {{secret: !{CANARY}}}}}", f"input: {{storage: {{secret: '{CANARY}}}}}",
    f"a: *{CANARY}",
             f"a: &{CANARY} 1", f"map: {{a: {CANARY}: b}}", f"\t{CANARY}", f"@{CANARY}", f"input: [{CANARY}",
             f"input: {CANARY}"]
)  # fmt: skip
def test_configurations__are_not_quoted_where_they_cannot_be_read(folder, text):
    (folder / "run.yaml").write_text(text)
    code, out, err = run("--debug", "quantize", "photo.png", "out.zarr", "--config", "run.yaml")
    assert code == 2
    assert CANARY not in out + err


def test_models__from_a_url_are_not_named_by_it(folder, url):
    with pytest.raises(InputError) as refused:
        open_image(url("gone.tif"))
    assert CANARY not in str(refused.value)
    with pytest.raises(InputError):
        load("none.npz")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at s3://k:w@b/a.tif?x=1, and http://h/b#f", "at s3://b/a.tif and http://h/b"),
        ("plain text, 3 of 4? yes", "plain text, 3 of 4? yes"),
        ("tls://host:8786", "tls://host:8786"),
        ("https://me:12/34@host/a", "https://host/a"),
        ("https://me:word/1@host/a", "https://host/a"),
        ("http://host:8080/a@b.tif", "http://host:8080/a@b.tif"),
        ("http://host.org:8080/a@b/c.tif", "http://host.org:8080/a@b/c.tif"),
    ],
)
def test_redact(text, shown):
    assert redact(text) == shown


def test_redact_settings__hides_by_name_and_keeps_the_rest():
    given = {
        "name": "gateway", "workers": 3, "options": {"password": "a", "auth": {"user": "b"}, "queue": "day",
        "key": None},
        "env_extra": ["export TOKEN_OF_MINE=abcdef", "x"], "select": ["z=3", "C=0,2"], "environment": {"A": "b"},
    }  # fmt: skip
    assert redact_settings(given) == {
        "name": "gateway", "workers": 3, "options": {"password": "***", "auth": {"user": "***"}, "queue": "day",
        "key": None},
        "env_extra": ["export TOKEN_OF_MINE=***", "x"], "select": ["z=3", "C=0,2"], "environment": {"A": "***"},
    }  # fmt: skip


def test_printable():
    assert printable("a\x1b]0;b\x07\u202ec\nd") == "a\\x1b]0;b\\x07\\u202ec\nd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://me:pa/ss/w@host/a.tif?x=1 failed", "GET https://host/a.tif failed"),
        ("tls://:pw@host:1", "tls://host:1"),
        ("http://host:8080/path/a@b.tif", "http://host:8080/path/a@b.tif"),  # no password: a port and a path
        ("s3://bucket/a@b.tif", "s3://bucket/a@b.tif"),
    ],
)
def test_redact__passwords_with_slashes(text, expected):
    assert redact(text) == expected


def test_redact_settings__names_and_fields_of_secrets():
    secrets = ["k1", "p1", "ab/c==", "k2"]
    settings = {
        "headers": {"x-api-key": "k1", "pwd": "p1", "accept": "json"},
        "connection": "AccountName=x;AccountKey=ab/c==;EndpointSuffix=core",
        "worker_extra_args": ["--header", "x-api-key: k2", "--nthreads", "1"],
    }
    assert redact_settings(settings) == {
        "headers": {"x-api-key": "***", "pwd": "***", "accept": "json"},
        "connection": "AccountName=x;AccountKey=***;EndpointSuffix=core",
        "worker_extra_args": ["--header", "x-api-key: ***", "--nthreads", "1"],
    }
    assert secrets_in(settings) == secrets

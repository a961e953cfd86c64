"""Runs that are killed at random moments and resumed give the same bytes as undisturbed runs.

A kill is simulated in this process: from a random change of a file or object on, every further change fails, including
those of clean-up code.
"""

import json
import os
import random as python_random
import threading
from urllib.parse import quote

import numpy as np
import pytest
import s3fs
import zarr

from dasksom.chunkwise import ThrottledKeeper
from dasksom.config import RunConfig
from dasksom.errors import InputError
from dasksom.image.opening import open_pixels
from dasksom.runs.workflows import quantize_image, resume_run, train_model
from dasksom.storage.locations import file_system, locate
from dasksom.storage.publish import object_store_publish, object_store_run
from dasksom.storage.publish.run_folder import run_folder
from tests.runs.test_resume import Stops, files

SEEDS = int(os.environ.get("DASKSOM_SEEDS", "40"))
"""Number of random kills; DASKSOM_SEEDS=200 for more."""
FIRST = (*range(8), 63, 144)
"""One seed for each output, and of those that once failed the ones beyond the slow tests."""
OUTPUTS = ("out.zarr", "out.ome.zarr", "out.tif", "out.png", "out.jpg", "map.npz", "s3://out.zarr", "s3://out.ome.zarr")
SPELLINGS = ("plain", "relative", "dots", "url", "url of this host", "link")
CHANGES = ("link", "mkdir", "rename", "replace", "rmdir", "unlink", "utime")
"""Functions of `os` that change files."""
S3_CHANGES = ("put_object", "delete_object", "delete_objects", "copy_object")


class KilledError(BaseException):
    """Not an Exception, so that no code handles it."""


class LostStoreError(Exception):
    """A change of an object that a killed process does not make: fsspec drops what is not an Exception."""


class Killer:
    """Counts the changes of files and objects; from one of them on, all fail."""

    def __init__(self, monkeypatch):
        self.changes, self.at, self._lock = 0, None, threading.Lock()
        for name in CHANGES:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        call = s3fs.S3FileSystem._call_s3

        async def call_s3(system, method, *given, **named):
            if method in S3_CHANGES:
                self._count(LostStoreError)
            return await call(system, method, *given, **named)

        monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", call_s3)

    def _count(self, error=KilledError):
        with self._lock:
            self.changes += 1
            if self.at is not None and self.changes >= self.at:
                raise error

    def _counted(self, function):
        def counted(*given, **named):
            self._count()
            return function(*given, **named)

        return counted

    def begin(self, at=None):
        self.changes, self.at = 0, at


def spelled(path, spelling, elsewhere, monkeypatch):
    """Write a path in another way; may change the current folder to `elsewhere`."""
    elsewhere.mkdir(exist_ok=True)
    if spelling == "relative":
        monkeypatch.chdir(elsewhere)
        return os.path.relpath(path, elsewhere)
    if spelling == "link":
        link = elsewhere / f"link to {path.parents[1].name}"
        if not link.is_symlink():
            link.symlink_to(path.parent)
        return str(link / path.name)
    return {
        "plain": str(path),
        "dots": os.path.join(elsewhere, os.path.relpath(path, elsewhere)),
        "url": f"file://{quote(str(path))}",
        "url of this host": f"file://localhost{quote(str(path))}",
    }[spelling]


def configured(method, workers, suffix, storage, **output):
    chunk = {"chunk": 64} if suffix in (".zarr", ".tif") else {}
    return RunConfig.model_validate(
        {
            "map": {"grid": [2, 3], "epochs": 2, "refine": 0, "method": method},
            "input": {"chunk_size": "12KiB", "cache": "none"},
            "output": {**chunk, **output, **({"storage": storage} if storage else {})},
            "cluster": {"name": "threads", "workers": workers},
        }
    )


def content(output, storage):
    """Return the content of an output, without the times of its run."""
    if not output.startswith("s3://"):
        return files(output)
    system, path = file_system(locate(output, storage))
    system.invalidate_cache()
    objects = {key.removeprefix(f"{path}/"): system.cat_file(key) for key in system.find(path)}
    root = json.loads(objects.pop("zarr.json"))
    del root["attributes"]["dasksom"]["metadata"]["run"]
    sums = objects.pop("palette/SHA256SUMS").splitlines()
    return {**objects, "root": root, "sums": [line for line in sums if not line.endswith(b"  zarr.json")]}


def exists(output, storage):
    return locate(output, storage).below("zarr.json").exists() if storage else os.path.exists(output)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "a b%20ü"
    data = np.random.default_rng(0).integers(0, 256, (192, 128, 3), np.uint8)
    zarr.create_array(folder / "image.zarr", data=data, chunks=(64, 64, 3))
    return folder / "image.zarr"


@pytest.fixture(scope="module")
def undisturbed():
    """Content and number of changes of undisturbed runs, by output and method."""
    return {}


def run(image, output, settings):
    if output.endswith(".npz"):
        return train_model([image], output, settings, Stops())
    return quantize_image(image, output, settings, Stops())


@pytest.mark.parametrize(
    "seed", [*FIRST, *(pytest.param(n, marks=pytest.mark.slow) for n in range(8, SEEDS) if n not in FIRST)]
)
def test_resume__of_a_run_that_was_killed_anywhere(seed, tmp_path, monkeypatch, s3, source, undisturbed):
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)  # save every record
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(object_store_publish, "BEAT_SECONDS", 1e6)
    monkeypatch.setattr(object_store_run, "CLAIM_SECONDS", 0.0)
    monkeypatch.setattr(object_store_run, "_REMOVAL_SECONDS", 0.0)
    draw = python_random.Random(seed)  # noqa: S311 - reproducible
    name, method = OUTPUTS[seed % len(OUTPUTS)], draw.choice(["auto", "stream"])
    folder, image, suffix = tmp_path / "a b%20ü", str(source), os.path.splitext(name)[1]
    elsewhere = tmp_path / "elsewhere"
    folder.mkdir()
    storage = s3[0] if name.startswith("s3://") else None

    def named(start):
        return f"s3://images/{seed}-{start}{name[5:]}" if storage else str(folder / f"{start}{name}")

    killer = Killer(monkeypatch)
    if (name, method) not in undisturbed:
        run(image, named("straight-"), configured(method, 1, suffix, storage))
        undisturbed[name, method] = content(named("straight-"), storage), killer.changes
    expected, changes = undisturbed[name, method]
    output = named("")

    def written(path):
        return path if storage else spelled(folder / name, draw.choice(SPELLINGS), elsewhere, monkeypatch)

    # files hold the path of their image, and a link makes it another one
    given = spelled(source, draw.choice(SPELLINGS if "zarr" in name else SPELLINGS[:-1]), elsewhere, monkeypatch)
    first, settings = written(output), configured(method, draw.choice([1, 2, 3]), suffix, storage)
    at = draw.randrange(1, changes)
    killer.begin(at)
    try:
        run(given, first, settings)
    except BaseException:
        assert killer.changes >= at
    else:
        assert killer.changes < at < changes  # the number of changes varies a little, and the run was over
    killer.begin()
    monkeypatch.chdir(tmp_path)
    records = folder / run_folder(folder / name).name / "records"
    is_described = (records / "how.record").is_file()
    try:
        update = {"output": {"storage": storage}} if storage else {}
        cluster = {"name": "threads", "workers": draw.choice([1, 2, 3])}
        resume_run(written(output), RunConfig.model_validate({"cluster": cluster, **update}), Stops())
        refusal = None
    except InputError as error:
        refusal = str(error)
    if refusal is not None:  # it was killed before its command was saved, or after its output was published
        assert not is_described, refusal
        assert any(text in refusal for text in ("no run to resume", "start over")), refusal
        if not exists(output, storage):
            run(image, output, configured(method, 2, suffix, storage, overwrite=True))
    assert content(output, storage) == expected, (name, method, at)
    if not storage:
        assert not run_folder(folder / name).exists()
        assert open_pixels(output).shape if suffix != ".npz" else True

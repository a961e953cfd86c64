"""Results on object stores: S3 as moto serves it, on this machine."""

import json
import logging
import pickle
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

from dasksom import open_image
from dasksom.chunkwise import ThrottledKeeper
from dasksom.cli.main import cli
from dasksom.errors import InputError
from dasksom.image import Output, create_writer
from dasksom.storage.locations import locate
from dasksom.storage.publish import object_store_run as unfinished
from dasksom.storage.publish.object_store_publish import locate_output, run_on_store
from dasksom.storage.publish.object_store_run import StoreRun
from tests.object_store import SECRET

GRID = ["--grid", "2x3", "--epochs", "2", "--refine", "0"]


@pytest.fixture
def run(s3, tmp_path):
    """Run the command line with the store's options; its output and exit code."""
    (tmp_path / "run.yaml").write_text(json.dumps({"output": {"storage": s3[0]}, "input": {"storage": s3[0]}}))

    def invoke(*arguments, fails=None):
        done = CliRunner().invoke(cli, [*map(str, arguments), "--config", str(tmp_path / "run.yaml")])
        told = done.output + str(done.exception)
        assert SECRET not in told
        assert (done.exit_code == 0) == (fails is None), told
        if fails is not None:
            assert isinstance(done.exception, InputError)
            assert fails in told, told
        return told

    return invoke


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(17 * np.random.default_rng(0).integers(0, 16, (300, 220, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def keys(s3):
    """Tell the keys of a prefix; all are deleted first."""

    def listed(prefix=""):
        found = s3[1].list_objects_v2(Bucket="images", Prefix=prefix).get("Contents", [])
        return sorted(item["Key"] for item in found)

    for key in listed():
        s3[1].delete_object(Bucket="images", Key=key)
    return listed


def _files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _objects(s3, keys, name):
    return {
        key.removeprefix(f"{name}/"): s3[1].get_object(Bucket="images", Key=key)["Body"].read()
        for key in keys(f"{name}/")
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.zarr", []),
        ("out.ome.zarr", ["--chunk", "64"]),
        ("out.ome.zarr", ["--chunk", "128", "--ome-version", "0.4"]),
    ],
)
def test_quantize__on_a_cluster_writes_the_same_files_as_to_a_disk(
    s3, run, photo, keys, tmp_path, two_workers, name, options
):
    common = [*GRID, *options, "--cluster", two_workers.scheduler.address, "--chunk-size", "64KiB"]
    run("quantize", photo, tmp_path / name, *common)
    told = run("quantize", photo, f"s3://images/a/{name}", *common)
    assert f"s3://images/a/{name}: 220 x 300 pixels" in told
    expected, found = _files(tmp_path / name), _objects(s3, keys, f"a/{name}")
    assert found.keys() == expected.keys()
    for files in (found, expected):  # when and how long a run was is told in the root's attributes
        for key in {"zarr.json", ".zattrs"} & files.keys():
            node = json.loads(files[key])
            del node.get("attributes", node)["dasksom"]["metadata"]["run"]
            files[key] = json.dumps(node).encode()
        lines = files["palette/SHA256SUMS"].splitlines()
        files["palette/SHA256SUMS"] = [line for line in lines if not line.endswith((b"  zarr.json", b"  .zattrs"))]
    assert [key for key in expected if found[key] != expected[key]] == []
    logged = [line for lines in two_workers.get_worker_logs().values() for _, line in lines]
    assert not [line for line in logged if SECRET in line]


def test_train_and_apply__with_everything_on_a_store(s3, run, photo, keys):
    s3[1].upload_file(str(photo), "images", "photo.png")
    run("train", "s3://images/photo.png", "s3://images/map.npz", *GRID)
    assert keys() == ["map.npz", "photo.png"]
    run("train", "s3://images/photo.png", "s3://images/map.npz", *GRID, fails="exists already")
    run("train", "s3://images/photo.png", "s3://images/map.npz", *GRID, "--overwrite")
    assert "2 x 3 units" in run("info", "s3://images/map.npz")
    run("apply", "s3://images/map.npz", "s3://images/photo.png", "s3://images/out.zarr")
    image = open_image("s3://images/out.zarr", storage=s3[0]).compute()
    assert image.shape == (300, 220, 3)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 6
    s3[1].copy_object(Bucket="images", Key="out.zarr/map.npz", CopySource="images/map.npz")
    inside = ["apply", "s3://images/out.zarr/map.npz", "s3://images/photo.png", "s3://images/out.zarr", "--overwrite"]
    run(*inside, fails="contains the input s3://images/out.zarr/map.npz")
    run("apply", "s3://images/gone.npz", "s3://images/photo.png", "s3://images/b.zarr", fails="there is no such file")
    s3[1].put_object(Bucket="images", Key="bad.npz", Body=b"no model")
    run("apply", "s3://images/bad.npz", "s3://images/photo.png", "s3://images/b.zarr", fails="bad.npz: not a dasksom")
    assert keys("b.zarr") == []


def test_storage__is_the_inputs_for_the_same_kind_of_store_alone(s3, photo, keys, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    s3[1].upload_file(str(photo), "images", "photo.png")
    (tmp_path / "run.yaml").write_text(json.dumps({"input": {"storage": s3[0]}}))
    options = [*GRID, "--config", str(tmp_path / "run.yaml")]
    done = CliRunner().invoke(cli, ["quantize", "s3://images/photo.png", "s3://images/out.zarr", *options])
    assert done.exit_code == 0, done.output
    assert "out.zarr/zarr.json" in keys()
    monkeypatch.setattr(
        "dasksom.storage.publish.object_store_publish.run_on_store",
        lambda location, **_: given.append(location.storage_options()),
    )
    given = []
    CliRunner().invoke(cli, ["quantize", str(photo), "s3://images/b.zarr", *options])
    assert given == [{}]


def test_overwrite__leaves_the_new_alone(s3, run, photo, keys):
    run("quantize", photo, "s3://images/a.zarr", *GRID, "--chunk", "64")
    many = keys()
    run("quantize", photo, "s3://images/a.zarr", *GRID, fails="exists already; choose another name")
    assert keys() == many
    run("quantize", photo, "s3://images/a.zarr", *GRID, "--overwrite", "--no-image")
    assert keys() == [f"a.zarr/{key}" for key in _no_image]
    assert "image" not in zarr.open_group("s3://images/a.zarr", storage_options=s3[0], mode="r")


_no_image = [
    "labels/c/0/0",
    "labels/zarr.json",
    "palette/SHA256SUMS",
    "palette/c/0/0",
    "palette/model.npz",
    "palette/sums.npz",
    "palette/zarr.json",
    "zarr.json",
]


def test_overwrite__never_deletes_what_is_no_zarr(s3, run, photo, keys):
    for key in ("a.zarr/notes.txt", "b.zarr-old/zarr.json", "c.zarr"):
        s3[1].put_object(Bucket="images", Key=key, Body=b"mine")
    for name in ("a.zarr", "c.zarr"):
        run("quantize", photo, f"s3://images/{name}", *GRID, "--overwrite", fails="holds objects but no Zarr")
    run("quantize", photo, "s3://images/b.zarr", *GRID, "--overwrite")
    assert {"a.zarr/notes.txt", "b.zarr-old/zarr.json", "c.zarr"} < set(keys())


def _damaged(s3, tmp_path):
    """Upload a Zarr that lacks its last chunk."""
    data = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    zarr.create_array(tmp_path / "scene.zarr", data=data, chunks=(64, 64, 3))
    for name, content in _files(tmp_path / "scene.zarr").items():
        if name != "c/3/3/0":
            s3[1].put_object(Bucket="images", Key=f"scene.zarr/{name}", Body=content)


@pytest.mark.parametrize("before", [False, True])
def test_failing_run__leaves_nothing(s3, run, photo, keys, tmp_path, two_workers, monkeypatch, before, caplog):
    _damaged(s3, tmp_path)
    run("train", photo, tmp_path / "map.npz", *GRID)
    if before:
        run("apply", tmp_path / "map.npz", photo, "s3://images/out.zarr")
    written = []
    sweep = StoreRun.delete_written
    monkeypatch.setattr(StoreRun, "delete_written", lambda self: (written.extend(keys("out.zarr")), sweep(self)))
    caplog.set_level(logging.DEBUG, "dasksom")
    options = ["--cluster", two_workers.scheduler.address, "--chunk-size", "12KiB", *["--overwrite"][:before]]
    output = "s3://images/out.zarr"
    # trained first: the old output stands until the new one is begun
    old = keys("out.zarr")
    run("quantize", "s3://images/scene.zarr", output, *GRID, *options, fails="is missing")
    assert keys("out.zarr") == old
    written.clear()
    run("apply", tmp_path / "map.npz", "s3://images/scene.zarr", output, *options, fails="is missing")
    assert any("/.unfinished-" in key for key in written)
    assert not [key for key in written if key.endswith("zarr.json") and "/.unfinished-" not in key]
    assert keys("out.zarr") == []
    logged = [line for lines in two_workers.get_worker_logs().values() for _, line in lines]
    assert not [line for line in [*logged, caplog.text] if SECRET in line]


@contextmanager
def _begun(location, overwrite=False):
    with run_on_store(location, overwrite=overwrite, resume=False) as run:
        run.clear_place()
        yield run.place


def _write(place):
    writer = create_writer(
        Output(place, height=8, width=8, chunks=(8, 8), palette=np.arange(6, dtype=np.uint8).reshape(2, 3), metadata={})
    )
    pickle.loads(pickle.dumps(writer)).encode(np.ones((8, 8), np.uint8), (0, 0))
    return writer


@pytest.mark.parametrize("name", ["a.zarr", "a.ome.zarr"])
def test_publish__cannot_be_opened_before_it_is_whole(s3, keys, name):
    location = locate(f"s3://images/{name}", s3[0])
    with _begun(location) as place:
        assert SECRET not in repr(_write(place)) + str(place)
        for part in ("", "labels", "labels/som", "palette", "0"):
            with pytest.raises(FileNotFoundError):
                zarr.open(f"s3://images/{name}/{part}", storage_options=s3[0], mode="r")
        with pytest.raises(InputError, match="holds the unfinished output"), _begun(location):
            pass
    assert (open_image(location.path, storage=s3[0]).compute() == [3, 4, 5]).all()
    assert not [key for key in keys() if ".unfinished" in key]


def test_publish__brings_the_root_last_and_deletes_all_if_it_cannot(s3, keys, monkeypatch):
    location = locate("s3://images/a.zarr", s3[0])
    system, _ = unfinished.file_system(location)
    put, order = system.pipe_file, []

    def pipe_file(path, content):
        order.append(path)
        if path == "images/a.zarr/zarr.json":
            raise OSError(f"trouble with {SECRET}")
        put(path, content)

    monkeypatch.setattr(system, "pipe_file", pipe_file)
    with pytest.raises(InputError, match=r"cannot be written to: trouble with \*\*\*"), _begun(location) as place:
        _write(place)
    assert order[-3:] == [f"images/a.zarr/{key}" for key in ("labels/zarr.json", "palette/zarr.json", "zarr.json")]
    assert keys() == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_publish__failure_deletes_chunks_and_metadata(s3, keys, error):
    s3[1].put_object(Bucket="images", Key="a.zarr2/other", Body=b"mine")

    def fail():
        with _begun(locate("s3://images/a.zarr", s3[0])) as place:
            _write(place)
            assert {"a.zarr/labels/c/0/0", "a.zarr/image/c/0/0/0"} < set(keys())
            raise error

    with pytest.raises(error):
        fail()
    assert keys() == ["a.zarr2/other"]


def test_publish__after_a_killed_run_takes_overwrite(s3, keys):
    location = locate("s3://images/a.zarr", s3[0])
    _write(StoreRun(location, "killed", False))
    left = keys()
    with (
        pytest.raises(InputError, match=r"holds the unfinished output of a run that was killed.*dasksom resume"),
        _begun(location),
    ):
        pass
    assert keys() == left
    with _begun(location, overwrite=True) as place:
        _write(place)
    assert keys() == sorted(key.replace(".unfinished-killed/", "") for key in left)


def test_errors_of_a_store__tell_no_secrets(s3):
    for endpoint in (f"http://reader:{SECRET}@127.0.0.1:9/", s3[0]["endpoint_url"]):
        storage = {**s3[0], "endpoint_url": endpoint, "config_kwargs": {"retries": {"max_attempts": 0}}}
        place = StoreRun(locate("s3://no-such-bucket/a.zarr", storage), "x", False)
        for attempt in (place.clear_place, lambda: zarr.create_group(place.store())):  # noqa: B023
            with pytest.raises(InputError, match=r"^s3://no-such-bucket/a\.zarr: cannot be written to") as caught:
                attempt()
            assert SECRET not in str(caught.value)
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("output", "given", "relation"),
    [
        ("s3://b/a/x.zarr", "s3://b/a/x.zarr", "is"),
        ("s3://b/a/x.zarr", "S3://b//a/./x.zarr/", "is"),
        ("s3://b/a/x.zarr", "s3://key:word@b/a/x.zarr?versionId=3", "is"),
        ("s3://b/a/x.zarr", "https://b.s3.amazonaws.com/a/x%2Ezarr", "is"),
        ("s3://b.c/a/x.zarr", "https://b.c.s3.amazonaws.com/a/x.zarr", "is"),
        ("s3://b/a/x.zarr", "http://127.0.0.1:9000/b/a/x.zarr", "is"),
        ("s3://b/a/x.zarr/y.zarr", "s3://b/a/z/../x.zarr", "is inside"),
        ("s3://b/a/x.zarr/", "s3://b/a/x.zarr/0/tile.tif", "contains"),
        ("s3://b/a/x.zarr", "s3://b/a/x.zarr2", None),
        ("s3://b/a/x.zarr", "s3://c/a/x.zarr", None),
        ("s3://b/a/x.zarr", "/b/a/x.zarr", None),
    ],
)
def test_locate_output__is_apart_from_the_input(output, given, relation):
    if relation is None:
        assert locate_output(output, {}, inputs=[given]).path == output
        return
    with pytest.raises(InputError, match=rf"^s3://\S+: {relation} the input .*inputs are never changed") as caught:
        locate_output(output, {}, inputs=["/local", given])
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://b/out.tif", r"only \.zarr can be written to a store; write the file to a local path, and copy it there"),
        ("s3://b/out.png?token=word", r"^s3://b/out\.png: only \.zarr"),
        ("https://host/out.zarr", r"nothing is written to https://; accepted are local paths and s3://"),
        ("s3://b/a/../out.zarr", "write it plainly"),
        ("s3://b//out.zarr", "write it plainly"),
        ("s3://b/out[1].zarr", "write it plainly"),
        ("s3://bucket.zarr", "is a bucket"),
    ],
)
def test_locate_output__refused(url, message):
    with pytest.raises(InputError, match=message) as caught:
        locate_output(url, {})
    assert "word" not in str(caught.value)


def test_pictures__are_refused_before_any_work(run, photo, keys):
    run("quantize", photo, "s3://images/out.tif", *GRID, fails="only .zarr can be written to a store")
    run("quantize", photo, "s3://no-such-bucket/out.zarr", *GRID, fails="cannot be written to")
    assert keys() == []


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("name", ["out.zarr", pytest.param("out.ome.zarr", marks=pytest.mark.slow)])
def test_resume__goes_on_from_what_is_on_the_store(s3, run, keys, tmp_path, monkeypatch, name):
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)
    photo = tmp_path / "scene.zarr"
    zarr.create_array(
        photo,
        data=17 * np.random.default_rng(0).integers(0, 16, (640, 512, 3), np.uint8),
        chunks=(128, 128, 3),
    )
    how = [*GRID, "--chunk", "128", "--chunk-size", "48KiB", "--workers", "2", "--cluster", "threads"]
    run("quantize", photo, tmp_path / name, *how)
    expected = {key: content for key, content in _files(tmp_path / name).items() if "/c/" in key}
    output = f"s3://images/{name}"
    steps = iter(range(100))

    def stop(self, done, total):
        if next(steps) in (3, 4):  # in the second window of writing
            raise _StoppedError

    monkeypatch.setattr("dasksom.cli.progress.ProgressDisplay.progress", stop)
    told = CliRunner().invoke(cli, ["quantize", str(photo), output, *how, "--config", str(tmp_path / "run.yaml")])
    assert isinstance(told.exception, _StoppedError)
    assert f"dasksom resume {output}" in told.exception.__notes__[0]
    left = keys(name)
    assert left
    assert SECRET not in "".join(map(str, _objects(s3, keys, name).values()))
    run("quantize", photo, output, *how, fails="continue it (dasksom resume)")
    assert keys(name) == left
    again = CliRunner().invoke(cli, ["resume", output, "--config", str(tmp_path / "run.yaml")])
    assert isinstance(again.exception, _StoppedError)
    run("resume", output)
    found = _objects(s3, keys, name)
    assert {key: content for key, content in found.items() if "/c/" in key} == expected
    assert not [key for key in found if "unfinished" in key]
    assert "files match their checksums" in run("verify", output)
    run("resume", output, fails="no run to resume")
    chunk = next(key for key in found if "/c/" in key)
    s3[1].put_object(Bucket="images", Key=f"{name}/{chunk}", Body=found[chunk][:-1])
    told = CliRunner().invoke(cli, ["verify", output, "--config", str(tmp_path / "run.yaml")])
    assert f"{chunk}: is not what was written" in told.output


def test_resume__not_while_another_process_has_it(s3, run, photo, keys, monkeypatch):
    place = StoreRun(locate("s3://images/a.zarr", s3[0]), "other", False)
    elsewhere = {"process": 1, "host": "elsewhere", "started": "then", "beat": time.time()}
    place.folder.below("owner.json").write(json.dumps(elsewhere).encode())
    for command in (["quantize", photo, "s3://images/a.zarr", *GRID, "--overwrite"],):
        run(*command, fails="another run is writing it (process 1 on elsewhere, begun then)")
    monkeypatch.setattr(unfinished, "_LIVE_SECONDS", -1.0)  # it has not shown itself for long
    run("quantize", photo, "s3://images/a.zarr", *GRID, "--overwrite")
    assert "a.zarr/zarr.json" in keys()


def test_resume__stopped_between_the_first_chunk_and_the_first_record(s3, run, photo, keys, tmp_path, monkeypatch):
    common = [*GRID, "--chunk", "64", "--chunk-size", "48KiB"]
    run("quantize", photo, tmp_path / "straight.zarr", *common)
    location = locate("s3://images/out.zarr", s3[0])

    def killed(self):
        raise _StoppedError

    for name in ("finish", "delete_written"):
        monkeypatch.setattr(StoreRun, name, killed)
    CliRunner().invoke(cli, ["quantize", str(photo), location.path, *common, "--config", str(tmp_path / "run.yaml")])
    for key in keys("out.zarr/.unfinished-"):
        if "/records/written" in key:
            s3[1].delete_object(Bucket="images", Key=key)
    assert [key for key in keys("out.zarr/labels") if "/c/" in key]
    monkeypatch.undo()
    run("resume", location.path)
    expected = {key: value for key, value in _files(tmp_path / "straight.zarr").items() if "/c/" in key}
    found = {key: value for key, value in _objects(s3, keys, "out.zarr").items() if "/c/" in key}
    assert found == expected


def test_two_runs_at_once__one_gets_the_place(s3, keys):
    location, results = locate("s3://images/a.zarr", s3[0]), []
    together = threading.Barrier(4)

    def begin():
        together.wait()
        try:
            with _begun(location) as place:
                _write(place)
                time.sleep(1)
            results.append("made")
        except InputError as error:
            results.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results.count("made") == 1, results
    assert all(text == "made" or "another run is writing it" in text or "exists already" in text for text in results)
    assert (open_image(location.path, storage=s3[0]).compute() == [3, 4, 5]).all()
    assert not [key for key in keys() if ".unfinished" in key]


@pytest.mark.parametrize("key", ["notes.txt", "labels/notes.txt", "labels/c/0/0", "zarr.json"])
def test_objects_of_others__are_neither_deleted_nor_overwritten(s3, keys, key):
    def appears():
        with _begun(locate("s3://images/a.zarr", s3[0])) as place:
            s3[1].put_object(Bucket="images", Key=f"a.zarr/{key}", Body=b"years of work")
            _write(place)

    if key.endswith(".txt"):
        appears()
    else:
        with pytest.raises(InputError, match=r"an object that dasksom did not write is there"):
            appears()
    kept = [name for name in keys() if name == f"a.zarr/{key}"]
    assert kept or key == "labels/c/0/0", "a chunk's own key counts as the run's when it is swept"
    if kept:
        assert s3[1].get_object(Bucket="images", Key=f"a.zarr/{key}")["Body"].read() == b"years of work"

"""Interrupted runs that are resumed: the same bytes as those of an undisturbed run."""

import errno
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import zarr
from PIL import Image

from dasksom import DasksomError, InputError
from dasksom.chunkwise import ThrottledKeeper
from dasksom.config import RunConfig
from dasksom.image import verify
from dasksom.image.zarr.writer import ZarrWriter
from dasksom.runs import error_translation, run_state
from dasksom.runs.apply_many import apply_to_many
from dasksom.runs.workflows import quantize_image, resume_run, train_model
from dasksom.storage.own_names import identity
from dasksom.storage.publish import run_folder as run_folders
from dasksom.storage.publish.run_folder import run_folder, run_on_disk

OUTPUTS = ["out.zarr", "out.ome.zarr", "out.tif", "out.png", "out.jpg"]


class StoppedError(Exception):
    pass


class Stops:
    """Looks on, and stops the run at one of its steps."""

    def __init__(self, at=None):
        self.at, self.steps = at, 0

    def _step(self):
        self.steps += 1
        if self.steps == self.at:
            raise StoppedError

    def plan(self, line):
        pass

    def stage(self, name, pixels):
        self._step()

    def progress(self, done, total):
        self._step()

    def epoch(self, epoch):
        self._step()


@pytest.fixture(autouse=True)
def _eager(monkeypatch):
    """Keep every state and every window."""
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power is cut here


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.zarr"
    data = 17 * np.random.default_rng(0).integers(0, 16, (512, 384, 3), np.uint8)  # few colors are refined fast
    zarr.create_array(path, data=data, chunks=(64, 64, 3))
    return str(path)


def config(method="auto", **output):
    return RunConfig.model_validate(
        {
            "map": {"grid": [3, 4], "epochs": 3, "method": method, "refine": 6 if method == "auto" else 0},
            "input": {"chunk_size": "12KiB", "cache": "none"},
            "output": {"chunk": 64, **output} if output.get("chunk", 64) else {},
        }
    )


def config_for(name, method="auto", **more):
    return config(method, **more) if name.endswith((".zarr", ".tif")) else config(method, chunk=None)


def files(path):
    """Tell the content of every file, but for what tells when and how long a run was."""
    path = Path(path)
    if path.is_file():
        return {"": path.read_bytes()}
    found = {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    root = json.loads(found.pop("zarr.json"))
    del root["attributes"]["dasksom"]["metadata"]["run"]
    found["root"] = root
    sums = found["palette/SHA256SUMS"].splitlines()
    found["palette/SHA256SUMS"] = [line for line in sums if not line.endswith(b"  zarr.json")]
    return found


def stopped(image, output, settings, at, **more):
    with pytest.raises(StoppedError):
        quantize_image(image, output, settings, Stops(at), **more)


@pytest.mark.parametrize(("name", "method"), [*((name, "auto") for name in OUTPUTS), ("out.zarr", "stream")])
def test_resume__goes_on_wherever_it_was_stopped(image, tmp_path, name, method):
    settings = config_for(name, method)
    watcher = Stops()
    quantize_image(image, str(tmp_path / f"straight-{name}"), settings, watcher)
    straight, total = files(tmp_path / f"straight-{name}"), watcher.steps
    output, places = tmp_path / name, np.random.default_rng(zlib.crc32((name + method).encode()))
    for at in sorted({3, *places.integers(4, total, 2).tolist()}):
        stopped(image, str(output), settings, at)
        assert not output.exists()
        again = Stops()
        assert resume_run(str(output), RunConfig(), again) is not None
        assert files(output) == straight, at
        kept = name.endswith((".zarr", ".tif"))  # photographs are written as a whole
        assert again.steps <= total - at + 6 or not kept
        assert sorted(one.name for one in tmp_path.iterdir() if "out" in one.name) == sorted([name, f"straight-{name}"])
        _delete(output)


def _delete(output):
    if output.is_dir():
        for path in sorted(output.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        output.rmdir()
    else:
        output.unlink()


def test_an_image_that_is_kept_in_memory__makes_the_same_files(image, tmp_path):
    settings = config("stream")
    quantize_image(image, str(tmp_path / "read.zarr"), settings, Stops())
    kept = settings.model_copy(update={"input": settings.input.model_copy(update={"cache": "memory"})})
    quantize_image(image, str(tmp_path / "kept.zarr"), kept, Stops())
    assert files(tmp_path / "kept.zarr") == files(tmp_path / "read.zarr")


def test_resume__of_a_resumed_run_five_times(image, tmp_path):
    output = str(tmp_path / "out.ome.zarr")
    quantize_image(image, str(tmp_path / "straight.ome.zarr"), config(), Stops())
    stopped(image, output, config(), 5)
    for _ in range(5):
        with pytest.raises(StoppedError):
            resume_run(output, RunConfig(), Stops(3))
    resume_run(output, RunConfig(), Stops())
    assert files(output) == files(tmp_path / "straight.ome.zarr")


@pytest.mark.parametrize("name", ["out.zarr", "out.ome.zarr", "out.tif"])
def test_resume__writes_again_what_was_damaged_meanwhile(image, tmp_path, name):
    quantize_image(image, str(tmp_path / f"straight-{name}"), config(), watcher := Stops())
    draw = np.random.default_rng(1)
    for damage in range(2):
        stopped(image, str(tmp_path / name), config(), watcher.steps - 1)
        folder = run_folder(tmp_path / name)
        written = [path for path in folder.rglob("*") if path.is_file() and "output-" in str(path.relative_to(folder))]
        victim = sorted(written)[draw.integers(len(written))]
        content = bytearray(victim.read_bytes())
        content[draw.integers(len(content))] ^= 1 << int(draw.integers(8))
        victim.write_bytes(content) if damage % 2 else victim.unlink()
        resume_run(str(tmp_path / name), RunConfig(), Stops())
        assert files(tmp_path / name) == files(tmp_path / f"straight-{name}"), victim
        _delete(tmp_path / name)


def test_resume__passes_over_damaged_records(image, tmp_path):
    output = str(tmp_path / "out.zarr")
    quantize_image(image, str(tmp_path / "straight.zarr"), config(), watcher := Stops())
    draw = np.random.default_rng(2)
    for _ in range(3):
        stopped(image, output, config(), watcher.steps - 2)
        records = sorted(path for path in (run_folder(Path(output)) / "records").iterdir() if "how" not in path.name)
        victim = records[draw.integers(len(records))]
        content = bytearray(victim.read_bytes())
        content[draw.integers(len(content))] ^= 1 << int(draw.integers(8))
        victim.write_bytes(content)
        resume_run(output, RunConfig(), Stops())
        assert files(output) == files(tmp_path / "straight.zarr"), victim
        _delete(Path(output))


def test_resume__of_a_training(image, tmp_path):
    model, straight = tmp_path / "map.npz", tmp_path / "straight.npz"
    train_model([image], str(straight), config("stream"), Stops())
    for at in (4, 9, 13):
        with pytest.raises(StoppedError):
            train_model([image], str(model), config("stream"), Stops(at))
        assert resume_run(str(model), RunConfig(), Stops()).units == 12
        assert model.read_bytes() == straight.read_bytes()
        model.unlink()


def test_resume__of_an_application_and_with_a_report(image, tmp_path):
    pytest.importorskip("matplotlib")
    train_model([image], str(tmp_path / "map.npz"), config(), Stops())
    settings = config(dither="bayer", report=True)
    straight = quantize_image(
        image, str(tmp_path / "straight.zarr"), settings, Stops(), model=str(tmp_path / "map.npz")
    )
    stopped(image, str(tmp_path / "out.zarr"), settings, 4, model=str(tmp_path / "map.npz"))
    resumed = resume_run(str(tmp_path / "out.zarr"), RunConfig(), Stops())
    assert files(tmp_path / "out.zarr") == files(tmp_path / "straight.zarr")
    assert resumed.quality == straight.quality
    for name in ("straight", "out"):
        assert "<html" in (tmp_path / f"{name}.report.html").read_text()


def test_resume__refuses_what_has_changed(image, tmp_path, monkeypatch):
    output = str(tmp_path / "out.zarr")
    stopped(image, output, config(), 6)
    before = sorted(path.name for path in run_folder(Path(output)).rglob("*"))
    with pytest.raises(InputError, match=r"map\.grid: a run resumes with its first settings"):
        resume_run(output, RunConfig.model_validate({"map": {"grid": [2, 2]}}), Stops())
    real = run_state.version
    monkeypatch.setattr(run_state, "version", lambda name: "9.9" if name == "numpy" else real(name))
    with pytest.raises(InputError, match=r"version of numpy: '.*' then, '9.9' now; .*--overwrite"):
        resume_run(output, RunConfig(), Stops())
    monkeypatch.undo()
    node = Path(image, "zarr.json")
    os.utime(node, ns=(0, 0))
    with pytest.raises(
        InputError, match=r"out\.zarr: cannot resume, because the result would differ.*image\.zarr has changed"
    ):
        resume_run(output, RunConfig(), Stops())
    assert sorted(path.name for path in run_folder(Path(output)).rglob("*")) == before
    quantize_image(image, output, config(overwrite=True), Stops())
    with pytest.raises(InputError, match="is complete; there is no run to resume"):
        resume_run(output, RunConfig(), Stops())
    with pytest.raises(InputError, match="no run was started there"):
        resume_run(str(tmp_path / "other.zarr"), RunConfig(), Stops())


def test_quantize__where_an_unfinished_run_is(image, tmp_path):
    output = str(tmp_path / "out.zarr")
    stopped(image, output, config(), 6)
    with pytest.raises(InputError, match=r"unfinished run is there \(process .*dasksom resume .*--overwrite"):
        quantize_image(image, output, config(), Stops())
    quantize_image(image, output, config("stream", overwrite=True), Stops())  # begun anew, another one
    assert not run_folder(Path(output)).exists()


def test_apply_to_many__goes_on_within_an_image(image, tmp_path):
    model = str(tmp_path / "map.npz")
    train_model([image], model, config(), Stops())
    with pytest.raises(StoppedError):
        list(apply_to_many(model, [image], str(tmp_path / "out"), ".zarr", config(), Stops(4)))
    watcher = Stops()
    done = list(apply_to_many(model, [image], str(tmp_path / "out"), ".zarr", config(), watcher))
    assert done[0].record is not None
    assert watcher.steps < 6


HOLDS = """
import sys
from pathlib import Path
from dasksom.storage.publish.run_folder import run_on_disk

with run_on_disk(Path(sys.argv[1]), overwrite=False, resume=False):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_runs__the_second_is_refused(image, tmp_path):
    output = str(tmp_path / "out.zarr")
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDS, output], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert first.stdout.readline() == b"held\n"
        for settings in (config(), config(overwrite=True)):
            with pytest.raises(InputError, match=rf"another run is writing it \(process {first.pid} on "):
                quantize_image(image, output, settings, Stops())
        with pytest.raises(InputError, match="records of its run are missing"):
            resume_run(output, RunConfig(), Stops())
    finally:
        first.kill()
        first.communicate(timeout=30)
    quantize_image(image, output, config(overwrite=True), Stops())  # the lock went with its process


def test_publish__killed_between_two_renames(image, tmp_path, monkeypatch):
    output = tmp_path / "out.zarr"
    quantize_image(image, str(output), config("stream"), Stops())
    older = files(output)
    rename, calls = os.rename, []

    def killed(*given):
        calls.append(given)
        if len(calls) >= 2:
            raise StoppedError
        rename(*given)

    monkeypatch.setattr(run_folders.os, "rename", killed)
    with pytest.raises(StoppedError):
        quantize_image(image, str(output), config(overwrite=True), Stops())
    monkeypatch.undo()
    assert not output.exists()
    assert resume_run(str(output), RunConfig(), Stops()) is None
    assert files(output) != older
    assert not run_folder(output).exists()


def test_begun_anew_and_failed__the_older_output_gets_its_place_back(tmp_path):
    final = tmp_path / "a.png"
    folder = run_folder(final)
    folder.mkdir()
    (folder / "replaced").write_bytes(b"older")
    run_folders.RunFolder(final, folder).own(identity(folder / "replaced"))

    def fail():
        with run_on_disk(final, overwrite=True, resume=False):
            raise StoppedError

    with pytest.raises(StoppedError):
        fail()
    assert final.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_run_of_seconds_that_fails__leaves_nothing(image, tmp_path, monkeypatch):
    monkeypatch.setattr(ThrottledKeeper, "is_due", False)
    before = sorted(tmp_path.iterdir())
    for at in (2, 8, 12):
        stopped(image, str(tmp_path / "out.zarr"), config("stream"), at)
        assert sorted(tmp_path.iterdir()) == before


def test_names_that_are_too_long_for_a_prefix(image, tmp_path):
    name = 246 * "a" + ".png"
    assert len(run_folder(tmp_path / name).name) < 40
    quantize_image(image, str(tmp_path / name), config(chunk=None), Stops())
    with Image.open(tmp_path / name) as found:
        assert found.size == (384, 512)


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "the disk is full; make room"), (errno.EROFS, "read-only"), (errno.EMFILE, "ulimit -n")],
)
def test_trouble_with_files__is_told_in_words(tmp_path, number, told):
    def fail():
        with (
            error_translation.explained_system_errors(str(tmp_path / "out.zarr")),
            run_on_disk(tmp_path / "out.zarr", overwrite=False, resume=False) as run,
        ):
            run.records.write("state", b"x")
            raise OSError(number, os.strerror(number), "/place/chunk")

    with pytest.raises(DasksomError, match=f"^/place/chunk: .*{told}") as caught:
        fail()
    assert "dasksom resume" in caught.value.__notes__[0]


def test_an_image_that_changes_while_it_is_read__is_not_published(image, tmp_path):
    class Changes(Stops):
        def stage(self, name, pixels):
            if name == "write":
                chunk = Path(image, "c/1/1/0")
                chunk.write_bytes(chunk.read_bytes())

    with pytest.raises(InputError, match=r"image\.zarr: changed while it was read; start over"):
        quantize_image(image, str(tmp_path / "out.zarr"), config(), Changes())
    assert [path.name for path in tmp_path.iterdir()] == ["image.zarr"]


def test_secrets_are_not_kept(image, tmp_path):
    told = config().model_dump() | {"cluster": {"name": "gateway", "options": {"auth_token": "s3cr3t"}}}
    kept = run_state.request_of("quantize", ["https://me:s3cr3t@host/a.zarr?sig=s3cr3t"], None, RunConfig(**told), 1000)
    assert "s3cr3t" not in repr(kept)
    assert kept.sources == ("https://host/a.zarr",)
    with pytest.raises(InputError, match="held secrets or variables, which are not saved; name the cluster again"):
        run_state.resumed_config(kept, RunConfig())
    given = RunConfig.model_validate({"cluster": {"name": "threads"}, "input": {"storage": {"key": "s3cr3t"}}})
    again = run_state.resumed_config(kept, given)
    assert again.cluster.name == "threads"
    assert again.input.storage == {"key": "s3cr3t"}
    assert again.input.chunk_size == "1000B"


def test_a_run_on_gpus_is_resumed_on_any_machine():
    first = RunConfig.model_validate({"map": {"device": "cuda"}})
    kept = run_state.request_of("quantize", ["a.zarr"], None, first, 1000)
    assert run_state.resumed_config(kept, RunConfig()).map.device == "auto"


def test_control__without_checksums_damage_is_kept(image, tmp_path, monkeypatch):
    monkeypatch.setattr(ZarrWriter, "are_intact", lambda *_: True)
    output = tmp_path / "out.zarr"
    quantize_image(image, str(tmp_path / "straight.zarr"), config(), watcher := Stops())
    stopped(image, str(output), config(), watcher.steps - 1)
    chunk = next(path for path in sorted(run_folder(output).rglob("c/*/*")) if path.is_file())
    times = chunk.stat().st_atime_ns, chunk.stat().st_mtime_ns
    chunk.write_bytes(chunk.read_bytes()[::-1])
    with pytest.raises(InputError, match="is not a file that dasksom wrote"):
        resume_run(str(output), RunConfig(), Stops())
    os.utime(chunk, ns=times)  # damage of a disk leaves the times
    resume_run(str(output), RunConfig(), Stops())
    assert files(output) != files(tmp_path / "straight.zarr")
    assert any(checked.problem for checked in verify(str(output)))


def test_resume__whatever_the_spelling_of_the_input(image, tmp_path, monkeypatch):
    folder = tmp_path / "a folder"
    (folder / "inside").mkdir(parents=True)
    shutil.copytree(image, folder / "image.zarr")
    (tmp_path / "link").symlink_to(folder)
    quantize_image(f"{folder}/image.zarr", str(tmp_path / "straight.zarr"), config(), Stops())
    for source in (
        f"{folder}/inside/../image.zarr",
        f"file://{folder}/image.zarr",
        f"file://localhost{folder}/image.zarr",
        f"file://{quote(str(folder))}/image.zarr",
        f"{tmp_path}/link/inside/../image.zarr",
        "../image.zarr",
    ):
        monkeypatch.chdir(folder / "inside")
        stopped(source, str(tmp_path / "out.zarr"), config(), 6)
        monkeypatch.chdir(tmp_path)
        assert resume_run("out.zarr", RunConfig(), Stops()) is not None
        assert files(tmp_path / "out.zarr") == files(tmp_path / "straight.zarr"), source
        _delete(tmp_path / "out.zarr")


def test_resume__writes_the_summary_and_the_report_of_a_run_that_was_stopped_before_publishing(
    image, tmp_path, monkeypatch
):
    output, summary = tmp_path / "out.zarr", tmp_path / "out.json"
    settings = config(report=True)
    with monkeypatch.context() as patch:
        patch.setattr("dasksom.runs.workflows.size_on_disk", lambda _: (_ for _ in ()).throw(StoppedError))
        with pytest.raises(StoppedError):
            quantize_image(image, str(output), settings, Stops(), summary=str(summary))
    assert not output.exists()
    assert not summary.exists()
    assert resume_run(str(output), RunConfig(), Stops()) is not None
    assert json.loads(summary.read_text())["output"] == str(output)
    assert (tmp_path / "out.report.html").exists()
    assert output.exists()

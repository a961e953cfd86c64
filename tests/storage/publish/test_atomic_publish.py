import os
from functools import partial

import numpy as np
import pytest
import zarr

from dasksom.errors import InputError
from dasksom.image import check_output as _check_output
from dasksom.image import publish, run_on_disk
from dasksom.image.write_formats import WRITERS
from dasksom.storage import own_removal
from dasksom.storage.publish import atomic_publish as publishing

check_output = partial(_check_output, suffixes=tuple(WRITERS))


def _make_zarr(path, value):
    zarr.create_group(path).create_array("labels", data=np.full(4, value))


def _value(path):
    return zarr.open_group(path, mode="r")["labels"][0]


def _names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.ome.tif", "x" * 240 + ".zarr"])
def test_publish__takes_its_name_when_complete(tmp_path, name):
    with publish(tmp_path / name) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(f".partial-{os.getpid()}-")
        assert temporary.suffix == (tmp_path / name).suffix
        temporary.write_text("new")
        assert not (tmp_path / name).exists()
    assert _names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_publish__failure_leaves_only_the_old(tmp_path, error, kind):
    final = tmp_path / ("a.png" if kind == "file" else "a.zarr")
    final.write_text("old") if kind == "file" else _make_zarr(final, 1)

    def fail():
        with publish(final, overwrite=True) as temporary:
            temporary.write_text("half") if kind == "file" else _make_zarr(temporary, 2)
            assert len(_names(tmp_path)) == 2
            raise error

    with pytest.raises(error):
        fail()
    assert _names(tmp_path) == [final.name]
    assert final.read_text() == "old" if kind == "file" else _value(final) == 1


def test_publish__replaces_on_request(tmp_path):
    (tmp_path / "a.png").write_text("old")
    with publish(tmp_path / "a.png", overwrite=True) as temporary:
        temporary.write_text("new")
    _make_zarr(tmp_path / "a.zarr", 1)
    with publish(tmp_path / "a.zarr", overwrite=True) as temporary:
        _make_zarr(temporary, 2)
        assert _value(tmp_path / "a.zarr") == 1
    assert (tmp_path / "a.png").read_text() == "new"
    assert _value(tmp_path / "a.zarr") == 2
    assert _names(tmp_path) == ["a.png", "a.zarr"]


def test_publish__does_not_replace_what_appeared_meanwhile(tmp_path):
    def publish_late():
        with publish(tmp_path / "a.png") as temporary:
            temporary.write_text("new")
            (tmp_path / "a.png").write_text("somebody else's")

    with pytest.raises(InputError, match=r"exists already.* during the run.*move it away"):
        publish_late()
    assert (tmp_path / "a.png").read_text() == "somebody else's"
    assert _names(tmp_path) == ["a.png"]


def test_publish__restores_the_old_if_the_new_cannot_take_its_place(tmp_path, monkeypatch):
    _make_zarr(tmp_path / "a.zarr", 1)
    real = os.rename

    def rename(source, target):
        if ".partial-" in str(source):
            raise OSError("disk trouble")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="disk trouble"), publish(tmp_path / "a.zarr", overwrite=True) as temporary:
        _make_zarr(temporary, 2)
    assert _value(tmp_path / "a.zarr") == 1
    assert _names(tmp_path) == ["a.zarr"]


def test_publish__nothing_written_is_an_error(tmp_path):
    (tmp_path / "a.png").write_text("old")
    with pytest.raises(FileNotFoundError, match="nothing was written"), publish(tmp_path / "a.png", overwrite=True):
        pass
    assert (tmp_path / "a.png").read_text() == "old"


def test_check_output__accepts(tmp_path):
    (tmp_path / "old.tif").write_text("old")
    _make_zarr(tmp_path / "old.zarr", 1)
    (tmp_path / "in.png").write_text("in")
    for name in ("new.zarr", "new.PNG", "new.ome.zarr", "old.tif", "old.zarr"):
        assert check_output(tmp_path / name, inputs=[tmp_path / "in.png"], overwrite=True) == tmp_path / name
    assert check_output(f"file://{tmp_path}/a%20b.png") == tmp_path / "a b.png"
    assert check_output(tmp_path / "m.npz", suffixes=[".npz"]) == tmp_path / "m.npz"


@pytest.mark.parametrize("name", ["a", "a.gif", "a.npz", "zarr"])
def test_check_output__unknown_suffix(tmp_path, name):
    with pytest.raises(InputError, match=r"end it in one of \.jpeg, \.jpg, \.ome\.zarr, \.png, \.tif, \.tiff, \.zarr"):
        check_output(tmp_path / name)


def test_check_output__exists(tmp_path):
    (tmp_path / "a.png").write_text("old")
    _make_zarr(tmp_path / "a.zarr", 1)
    os.symlink(tmp_path / "nowhere", tmp_path / "broken.png")
    for name in ("a.png", "a.zarr", "broken.png"):
        with pytest.raises(InputError, match=r"exists already; .*overwrite it \(--overwrite\)"):
            check_output(tmp_path / name)


def test_check_output__never_deletes_what_is_not_ours(tmp_path):
    (tmp_path / "work.zarr").mkdir()
    (tmp_path / "work.zarr" / "thesis.txt").write_text("years of work")
    (tmp_path / "folder.png").mkdir()
    _make_zarr(tmp_path / "zarr.tif", 1)
    (tmp_path / "file.zarr").write_text("not a directory")
    os.mkfifo(tmp_path / "pipe.png")
    _make_zarr(tmp_path / "a.zarr", 1)
    os.symlink(tmp_path / "a.zarr", tmp_path / "link.zarr")
    for name in ("work.zarr", "folder.png", "zarr.tif", "file.zarr", "pipe.png", "link.zarr"):
        with pytest.raises(InputError, match="it is never deleted"):
            check_output(tmp_path / name, overwrite=True)
        with (
            pytest.raises(InputError, match="it is never deleted"),
            publish(tmp_path / name, overwrite=True) as temporary,
        ):
            temporary.write_text("new")
    assert (tmp_path / "work.zarr" / "thesis.txt").exists()
    assert not list(tmp_path.glob(".partial*"))


def test_check_output__folder_missing_or_not_writable(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"there is no folder .*mkdir"):
        check_output(tmp_path / "missing" / "a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="no permission to write into the folder"):
        check_output(tmp_path / "a.png")


def test_check_output__in_the_way_of_an_input(tmp_path):
    source = tmp_path / "in.zarr"
    _make_zarr(source, 1)
    os.symlink(source, tmp_path / "link.zarr")
    (tmp_path / "in.png").write_text("in")
    os.link(tmp_path / "in.png", tmp_path / "hard.png")
    os.symlink(tmp_path, tmp_path / "sub")
    _make_zarr(tmp_path / "outer.zarr", 1)
    cases = [
        (source, source, "is the input itself"),
        (tmp_path / "sub" / "in.zarr", source, "is the input itself"),
        (tmp_path / "link.zarr", source, "is the input itself"),
        (source, tmp_path / "link.zarr", "is the input itself"),
        (source, f"file://{source}", "is the input itself"),
        (tmp_path / "x" / ".." / "in.zarr", source, "is the input itself"),
        (tmp_path / "hard.png", tmp_path / "in.png", "is the input itself"),
        (source / "out.zarr", source, "is inside the input"),
        (tmp_path / "outer.zarr", tmp_path / "outer.zarr" / "labels", "contains the input"),
    ]
    for output, given, message in cases:
        with pytest.raises(InputError, match=f"{message}.*inputs are never changed"):
            check_output(output, inputs=[tmp_path / "other.zarr", given], overwrite=True)
    check_output(tmp_path / "in.zarr2.zarr", inputs=[source])


def test_remove__neither_follows_nor_removes_links(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "zarr.json").write_text("kept")
    os.symlink(tmp_path / "kept", tmp_path / "link")
    publishing.remove_output(tmp_path / "link")
    assert _names(tmp_path) == ["kept", "link"]
    assert (tmp_path / "kept" / "zarr.json").exists()


def test_publish__refuses_at_once_what_it_could_not_replace(tmp_path):
    (tmp_path / "a.png").write_text("old")
    with pytest.raises(InputError, match="exists already"):
        publish(tmp_path / "a.png").__enter__()


@pytest.mark.parametrize("deleted", [0, 1])
def test_run_on_disk__stopped_while_its_folder_is_deleted_can_be_finished(tmp_path, monkeypatch, deleted):
    final, remove_once, calls = tmp_path / "a.zarr", own_removal._remove_once, []

    def dies(*given):
        if len(calls) == deleted:
            raise SystemExit
        calls.append(given)
        return remove_once(*given)

    holding = run_on_disk(final, overwrite=False, resume=False)
    work = holding.__enter__()
    work.place.mkdir()
    for name in ("records", "more"):
        (work.folder / name).mkdir(exist_ok=True)
    with monkeypatch.context() as dying:
        dying.setattr(own_removal, "_remove_once", dies)
        with pytest.raises(SystemExit):
            holding.__exit__(None, None, None)
    assert final.is_dir()
    assert work.folder.is_dir()
    assert work.finish()
    assert not work.folder.exists()
    assert final.is_dir()

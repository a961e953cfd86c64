"""Nothing of anyone else is deleted or overwritten, whatever appears under the names that a run uses."""

import ast
import gzip
import os
import random as python_random
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr

from dasksom.chunkwise import ThrottledKeeper
from dasksom.config import RunConfig
from dasksom.errors import DasksomError, InputError
from dasksom.runs.apply_many import apply_to_many
from dasksom.runs.workflows import quantize_image, resume_run, train_model
from dasksom.storage import own_removal
from dasksom.storage.own_files import create, replace_file, write_file
from dasksom.storage.own_folders import ForeignFileError
from dasksom.storage.own_names import identity, rename_new, take_name
from dasksom.storage.own_removal import remove_file, remove_tree
from dasksom.storage.publish.run_folder import run_folder, run_on_disk

PACKAGE = Path(__file__).parents[2] / "dasksom"
GUARDS = {
    *("storage/own_files.py", "storage/own_folders.py", "storage/own_names.py", "storage/own_removal.py"),
    "storage/publish/own_objects.py",
}
CHANGES = {
    *("unlink", "rmtree", "rename", "replace", "renames", "removedirs", "rmdir", "truncate", "write_bytes"),
    *("write_text", "touch", "symlink_to", "hardlink_to", "copyfile", "copy2", "copytree", "move", "rm", "rm_file"),
    *("pipe_file", "pipe", "put_file", "_pipe_file", "_rm", "delete_object", "delete_dir", "mkstemp", "save", "savez"),
}
"""Names of functions and methods that change or delete files or objects."""
SEEDS = int(os.environ.get("DASKSOM_SEEDS", "40"))
"""Number of random moments at which files of strangers appear; DASKSOM_SEEDS=200 for more."""
ALLOWED = {
    ("cli/help_pages.py", "write_text"): "click writes a help text",
    ("estimator/labeled_arrays.py", "rename"): "the name of a DataArray",
    ("cli/run_results.py", "open"): "the null device",
    ("cluster/allocation.py", "unlink"): "the file that dask's scheduler wrote for this job",
    ("cluster/encryption.py", "touch"): "keys of a cluster, in a temporary folder of its own",
    ("cluster/encryption.py", "write_text"): "keys of a cluster, in a temporary folder of its own",
    ("image/tiff/assembly.py", "truncate"): "of a file that `create` opened",
    ("storage/records.py", "rm"): "records of a run on a store, in the folder of its token",
    ("image/photographs/writer.py", "save"): "Pillow writes into a file that `create` opened",
    ("image/palette_files.py", "save"): "Pillow writes into memory",
    ("model_files.py", "savez"): "NumPy writes into memory",
    ("storage/locations.py", "pipe_file"): "Location.write: one object, of a name that was checked",
    ("training/checkpoint.py", "savez"): "NumPy writes into memory",
    ("training/record_encoding.py", "savez"): "NumPy writes into memory",
}
STRINGS = {"replace"}
"""Also methods of text and records: only `os.replace` and paths' are meant."""


def _calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            owner = node.func.value
            module = owner.id if isinstance(owner, ast.Name) else None
            if node.func.attr not in STRINGS or module in ("os", "shutil") or len(node.args) == 1:
                yield node.func.attr, node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            modes = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
            if name == "open" and any(isinstance(m, str) and set(m) & set("wxa+") and len(m) < 4 for m in modes):
                yield "open", node.lineno


def test_every_change_of_files_goes_through_the_guards():
    found = {
        (path.relative_to(PACKAGE).as_posix(), name): line
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).as_posix() not in GUARDS
        for name, line in _calls(ast.parse(path.read_text()))
        if not (name == "save" and "save_codebook" in path.read_text())
    }
    others = {key: line for key, line in found.items() if key not in ALLOWED and key[1] != "save"}
    assert not others, "change files with dasksom.storage.own_files, or say in ALLOWED why not"


# ---------------------------------------------------------------------------------------------------------- the guards


@pytest.fixture
def precious(tmp_path):
    folder = tmp_path / "precious"
    folder.mkdir()
    for name in ("zarr.json", "owner.json", "lock", "state.record", "notes.txt"):
        (folder / name).write_text("years of work")
    return folder


def _unchanged(folder):
    return {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(
        ("zarr.json", "owner.json", "lock", "state.record", "notes.txt"), "years of work"
    )


def test_write__neither_follows_a_link_nor_replaces_a_file(tmp_path, precious):
    own = tmp_path / ".unfinished-a"
    own.mkdir()
    os.symlink(precious, own / "records")
    os.symlink(precious / "notes.txt", own / "link")
    (own / "file").write_text("years of work")
    for attempt in (
        lambda: write_file(own / "records" / "state.record", [b"ours"]),
        lambda: replace_file(own / "records" / "state.record", b"ours"),
        lambda: replace_file(own / "link", b"ours"),
        lambda: write_file(own / "link", [b"ours"]),
        lambda: write_file(own / "file", [b"ours"]),
        lambda: create(own / "file").__enter__(),
        lambda: remove_file(own / "link"),
        lambda: remove_file(own / "records" / "state.record"),
        lambda: rename_new(own / "file", precious / "notes.txt"),
    ):
        with pytest.raises(ForeignFileError, match="move it away"):
            attempt()
    assert _unchanged(precious)
    assert (own / "file").read_text() == "years of work"
    assert not [name for name in os.listdir(own) if name.endswith(".new")]


@pytest.mark.parametrize("content", [b"", b"some pixels" * 100])
def test_write__gzip_of_another_second_is_equal(tmp_path, content):
    write_file(tmp_path / "0", [gzip.compress(content, mtime=1)])
    write_file(tmp_path / "0", [gzip.compress(content, mtime=2)])
    with pytest.raises(ForeignFileError):
        write_file(tmp_path / "0", [gzip.compress(content + b"!", mtime=2)])


def test_write__an_equal_file_is_accepted(tmp_path):
    write_file(tmp_path / "a" / "b" / "0", [b"x", b"yz"])
    write_file(tmp_path / "a" / "b" / "0", [b"xyz"])
    with pytest.raises(ForeignFileError):
        write_file(tmp_path / "a" / "b" / "0", [b"xyZ"])
    write_file(tmp_path / "a" / "b" / "0", [b"xyZ"], replace=True)
    assert (tmp_path / "a" / "b" / "0").read_bytes() == b"xyZ"


def test_write__without_hard_links(tmp_path, monkeypatch):
    def link(*args, **kwargs):
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    write_file(tmp_path / "0", [b"x"])
    write_file(tmp_path / "0", [b"x"])
    with pytest.raises(ForeignFileError):
        write_file(tmp_path / "0", [b"y"])
    rename_new(tmp_path / "0", tmp_path / "1")
    assert (tmp_path / "1").read_bytes() == b"x"


def test_remove_tree__leaves_what_is_not_ours(tmp_path, precious, monkeypatch):
    own = tmp_path / "own"
    (own / "c" / "0").mkdir(parents=True)
    (own / "c" / "0" / "1").write_text("ours")
    (own / "notes.txt").write_text("years of work")
    os.symlink(precious, own / "c" / "2")
    os.symlink(precious / "notes.txt", own / "c" / "3")
    assert sorted(remove_tree(own, lambda key: key.startswith("c/"))) == ["c/2", "c/3", "notes.txt"]
    assert sorted(path.relative_to(own).as_posix() for path in own.rglob("*")) == ["c", "c/2", "c/3", "notes.txt"]
    os.symlink(own, tmp_path / "link")
    remove_tree(tmp_path / "link", lambda key: True)
    assert (own / "notes.txt").exists()
    assert _unchanged(precious)


def test_take_name__replaces_only_what_was_there(tmp_path):
    final, new = tmp_path / "a.png", tmp_path / "new"
    final.write_text("old")
    before = identity(final)
    final.unlink()
    final.write_text("someone else's")
    new.write_text("new")
    with pytest.raises(ForeignFileError, match="appeared or changed during the run"):
        take_name(new, final, tmp_path / "aside", before)
    with pytest.raises(ForeignFileError, match="appeared or changed during the run"):
        take_name(new, final, tmp_path / "aside", None)
    assert final.read_text() == "someone else's"
    take_name(new, final, tmp_path / "aside", identity(final))
    assert final.read_text() == "new"


# ---------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture
def image(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (256, 192, 3), np.uint8)
    zarr.create_array(tmp_path / "image.zarr", data=data, chunks=(64, 64, 3))
    return str(tmp_path / "image.zarr")


class _Watcher:
    """Calls a function at a step of a run."""

    def __init__(self, at=None, act=lambda: None):
        self.at, self.act, self.steps = at, act, 0

    def plan(self, line):
        pass

    def stage(self, *given):
        self.steps += 1
        if self.steps == self.at:
            self.act()

    progress = epoch = stage


def _config(**output):
    return RunConfig.model_validate(
        {
            "map": {"grid": [2, 3], "epochs": 2, "refine": 0},
            "input": {"chunk_size": "12KiB", "cache": "none"},
            "output": {"chunk": 64, **output},
        }
    )


@pytest.mark.parametrize("name", ["out.zarr", "out.tif", "out.png"])
@pytest.mark.parametrize("command", ["quantize", "overwrite", "resume", "apply"])
def test_link_for_a_run_folder__is_refused(image, tmp_path, precious, name, command):
    config = _config(chunk=None) if name.endswith(".png") else _config()
    os.symlink(precious, run_folder(tmp_path / name))
    if command == "apply":
        train_model([image], str(tmp_path / "map.npz"), config, _Watcher())
        (tmp_path / "in").mkdir()
        os.rename(image, tmp_path / "in" / "out.zarr")
        done = list(
            apply_to_many(
                str(tmp_path / "map.npz"),
                [str(tmp_path / "in" / "out.zarr")],
                str(tmp_path),
                Path(name).suffix,
                config,
                _Watcher(),
            )
        )
        assert isinstance(done[0].error, ForeignFileError)
    else:
        output, watcher = str(tmp_path / name), _Watcher()
        chosen = config.output.model_copy(update={"overwrite": command == "overwrite"})
        run = {
            "resume": lambda: resume_run(output, RunConfig(), watcher),
        }.get(command, lambda: quantize_image(image, output, config.model_copy(update={"output": chosen}), watcher))
        with pytest.raises(InputError, match="is not a folder"):
            run()
    assert _unchanged(precious)
    assert run_folder(tmp_path / name).is_symlink()


@pytest.mark.parametrize("inside", ["owner.json", "lock"])
def test_link_inside_a_run_folder__is_refused(image, tmp_path, precious, inside):
    folder = run_folder(tmp_path / "out.zarr")
    folder.mkdir()
    os.symlink(precious / inside, folder / inside)
    for overwrite in (False, True):
        with pytest.raises(ForeignFileError):
            quantize_image(image, str(tmp_path / "out.zarr"), _config(overwrite=overwrite), _Watcher())
    assert _unchanged(precious)
    assert (folder / inside).is_symlink()


def test_folder_without_our_mark__is_refused(image, tmp_path):
    folder = run_folder(tmp_path / "out.zarr")
    folder.mkdir()
    (folder / "notes.txt").write_text("years of work")
    with pytest.raises(ForeignFileError, match="is not the folder of a run"):
        quantize_image(image, str(tmp_path / "out.zarr"), _config(overwrite=True), _Watcher())
    assert (folder / "notes.txt").read_text() == "years of work"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give folders away")
def test_folder_of_another_user__is_refused(image, tmp_path):
    with run_on_disk(tmp_path / "out.zarr", overwrite=False, resume=False) as run:
        run.place.mkdir()
        os.chown(run.folder, 12345, -1)
        with pytest.raises(ForeignFileError, match="belongs to another user"):
            run.finish()


@pytest.mark.parametrize("overwrite", [False, True])
def test_output_that_appears_during_a_run__is_not_replaced_by_resume_either(image, tmp_path, monkeypatch, overwrite):
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)
    output = tmp_path / "out.png"
    watcher = _Watcher(6, lambda: output.write_bytes(b"someone else's"))
    with pytest.raises(InputError, match=r"exists already.*during the run"):
        quantize_image(image, str(output), _config(chunk=None, overwrite=overwrite), watcher)
    with pytest.raises(InputError, match="exists already"):
        resume_run(str(output), RunConfig(), _Watcher())
    assert output.read_bytes() == b"someone else's"
    output.rename(tmp_path / "theirs.png")
    resume_run(str(output), RunConfig(), _Watcher())
    assert output.is_file()
    assert not run_folder(output).exists()


def test_old_output_with_files_of_others__is_not_replaced(image, tmp_path):
    quantize_image(image, str(tmp_path / "out.zarr"), _config(), _Watcher())
    (tmp_path / "out.zarr" / "labels" / "notes.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"contains files that are not of this Zarr: 1, such as labels/notes\.txt"):
        quantize_image(image, str(tmp_path / "out.zarr"), _config(overwrite=True), _Watcher())


# -------------------------------------------------------------------------------------------------------------- seeded

PLACES = (
    "{final}",
    "{folder}",
    "{folder}/owner.json",
    "{folder}/lock",
    "{folder}/whole",
    "{folder}/replaced",
    "{folder}/notes.txt",
    "{folder}/records",
    "{folder}/records/notes.txt",
    "{folder}/records/state.record",
    "{place}",
    "{place}/notes.txt",
    "{place}/labels",
    "{place}/labels/notes.txt",
    "{place}/labels/c/0/9",
    "{place}/labels/c/1/0",
    "{place}.parts",
    "{place}.parts/0-64-0",
    "{place}.parts/notes.txt",
)
MARK = b"years of work"


def _appear(path, kind, precious):
    """Put a stranger's file or link where nothing is yet; return whether it was put."""
    try:
        if kind == "file":
            with open(path, "xb") as file:
                file.write(MARK)
        else:
            os.symlink(precious if kind == "link to a folder" else precious / "notes.txt", path)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(n, marks=pytest.mark.slow) for n in range(12, SEEDS))])
def test_strangers_files_survive(image, tmp_path, precious, monkeypatch, seed):
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)  # every record
    draw = python_random.Random(seed)  # noqa: S311 - reproducible
    name = draw.choice(["out.zarr", "out.ome.zarr", "out.tif", "out.png"])
    final = tmp_path / name
    folder = run_folder(final)
    place = folder / f"output-{name}"
    kind = draw.choice(["file", "link", "link to a folder"])
    path = Path(draw.choice(PLACES).format(final=final, folder=folder, place=place))
    put = threading.Event()

    def appear():
        if not put.is_set() and _appear(path, kind, precious):
            put.set()

    before, stop = draw.random() < 0.2, draw.random() < 0.3
    if before:
        appear()
    chosen = {"chunk": None} if name.endswith(".png") else {}
    config = _config(overwrite=draw.random() < 0.4, **chosen)
    at = draw.randrange(1, 14)

    def act():
        appear()
        if stop:
            raise DasksomError("stopped")

    for attempt in range(3):
        try:
            if attempt == 0:
                quantize_image(image, str(final), config, _Watcher(at, act))
            elif attempt == 1:
                resume_run(str(final), RunConfig(), _Watcher())
            else:
                quantize_image(image, str(final), _config(overwrite=True, **chosen), _Watcher())
        except (DasksomError, OSError):
            pass
        asked = path == final and (attempt == 2 or (before and config.output.overwrite))
        if put.is_set() and not asked:  # --overwrite names this file
            assert os.path.lexists(path), (name, kind, path, attempt)
            assert path.is_symlink() if kind != "file" else path.read_bytes() == MARK, (name, kind, path, attempt)
        assert _unchanged(precious), (name, kind, path, attempt)


def test_the_sweep_is_bounded():
    assert own_removal.REMOVAL_SECONDS <= 10

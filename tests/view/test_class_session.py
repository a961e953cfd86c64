"""Classes that pages edit: saved at once, two pages at once, and requests that are refused."""

import errno
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import BadStatusLine
from pathlib import Path

import numpy as np
import pytest
import zarr

from dasksom import runs
from dasksom.classes import ClassTable, read_class_table
from dasksom.classes.table_files import classes_csv
from dasksom.storage import own_files, own_folders
from dasksom.view import class_session
from dasksom.view.class_session import ClassActions, ClassSession
from dasksom.view.live_scene import LiveScene
from tests.browsing import wait
from tests.view.conftest import quantize, served

ACTIONS = ClassActions(runs.group_output, runs.write_edited_classes)


@pytest.fixture
def session(tmp_path):
    return ClassSession("out.zarr", tmp_path / "out.classes.csv", ClassTable.of(np.array([1, 1, 2, 3, 0, 3])))


def saved(session):
    return read_class_table(session.path, len(session.table.numbers)).as_json()


def test_change__is_saved_at_once_and_undone(session):
    first = session.state()
    assert not session.path.exists()
    changes = [
        {"edit": "units", "units": [2], "class": 1},
        {"edit": "name", "class": 1, "name": "water; deep"},
        {"edit": "color", "class": 3, "color": "#abcdef"},
    ]
    states = [first]
    for change in changes:
        states.append(session.change({**change, "version": states[-1]["version"]}))
        assert saved(session)["numbers"] == states[-1]["numbers"]
    table = read_class_table(session.path, 6)
    assert (table.names[0], table.hexadecimal[2]) == ("water; deep", "#abcdef")
    for before in states[-2::-1]:
        state = session.change({"edit": "undo", "version": session.version})
        assert {name: state[name] for name in ("numbers", "names", "colors")} == {
            name: before[name] for name in ("numbers", "names", "colors")
        }
    assert not state["undo"]
    with pytest.raises(ValueError, match="nothing to undo"):
        session.change({"edit": "undo", "version": session.version})


def test_change__of_two_pages_loses_nothing(session):
    seen = session.version
    session.change({"edit": "name", "class": 1, "name": "water", "version": seen})
    state = session.change({"edit": "name", "class": 2, "name": "forest", "version": seen})  # applied to the first's
    assert state["names"] == ["water", "forest", "class 3"]
    for edit in ({"edit": "name", "class": 1, "name": "lake"}, {"edit": "undo"}, {"edit": "write"}, {"edit": "group"}):
        with pytest.raises(ValueError, match="were changed elsewhere"):
            session.change({**edit, "version": seen})
    with pytest.raises(ValueError, match="were changed elsewhere"):
        session.change({"edit": "name", "class": 3, "name": "lake", "version": 99})
    assert saved(session)["names"] == ["water", "forest", "class 3"]


def test_file_that_a_person_edits_is_read_again(session):
    seen = session.change({"edit": "name", "class": 1, "name": "water", "version": 1})["version"]
    session.path.write_text(session.path.read_text().replace("class 3", "sand"))
    with pytest.raises(ValueError, match="were changed elsewhere"):
        session.change({"edit": "name", "class": 3, "name": "rock", "version": seen})
    assert session.state()["names"] == ["water", "class 2", "sand"]
    session.path.write_text("unit,class\n77,1\n")
    assert "unit '77' is not a number from 0 to 5; correct the file" in session.state()["problem"]
    with pytest.raises(ValueError, match="correct the file"):
        session.change({"edit": "name", "class": 3, "name": "rock", "version": session.version})
    assert session.path.read_text() == "unit,class\n77,1\n"
    session.path.unlink()
    assert session.change({"edit": "name", "class": 3, "name": "rock", "version": session.version})["problem"] is None
    assert saved(session)["names"] == ["water", "class 2", "rock"]


def test_change__that_cannot_be_saved_changes_nothing(session, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(own_files, "open_folder", full)
    with pytest.raises(ValueError, match=r"cannot be saved \(No space left on device\); nothing was changed"):
        session.change({"edit": "name", "class": 1, "name": "water", "version": session.version})
    state = session.state()
    assert (state["names"][0], state["undo"]) == ("class 1", False)


def test_two_viewers__lose_nothing(tmp_path):
    sessions = [ClassSession("out.zarr", tmp_path / "classes.csv", ClassTable.of(np.zeros(16, int))) for _ in range(2)]

    def edit(first):
        for unit in range(first, 16, 2):
            change, version = {"edit": "units", "units": [unit], "class": None}, sessions[first].version
            sessions[first].change({**change, "version": version})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(edit, range(2)))
    assert sorted(read_class_table(tmp_path / "classes.csv", 16).numbers) == list(range(1, 17))


def test_a_folder_that_another_viewer_locks__is_waited_for_and_reported(session, monkeypatch):
    monkeypatch.setattr(class_session, "locked_folder", partial(own_folders.locked_folder, seconds=0.05))
    with (
        own_folders.locked_folder(session.path.parent),
        pytest.raises(ValueError, match=r"cannot be changed \(locked by another process\); nothing was changed"),
    ):
        session.change({"edit": "name", "class": 1, "name": "water", "version": 1})
    assert session.change({"edit": "name", "class": 1, "name": "water", "version": 1})["names"][0] == "water"


EDITOR = """
import sys
from pathlib import Path
import numpy as np
from dasksom.classes import ClassTable
from dasksom.view.class_session import ClassSession
session = ClassSession("out.zarr", Path(sys.argv[1]), ClassTable.of(np.ones(6, int)))
for number in range(100_000):
    session.change({"edit": "name", "class": 1, "name": f"name {number}", "version": session.version})
    print(number, flush=True)
"""


def test_killed_process__leaves_the_last_saved_table(tmp_path):
    path = tmp_path / "classes.csv"
    with subprocess.Popen([sys.executable, "-c", EDITOR, str(path)], stdout=subprocess.PIPE, text=True) as running:
        try:
            for _ in range(20):
                assert running.stdout.readline()
        finally:
            running.kill()
        last = 19 + len(running.stdout.read().splitlines())
    assert read_class_table(path, 6).names[0] in {f"name {last}", f"name {last + 1}"}


def test_killed_while_it_saves__the_last_saved_table_stays(session, monkeypatch):
    session.change({"edit": "name", "class": 1, "name": "first", "version": 1})

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(own_files, "_discard", lambda *_: None)
        patched.setattr(own_folders.OpenFolder, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            session.change({"edit": "name", "class": 1, "name": "second", "version": 2})
    assert len(list(session.path.parent.iterdir())) == 2  # the table, and what was about to replace it
    again = ClassSession("out.zarr", session.path, ClassTable.of(np.zeros(6, int)))
    assert again.state()["names"] == ["first", "class 2", "class 3"]
    again.change({"edit": "name", "class": 2, "name": "sand", "version": again.version})
    assert saved(again)["names"] == ["first", "sand", "class 3"]


def post(client, request, **headers):
    own = {"Origin": client.address.rsplit("/", 2)[0], "Content-Type": "application/json"}
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    status, _, content = client.ask("classes", {**own, **headers}, "POST", body)
    return status, json.loads(content) if content else {}


@pytest.fixture(scope="module")
def output(folder, tmp_path_factory):
    return quantize(folder / "photo.png", tmp_path_factory.mktemp("edited") / "out.zarr")


def test_server__groups_edits_and_writes(output):
    with LiveScene(output, None, ACTIONS) as live, served(live) as client:
        state = client.json("classes")
        assert state["numbers"] == 12 * [0]
        assert post(client, {"edit": "write", "version": state["version"]})[1]["error"].startswith(
            "there are no classes"
        )
        status, state = post(client, {"edit": "group", "count": 4, "version": state["version"]})
        assert (status, max(state["numbers"])) == (200, 4)
        status, state = post(client, {"edit": "name", "class": 2, "name": "sky", "version": state["version"]})
        assert status == 200
        status, conflict = post(client, {"edit": "name", "class": 2, "name": "sea", "version": state["version"] - 1})
        assert (status, conflict["names"], "were changed elsewhere" in conflict["error"]) == (409, state["names"], True)
        status, _ = post(client, {"edit": "write", "version": state["version"]})
        assert status == 200
        writing = wait(lambda: (found := client.json("progress")["writing"])["state"] != "running" and found)
        assert (writing["state"], writing["version"]) == ("done", state["version"])
        labels = zarr.open_array(f"{output}/labels")[...]
        assert np.array_equal(zarr.open_array(f"{output}/classes")[...], np.array([0, *state["numbers"]])[labels])
        assert client.ask("labels/0/0/0/0")[0] == 200  # still the same output
        assert read_class_table(classes_csv(output), 12).names[1] == "sky"
    with LiveScene(output, None, ACTIONS) as live, served(live) as client:
        assert client.json("classes")["names"] == state["names"]


def test_server__takes_changes_from_its_own_page_only(output):
    with LiveScene(output, None) as live, served(live) as client:
        change = {"edit": "units", "units": [0], "class": None, "version": live.classes.version}
        before = live.classes.state()
        for expected, headers in [
            (403, {"Origin": "http://evil.example"}),
            (403, {"Origin": "null"}),
            (403, {"Host": "evil.example"}),
            (415, {"Content-Type": "text/plain"}),
            (415, {"Content-Type": "application/x-www-form-urlencoded"}),
        ]:
            assert post(client, change, **headers)[0] == expected, headers
        assert client.ask("classes", {"Content-Type": "application/json"}, "POST", json.dumps(change))[0] == 403
        for body in (b"{", b"[]", b"\xff", b"[" * 100_000, b"1" * 10_000):
            assert post(client, body)[0] == 400, body[:9]
        assert post(client, {**change, "edit": "group"})[0] == 400  # without actions
        with pytest.raises((ConnectionError, BadStatusLine)):  # the server ends the connection
            client.ask("classes", {}, "POST", b" " * (8 << 20))
        assert client.ask("about.json", body=b"{}")[0] == 413
        for method in ("PUT", "DELETE", "PATCH"):
            assert client.ask("classes", method=method)[0] == 405
        assert live.classes.state() == before
    assert Path(output).exists()

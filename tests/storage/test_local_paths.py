"""One path, however it is spelled."""

import os

from dasksom.storage.local_paths import absolute_path
from dasksom.storage.locations import locate


def test_absolute_path__is_the_same_for_every_spelling(tmp_path, monkeypatch):
    folder = tmp_path / "a b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    wanted = tmp_path / "a b" / "x.png"
    quoted = str(wanted).replace(" ", "%20")
    for spelling in (
        "../x.png",
        "../c/../x.png",
        f"{folder}/../x.png",
        f"file://{quoted}",
        f"file://localhost{quoted}",
    ):
        assert absolute_path(spelling) == wanted
        assert locate(spelling).path == str(wanted)


def test_absolute_path__follows_a_link_before_dots_as_the_system_does(tmp_path):
    (tmp_path / "far" / "inner").mkdir(parents=True)
    os.symlink(tmp_path / "far" / "inner", tmp_path / "link")
    (tmp_path / "far" / "x").write_text("x")
    assert absolute_path(tmp_path / "link" / ".." / "x").read_text() == "x"
    assert absolute_path(tmp_path / "link" / "x") == tmp_path / "link" / "x"

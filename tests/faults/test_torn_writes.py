"""A process that does nothing but write is killed again and again: no torn chunk or record is ever accepted."""

import os
import random
import select
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from dasksom.image import Options, Output, create_writer
from dasksom.quantization.write_journal import WriteJournal
from dasksom.storage.records import RecordFolder
from dasksom.training.checkpoint import Checkpoint
from dasksom.training.trained_map import MapState

SIDE = 256
SECONDS = 60


def _killed_meanwhile(draw, work):
    """Let another process work, and kill it in the middle of that; tell whether it was sure to have done something.

    `work` takes a function to call each time that something is done. Three in four are killed some time after it was
    called first, the others some time after they began.
    """
    sure = draw.random() < 0.75
    done, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda: os.write(tells, b"."))
        finally:
            os._exit(1)
    try:
        assert not sure or select.select([done], [], [], SECONDS)[0], "it does nothing"
        time.sleep(draw.uniform(0.02, 0.15))
    finally:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(done)
        os.close(tells)
    assert os.WTERMSIG(status) == signal.SIGKILL, "it had ended by itself"
    return sure


def _until_killed(tell):
    """Count for longer than anybody waits; what was done with a number is told when the next is asked for."""
    deadline = time.monotonic() + 2 * SECONDS
    number = 0
    while time.monotonic() < deadline:
        yield number
        if number < 1000:  # what a pipe holds is more
            tell()
        number += 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_chunks__none_of_a_journal_is_torn_in_a_hundred_kills(tmp_path):
    palette = np.random.default_rng(0).integers(0, 256, (200, 3), np.uint8)
    labels = np.random.default_rng(1).integers(0, 200, (SIDE, SIDE), np.uint8)
    draw, noted, sure = random.Random(0), 0, 0  # noqa: S311
    for kill in range(100):
        suffix = (".tif", ".zarr", ".ome.zarr")[kill % 3]
        place = tmp_path / f"output-{kill}{suffix}"
        writer = create_writer(
            Output(
                place,
                height=64 * SIDE,
                width=SIDE,
                chunks=(SIDE, SIDE),
                palette=palette,
                metadata={},
                options=Options(chunk=SIDE),
            )
        )
        kept = Checkpoint(tmp_path / f"records-{kill}")

        def work(tell, writer=writer, kept=kept):
            journal = WriteJournal(kept)
            journal._label = "x"
            for number in _until_killed(tell):
                place = number % 64 * SIDE, 0
                journal.add(writer.encode(labels, place), None)
                journal.save()

        must = _killed_meanwhile(draw, work)
        journal = WriteJournal(kept)
        stored = []
        journal.report = stored.extend
        found = len(journal.resume("x", writer.are_intact))
        assert found >= must
        noted, sure = noted + found, sure + must
        folder = Path(f"{place}.parts") if suffix == ".tif" else place
        assert all((folder / name).stat().st_size > 0 for name, _ in stored)
    assert noted >= sure > 50


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_records__killed_inside_their_renames(tmp_path, monkeypatch):
    kept, draw, last = Checkpoint(tmp_path / "kept"), random.Random(1), -1  # noqa: S311
    kept.save("state", MapState(np.full((300, 3), -1.0), np.zeros(1)))

    def work(tell):
        for number in _until_killed(tell):
            kept.save("state", MapState(np.full((300, 3), float(last + 1 + number)), np.zeros(1)))

    for _ in range(100):
        must = _killed_meanwhile(draw, work)
        found = kept.load("state")
        assert (found.codebook == found.codebook[0, 0]).all()
        assert found.codebook[0, 0] >= last + must  # never an older one than was there before
        last = int(found.codebook[0, 0])
    assert last > 50


def _write_plainly(self, name, content):
    with (self.folder / f"{name}.record").open("wb") as file:
        for start in range(0, len(content), 1024):
            file.write(content[start : start + 1024])
            file.flush()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_control__plain_writes_are_torn(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(RecordFolder, "write", _write_plainly)
    kept, draw = Checkpoint(tmp_path / "kept"), random.Random(2)  # noqa: S311

    def work(tell):
        for number in _until_killed(tell):
            kept.save("state", MapState(np.full((30_000, 3), float(number)), np.zeros(1)))

    torn = 0
    for _ in range(20):
        _killed_meanwhile(draw, work)
        torn += kept.load("state") is None
    assert torn > 0
    assert "the checksum does not match" in caplog.text

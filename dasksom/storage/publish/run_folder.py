"""Outputs on a disk while a run makes them: in a hidden folder beside their place, which outlives a killed run.

The folder holds the output, the parts that it is joined of, and the records that the run goes on from; one process at a
time has its lock. When the output is whole it takes its place in one step, and the folder is deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dasksom.errors import InputError
from dasksom.storage.local_paths import parts_folder
from dasksom.storage.publish.atomic_publish import check_replaceable, flush, remove
from dasksom.storage.records import RecordFolder, is_worth_keeping, owner, tell_how_to_go_on, told_of

_PREFIX = ".unfinished-"
_MOST_NAME_BYTES = 200
_LOCK, _OWNER = "lock", "owner.json"


def run_folder(final: Path) -> Path:
    """Return the folder where a run makes an output."""
    name = final.name
    if len(os.fsencode(name)) > _MOST_NAME_BYTES:  # names have at most 255 bytes
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return final.absolute().with_name(_PREFIX + name)


@dataclass(frozen=True)
class RunFolder:
    """A run on a disk."""

    final: Path
    """Where the output will lie."""
    folder: Path

    @property
    def place(self) -> Path:
        """Where the output is written; its name ends like the final one."""
        return self.folder / f"output-{self.final.name[-40:]}"

    @property
    def records(self) -> RecordFolder:
        """What the run goes on from."""
        return RecordFolder(self.folder / "records")

    @property
    def replaced(self) -> Path:
        """Where an older output lies while the new one takes its place."""
        return self.folder / "replaced"

    def publish(self, overwrite: bool) -> None:
        """Give the output its name; doing it again after being killed in the middle does no harm."""
        if os.path.lexists(self.place):
            flush(self.place)
            self._whole.touch()
            if not os.path.lexists(self.final):
                os.rename(self.place, self.final)
            else:
                check_replaceable(self.final, overwrite)
                if self.final.is_dir():  # which cannot be replaced in one step
                    os.rename(self.final, self.replaced)
                    os.rename(self.place, self.final)
                else:
                    os.replace(self.place, self.final)
            flush(self.final.parent)
        self.delete()

    @property
    def _whole(self) -> Path:
        return self.folder / "whole"

    def finish(self) -> bool:
        """Finish what a process that was killed while it published has left; tell whether there was one."""
        if not self._whole.exists():
            return False
        with _locked(self.final, self.folder):
            self.publish(overwrite=True)  # it was asked before
        return True

    def clear_place(self) -> None:
        """Delete what was written of the output."""
        remove(self.place)
        remove(parts_folder(self.place))

    def restore(self) -> None:
        """Give an older output that was about to be replaced its place back, if that is free."""
        if os.path.lexists(self.replaced) and not os.path.lexists(self.final):
            os.rename(self.replaced, self.final)

    def delete(self) -> None:
        """Delete the folder; of a run whose output has its name, last of all what says so: `finish` goes by it."""
        self.restore()
        if self._whole.exists():
            for one in self.folder.iterdir():
                if one.is_dir():
                    shutil.rmtree(one, ignore_errors=True)
                elif one != self._whole:
                    one.unlink(missing_ok=True)
        remove(self.folder)


def check_unfinished(final: Path, overwrite: bool) -> None:
    """Refuse an output that another run is making, or has left unfinished.

    Raises
    ------
    InputError
    """
    folder = run_folder(final)
    if not os.path.lexists(folder):
        return
    with _locked(final, folder):
        pass
    if not overwrite:
        raise InputError(
            f"{final}: an unfinished run is there ({_told(folder)}); go on with it (dasksom resume {final}), or begin "
            "anew (--overwrite)"
        )


@contextmanager
def run_on_disk(final: Path, *, overwrite: bool, resume: bool) -> Iterator[RunFolder]:
    """Hold the folder of a run; the output in it takes its place when all went well.

    Where something failed, the folder stays if there are records to go on from.

    Parameters
    ----------
    final : where the output will lie
    overwrite : an output, or an unfinished one, may be replaced
    resume : go on with the run that is there

    Raises
    ------
    InputError
        If another process has the run, or one is there that was not asked for.
    """
    run = RunFolder(final.absolute(), run_folder(final))
    if not resume:
        check_unfinished(final, overwrite)
    try:
        run.folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{final}: nothing can be written beside it ({error.strerror}); choose another folder"
        ) from error
    with _locked(final, run.folder):
        try:
            if not resume:
                _begin_anew(run, overwrite)
            (run.folder / _OWNER).write_text(json.dumps(owner()))
            run.records.make()
            yield run
            if not os.path.lexists(run.place):
                raise FileNotFoundError(f"internal error: nothing was written to {run.place}")
            run.publish(overwrite)
        except BaseException as error:
            if is_worth_keeping(run.records):
                tell_how_to_go_on(error, str(final))
            else:
                run.delete()
            raise


def _begin_anew(run: RunFolder, overwrite: bool) -> None:
    run.restore()
    if os.path.lexists(run.final):
        check_replaceable(run.final, overwrite)
    for path in run.folder.iterdir():
        if path.name not in (_LOCK, _OWNER):
            remove(path)


@contextmanager
def _locked(final: Path, folder: Path) -> Iterator[None]:
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{final}: another run is making it ({_told(folder)}); wait for it, stop it, or choose another name"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be locked ({error.strerror}); choose another folder") from error
    try:
        yield
    finally:
        lock.release()


def _told(folder: Path) -> str:
    try:
        return told_of(json.loads((folder / _OWNER).read_text()))
    except (OSError, ValueError):
        return "of an unknown process"

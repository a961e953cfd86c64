"""Runs on a disk: a hidden folder next to the output, which remains if the run is killed.

The folder holds the output, the parts from which it is joined, and the records from which the run resumes. One process
at a time holds its lock. ``owner.json`` marks the folder as ours: without it, it is neither written to nor deleted.
The complete output is renamed atomically to its final name, then the folder is deleted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dasksom.errors import InputError
from dasksom.storage.checksum_manifests import has_content_of_zarr
from dasksom.storage.local_paths import parts_folder
from dasksom.storage.own_files import keeps_marks, replace_file
from dasksom.storage.own_folders import UNFINISHED, ForeignFileError, is_temporary
from dasksom.storage.own_names import FileIdentity, identity, is_same_file, rename_new, take_name
from dasksom.storage.own_removal import ContentTest, foreign_in, remove_file, remove_tree
from dasksom.storage.publish.atomic_publish import check_replaceable, flush, is_output_key, is_part
from dasksom.storage.publish.run_markers import (
    COMPLETE,
    COMPLETE_NOTE,
    LOCK,
    OWNER,
    RECORDS,
    REPLACED,
    REPLACES,
    check_own_folder,
    is_complete,
    is_owner,
    owner_of,
)
from dasksom.storage.records import (
    RecordFolder,
    add_resume_hint,
    describe_owner,
    is_record,
    is_record_name,
    is_worth_keeping,
    owner,
)
from dasksom.storage.zarr_nodes import is_zarr_key

logger = logging.getLogger(__name__)

_MOST_NAME_BYTES = 200


def run_folder(final: Path) -> Path:
    """Return the working folder of a run."""
    name = final.name
    if len(os.fsencode(name)) > _MOST_NAME_BYTES:  # names have at most 255 bytes
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return final.absolute().with_name(UNFINISHED + name)


@dataclass(frozen=True)
class RunFolder:
    """A run on a disk."""

    final: Path
    """Final path of the output."""
    folder: Path

    @property
    def place(self) -> Path:
        """Path to which the output is written; it has the final suffix."""
        return self.folder / f"output-{self.final.name[-40:]}"

    @property
    def records(self) -> RecordFolder:
        """The records from which the run resumes."""
        return RecordFolder(self.folder / RECORDS)

    @property
    def replaced(self) -> Path:
        """Path of an older output while the new one is renamed."""
        return self.folder / REPLACED

    @property
    def _complete_marker(self) -> Path:
        return self.folder / COMPLETE

    def own(self, replaces: FileIdentity) -> None:
        """Record this process as the owner, and the identity of the file that the output may replace."""
        content = json.dumps({**owner(), REPLACES: replaces}).encode()
        replace_file(self.folder / OWNER, content, is_ours=is_owner)

    def replaces(self) -> FileIdentity:
        """Return the identity of the file or folder that the output may replace."""
        replaced = (owner_of(self.folder) or {}).get(REPLACES)
        return tuple(map(int, replaced)) if isinstance(replaced, list) else None

    def publish(self) -> None:
        """Rename the output to its final name; safe to repeat after a kill at any point.

        Raises
        ------
        ForeignFileError
            The final name is taken by a file that did not exist when the run began.
        """
        if os.path.lexists(self.place):
            self._check_place()
            flush(self.place)
            replace_file(self._complete_marker, COMPLETE_NOTE, is_ours=is_complete)
            take_name(self.place, self.final, self.replaced, self.replaces())
            flush(self.final.parent)
        self.delete()

    def _check_place(self) -> None:
        """Delete temporary files in the output; ForeignFileError if it holds files of others."""
        test = has_content_of_zarr if self._content_test() else None
        others = foreign_in(self.place, is_zarr_key, test) if self.place.is_dir() else []
        for key in others:
            if not is_temporary(key.rpartition("/")[2]):
                raise ForeignFileError(self.place / key)
        for key in others:
            remove_file(self.place / key, lambda _: True)

    def finish(self) -> bool:
        """Complete a publication that a killed process began; return whether there was one."""
        check_own_folder(self.final, self.folder)
        if not self._complete_marker.is_file():
            return False
        with _locked(self.final, self.folder):
            self.publish()
        return True

    def clear_place(self) -> None:
        """Delete the unfinished output; ForeignFileError if other files have its name."""
        content = self._content_test()
        if self.place.is_dir():
            remove_tree(self.place, is_output_key, content=content and has_content_of_zarr)
        else:
            self.clear_file()
        remove_tree(parts_folder(self.place), is_part, content=content and has_content_of_zarr)

    def clear_file(self) -> None:
        """Delete the unfinished output if it is one file; ForeignFileError if that is not ours."""
        remove_file(self.place, None if self._content_test() else lambda _: True)

    def restore(self) -> None:
        """Rename an older output that was about to be replaced back to its name, if that is free."""
        if self._has_replaced() and not os.path.lexists(self.final):
            rename_new(self.replaced, self.final)

    def _has_replaced(self) -> bool:
        return is_same_file(identity(self.replaced), self.replaces())

    def delete(self) -> None:
        """Delete our files in the folder; the marker and the file that `finish` needs come last."""
        self.restore()
        self._delete(keep=())

    def begin_again(self) -> None:
        """Delete the files of an earlier run, except the lock and ``owner.json``."""
        self.restore()
        self._delete(keep=(LOCK, OWNER))

    def _delete(self, keep: tuple[str, ...]) -> None:
        replaced = self._has_replaced()

        def is_ours(key: str) -> bool:
            return key not in keep and self._is_ours(key) and (replaced or key.partition("/")[0] != REPLACED)

        left = remove_tree(self.folder, is_ours, last=(OWNER, COMPLETE), content=self._content_test())
        if foreign := [key for key in left if key not in keep]:
            logger.warning("%s: is left, because %s in it is not of this run", self.folder, foreign[0])

    def _is_ours(self, key: str) -> bool:
        top, _, inside = key.partition("/")
        if not inside:
            return top in (LOCK, OWNER, COMPLETE, REPLACED, self.place.name) or is_temporary(top)
        if top == RECORDS:
            return is_record_name(inside)
        if top in (REPLACED, self.place.name):
            return is_output_key(inside)
        return top == parts_folder(self.place).name and is_part(inside)

    def _content_test(self) -> ContentTest | None:
        """Return a test of files without our mark; None where the file system does not store marks."""
        return self._has_our_content if self.folder.is_dir() and keeps_marks(self.folder) else None

    def _has_our_content(self, key: str, content: bytes) -> bool:
        top, _, inside = key.partition("/")
        tests = {LOCK: lambda head: not head, OWNER: is_owner, COMPLETE: is_complete, RECORDS: is_record}
        if top in tests:
            return tests[top](content)
        return top == REPLACED or (top == self.place.name and has_content_of_zarr(inside, content))


def check_unfinished(final: Path, overwrite: bool) -> None:
    """Reject an output that another run is writing or has left unfinished.

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
            f"{final}: an unfinished run is there ({_described(folder)}); continue it (dasksom resume {final}), or "
            "start over (--overwrite)"
        )


@contextmanager
def run_on_disk(final: Path, *, overwrite: bool, resume: bool) -> Iterator[RunFolder]:
    """Reserve the folder of a run, and publish its output on success.

    After a failure, the folder is kept if there are records to resume from.

    Parameters
    ----------
    final : final path of the output
    overwrite : an existing output, or an unfinished one, may be replaced
    resume : resume the unfinished run

    Raises
    ------
    InputError
        Another process owns the run, or one exists and neither `overwrite` nor `resume` is given.
    """
    run = RunFolder(final.absolute(), run_folder(final))
    if not resume:
        check_unfinished(final, overwrite)
    try:
        run.folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise ForeignFileError(run.folder, "is not a folder of a run") from None
    except OSError as error:
        raise InputError(
            f"{final}: nothing can be written next to it ({error.strerror}); choose another folder"
        ) from error
    with _locked(final, run.folder):
        try:
            _take_over(run, overwrite, resume)
            run.records.make()
            yield run
            if not os.path.lexists(run.place):
                raise FileNotFoundError(f"internal error: nothing was written to {run.place}")
            run.publish()
        except BaseException as error:
            if is_worth_keeping(run.records):
                add_resume_hint(error, str(final))
            else:
                run.delete()
            raise


def _take_over(run: RunFolder, overwrite: bool, resume: bool) -> None:
    if resume:
        replaces = run.replaces()
        if not run.place.is_dir():
            run.clear_file()  # a joined file is joined again from its parts
    else:
        run.begin_again()
        replaces = identity(run.final)
        if replaces is not None:
            check_replaceable(run.final, overwrite)
    run.own(replaces)


@contextmanager
def _locked(final: Path, folder: Path) -> Iterator[None]:
    check_own_folder(final, folder)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{final}: another run is writing it ({_described(folder)}); wait for it, stop it, or choose another name"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be locked ({error.strerror}); choose another folder") from error
    try:
        yield
    finally:
        lock.release()


def _described(folder: Path) -> str:
    return describe_owner(owner_of(folder))

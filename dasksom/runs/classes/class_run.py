"""Runs that write the classes of an output."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import SMALL_RECORD_SECONDS, ThrottledKeeper
from dasksom.classes import ClassTable
from dasksom.classes.class_image import Tidying
from dasksom.classes.class_pass import write_class_labels
from dasksom.classes.table_files import classes_csv, save_class_table
from dasksom.classes.unit_tables import describe_classes
from dasksom.errors import InputError
from dasksom.image import Manifest, QuantizedImage, RunFolder, check_output, open_result, run_folder, run_on_disk
from dasksom.image.metadata.pixel_area import pixel_area
from dasksom.image.tiff.class_legends import Legend, legend_paths, write_legends
from dasksom.image.zarr.class_writer import add_to_output, classes_path
from dasksom.quantization.write_journal import WriteJournal
from dasksom.runs.classes.class_choice import ClassOptions, choose_classes, hits_of
from dasksom.runs.classes.class_files import accuracy_paths, check_new, is_tiff, target_of
from dasksom.runs.watcher import Watcher
from dasksom.storage.checksum_manifests import read_manifest
from dasksom.storage.local_paths import absolute_path
from dasksom.storage.locations import is_remote, shown
from dasksom.storage.own_files import replace_file
from dasksom.training.checkpoint import HOW, Checkpoint

_COMMAND = "classes"


def classify_output(
    output: str,
    target: str | None,
    options: ClassOptions,
    watcher: Watcher,
    *,
    overwrite: bool = False,
) -> list[str]:
    """Group the units of an output, and write the class of each pixel.

    An unfinished run of the same classes is resumed.

    Parameters
    ----------
    output : str
        Path of the output: .zarr, .ome.zarr, or a .tif or .png with a palette or labels.
    target : str, optional
        Path of a TIFF for the classes; by default they are added to a Zarr, and written next to a TIFF.
    options : ClassOptions
    watcher : Watcher
    overwrite : bool
        Whether classes that were written before are replaced.

    Returns
    -------
    list of str
        The classes and the written files, in words.

    Raises
    ------
    InputError
        If an argument cannot be used, or classes exist already.
    """
    if is_remote(output):
        raise InputError(f"{shown(output)}: classes are added to outputs on a disk; copy it to one")
    with open_result(output) as result:
        final, csv_path = target_of(output, target), classes_csv(output, target)
        edited = options.names is not None and csv_path.exists() and absolute_path(options.names) == csv_path
        about = accuracy_paths(csv_path).values() if options.reference is not None else ()
        if not overwrite:
            check_new([*([] if edited else [csv_path]), *about, *(legend_paths(final) if is_tiff(final) else ())])
        # classes in a Zarr belong into the output that they are made from
        check_output(final, overwrite=overwrite, suffixes=(final.name,), inputs=(output,) if is_tiff(final) else ())
        hits = hits_of(result)
        chosen = choose_classes(result, options, hits, watcher)
        paths = str(absolute_path(output)), str(final), "" if options.table is not None else str(csv_path)
        job = _ClassJob(*paths, chosen.table.as_json(), options.tidying.as_json(), dict(chosen.files))
        resumed = run_folder(final).is_dir() and not overwrite
        lines = _write(job, result, hits, watcher, overwrite=overwrite, resumed=resumed)
        return [*lines, *chosen.lines]


def resume_classes(path: str, watcher: Watcher) -> list[str] | None:
    """Resume an interrupted run that was writing classes.

    Parameters
    ----------
    path : str
        Path of the output or of the classes.
    watcher : Watcher

    Returns
    -------
    list of str, or None if there is no such run
    """
    if is_remote(path):
        return None
    final = absolute_path(path)
    if not final.name:  # the root
        return None
    if final.is_dir() and (final / "labels").is_dir():
        final = classes_path(str(final))
    job = _load_job(RunFolder(final, run_folder(final)))
    if job is None:
        return None
    with open_result(job.output) as result:
        return _write(job, result, hits_of(result), watcher, overwrite=False, resumed=True)


@dataclass(frozen=True)
class _ClassJob:
    """What a run writes."""

    output: str
    final: str
    """Path of the TIFF, or of the array or group in the output."""
    csv: str
    """Path of the table; empty if it is not written."""
    classes: dict[str, Any]
    """The table as JSON."""
    tidying: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Content of the files of `accuracy_paths`, by name."""
    command: str = _COMMAND


def _load_job(work: RunFolder) -> _ClassJob | None:
    if not (work.folder / "records").is_dir():
        return None
    try:
        job = _ClassJob(**json.loads(Checkpoint(work.records).load(HOW)))
    except (TypeError, ValueError):  # the record of another kind of run, or none
        return None
    return job if job.command == _COMMAND else None


def _write(
    job: _ClassJob,
    result: QuantizedImage,
    hits: NDArray[Any],
    watcher: Watcher,
    *,
    overwrite: bool,
    resumed: bool,
) -> list[str]:
    tidying = Tidying(**job.tidying)
    table, final, csv_path = ClassTable.from_json(job.classes), Path(job.final), Path(job.csv)
    pixels = np.bincount(table.numbers, hits, minlength=table.count + 1)[1:].astype(np.int64).tolist()
    place = result.place
    area = pixel_area(place.geo_tags, place.pixel_size, place.unit)
    legend = Legend(table.names, table.colors, pixels, area) if is_tiff(final) else None
    with run_on_disk(final, overwrite=overwrite, resume=resumed) as work, Manifest() as manifest:
        keeper = _begin(work, job, _identity(result, table, tidying))
        watcher.stage("classes", result.shape[0] * result.shape[1])
        tidied = write_class_labels(
            result,
            table,
            work.place,
            legend=legend,
            tidying=tidying,
            resumed=resumed,
            progress=watcher.progress,
            journal=WriteJournal(keeper, manifest.add),
        )
        pixels = pixels if tidied is None else tidied.tolist()
        if job.csv:
            save_class_table(csv_path, table)
        about = {accuracy_paths(csv_path)[name]: text.encode() for name, text in job.files.items()}
        for path, text in about.items():
            replace_file(path, text, is_ours=_is_about_reference)
        if legend is None:
            add_to_output(result.path, work.place, read_manifest(manifest.content().splitlines(keepends=True)))
        else:
            write_legends(final, replace(legend, pixels=pixels))
    written = [f"{_from_here(path)}: written" for path in (final, *about)]
    table_written = [f"{_from_here(csv_path)}: names and colors, to edit"] if job.csv else []
    return [*describe_classes(table, pixels, hits), *written, *table_written]


def _from_here(path: Path) -> str:
    """Return a path as a person types it: relative, if it is in the current folder."""
    here = Path.cwd()
    return shown(path.relative_to(here) if path.is_relative_to(here) else path)


def _is_about_reference(head: bytes) -> bool:
    return head.startswith((b"unit,class,name,reference_pixels", b"reference,", b'{\n  "reference"'))


def _begin(work: RunFolder, job: _ClassJob, identity: dict[str, Any]) -> ThrottledKeeper:
    """Record what the run writes; start over if an earlier process wrote other classes."""
    kept = Checkpoint(work.records)
    if kept.changes(identity):
        kept.clear()
        work.clear_place()
    kept.agree(identity)
    kept.save(HOW, json.dumps(asdict(job)))
    return ThrottledKeeper(kept, delay=SMALL_RECORD_SECONDS)


def _identity(result: QuantizedImage, table: ClassTable, tidying: Tidying) -> dict[str, Any]:
    """Identify labels and classes; the labels by the record of their run, as the output changes at the end."""
    about = json.dumps(dict(result.about), sort_keys=True, default=str).encode()
    return {
        "version of dasksom": version("dasksom"),
        "labels": hashlib.sha256(about + result.model).hexdigest(),
        "classes": hashlib.sha256(table.to_csv().encode()).hexdigest(),
        "tidying": tidying.as_json() or None,
    }

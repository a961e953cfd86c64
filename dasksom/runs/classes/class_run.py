"""Runs that write the classes of an output."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import SMALL_RECORD_SECONDS, ThrottledKeeper
from dasksom.classes import AUTO, ClassTable
from dasksom.classes.class_image import AS_LABELED, Tidying
from dasksom.classes.class_pass import write_class_labels
from dasksom.classes.class_table import describe_classes, lists_units, read_class_table, read_names
from dasksom.errors import InputError
from dasksom.estimator import BatchMap
from dasksom.image import Manifest, QuantizedImage, RunFolder, check_output, open_result, run_folder, run_on_disk
from dasksom.image.tiff.class_legends import Legend, legend_paths, write_legends
from dasksom.image.zarr.class_writer import add_to_output, classes_path
from dasksom.model_files import codebook_of_output
from dasksom.models import restore_map
from dasksom.provenance.run_record import RunRecord
from dasksom.quantization.write_journal import WriteJournal
from dasksom.report.image_metrics import count_units
from dasksom.runs.watcher import Watcher
from dasksom.storage.checksum_manifests import read_manifest
from dasksom.storage.local_paths import absolute_path
from dasksom.storage.locations import is_remote, shown
from dasksom.storage.own_files import replace_file
from dasksom.training.checkpoint import HOW, Checkpoint

_COMMAND = "classes"
_TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class ClassOptions:
    """Choice of the classes."""

    count: int | str | None = None
    """Number of classes, or "auto"; None: those that the output already has, else "auto"."""
    method: str = "ward"
    seed: int = 0
    names: str | None = None
    """Path of a table: with a column `unit` it sets the class of each unit, else names of classes."""
    tidying: Tidying = AS_LABELED


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
        Path of the output: .zarr, .ome.zarr, or a paletted .tif.
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
        hits = _hits_of(result)
        table = _table_of(result, options, hits)
        final, csv_path = _target_of(output, target), classes_csv(output, target)
        job = _ClassJob(
            str(absolute_path(output)), str(final), str(csv_path), table.as_json(), options.tidying.as_json()
        )
        edited = options.names is not None and csv_path.exists() and absolute_path(options.names) == csv_path
        if not overwrite:
            _check_new([*([] if edited else [csv_path]), *(legend_paths(final) if _is_tiff(final) else ())])
        # classes in a Zarr belong into the output that they are made from
        check_output(final, overwrite=overwrite, suffixes=(final.name,), inputs=(output,) if _is_tiff(final) else ())
        resumed = run_folder(final).is_dir() and not overwrite
        return _write(job, result, hits, watcher, overwrite=overwrite, resumed=resumed)


def check_class_files(output: str, count: int | str, units: int, *, overwrite: bool) -> None:
    """Refuse, before any work, classes that could not be written with an output.

    Parameters
    ----------
    output : str
        Path of the output; not of an object store.
    count : int or "auto"
        Number of classes.
    units : int
        Number of units of the map.
    overwrite : bool
        Whether files that exist may be replaced.

    Raises
    ------
    InputError
    """
    if count != AUTO and int(count) > units:
        raise InputError(f"classes: {count}, and the map has {units} units; ask for at most that many")
    final = _target_of(output, None) if _is_tiff(output) else None
    if not overwrite:
        _check_new([classes_csv(output), *([] if final is None else [final, *legend_paths(final)])])


def _check_new(paths: Sequence[Path]) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise InputError(f"{path}: exists already; choose another name, or replace it with --overwrite")


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
        return _write(job, result, _hits_of(result), watcher, overwrite=False, resumed=True)


@dataclass(frozen=True)
class _ClassJob:
    """What a run writes."""

    output: str
    final: str
    """Path of the TIFF, or of the array or group in the output."""
    csv: str
    classes: dict[str, Any]
    """The table as JSON."""
    tidying: dict[str, int] = field(default_factory=dict)
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
    legend = Legend(table.names, table.colors, pixels) if _is_tiff(final) else None
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
        content = table.to_csv().encode()
        first_column = content.partition(b",")[0]
        replace_file(csv_path, content, is_ours=lambda head: first_column in head[:200])  # people edit it
        if legend is None:
            add_to_output(result.path, work.place, read_manifest(manifest.content().splitlines(keepends=True)))
        else:
            write_legends(final, replace(legend, pixels=pixels))
    return [*describe_classes(table, pixels), f"{final}: written", f"{csv_path}: names and colors, to edit"]


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


def _target_of(output: str, target: str | None) -> Path:
    if target is not None:
        if not _is_tiff(target):
            raise InputError(f"{target}: classes are written as .tif; without a name they are added to a Zarr output")
        return absolute_path(target)
    if _is_tiff(output):
        path = absolute_path(output)
        return path.with_name(f"{path.name}.classes.tif")
    return classes_path(str(absolute_path(output)))


def _is_tiff(path: str | Path) -> bool:
    return str(path).lower().endswith(_TIFF)


def classes_csv(output: str, target: str | None = None) -> Path:
    """Return the path of the table: next to the target with its name, else next to the output.

    Examples
    --------
    >>> [classes_csv(f"/a/photo{suffix}").name for suffix in (".zarr", ".ome.zarr", ".tif")]
    ['photo.classes.csv', 'photo.ome.classes.csv', 'photo.tif.classes.csv']
    >>> classes_csv("/a/photo.zarr", "/a/groups.tif").name
    'groups.csv'
    """
    if target is not None:
        return absolute_path(target).with_suffix(".csv")
    path = absolute_path(output)
    stem = path.name[:-5] if path.name.lower().endswith(".zarr") else path.name
    return path.with_name(f"{stem}.classes.csv")


def _hits_of(result: QuantizedImage) -> NDArray[np.int64]:
    """Return the pixels of each unit, as recorded or else counted."""
    record = RunRecord.read(result.about.get("run", {}))
    if record is not None and record.quality is not None and len(record.quality.hits) == len(result.palette):
        return np.rint(record.quality.hits).astype(np.int64)
    return count_units(result.labels[0], result.units_of, len(result.palette))


def _table_of(result: QuantizedImage, options: ClassOptions, hits: Sequence[int] | NDArray[Any]) -> ClassTable:
    names = options.names
    if names is not None and lists_units(names):
        if options.count is not None:
            raise InputError(f"--count {options.count}: {names} sets the class of each unit; remove one of the two")
        return read_class_table(names, len(result.palette))
    if options.count is None and result.classes is not None:
        table = ClassTable.from_json(result.classes)
    else:
        som = restore_map(BatchMap(), codebook_of_output(result.path))
        count = AUTO if options.count is None else options.count
        table = som.group(count, method=options.method, hits=np.asarray(hits), random_state=options.seed)
    return table if names is None else read_names(names, table)

"""Choose the classes of an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.classes import AUTO, ClassTable
from dasksom.classes.class_image import AS_LABELED, Tidying
from dasksom.classes.class_table import lists_units, read_class_table, read_names
from dasksom.classes.reference_classes import ReferenceClasses, accuracy_json, count_reference
from dasksom.classes.table_files import as_csv
from dasksom.errors import InputError
from dasksom.estimator import BatchMap
from dasksom.image import QuantizedImage, open_picture
from dasksom.model_files import codebook_of_output
from dasksom.models import restore_map
from dasksom.provenance.run_record import RunRecord
from dasksom.redaction import printable
from dasksom.report.image_metrics import count_units
from dasksom.runs.watcher import Watcher


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
    reference: str | None = None
    """Path of an image of known classes, 0 where the class is not known; each unit gets the class of most of its
    pixels."""
    held_out: float = 0.25
    """Share of the tiles of the reference that the classes are tested on, and not taken from."""
    table: ClassTable | None = None
    """Classes that were edited elsewhere, and saved there as CSV."""

    def __post_init__(self) -> None:
        if self.reference is not None and self.count is not None:
            raise InputError(f"--count {self.count}: the reference has its own classes; remove one of the two")
        if not 0 <= self.held_out < 1:
            raise InputError(f"held-out: {self.held_out:g} is not a share from 0 to less than 1")


@dataclass(frozen=True)
class ChosenClasses:
    """The classes of an output, and what is known about them."""

    table: ClassTable
    lines: tuple[str, ...] = ()
    """Agreement with the reference, in words."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Content of the files of `accuracy_paths`, by name."""


def choose_classes(
    result: QuantizedImage, options: ClassOptions, hits: NDArray[np.int64], watcher: Watcher
) -> ChosenClasses:
    """Choose the classes of an output: grouped, named, stored in it, or those of a reference.

    Raises
    ------
    InputError
        If a file cannot be used, or there are fewer units than classes.
    """
    if options.table is not None:
        return ChosenClasses(options.table)
    if options.reference is None:
        return ChosenClasses(_grouped_or_named(result, options, hits))
    reference, share, seed = options.reference, options.held_out, options.seed
    watcher.stage("reference", result.shape[0] * result.shape[1])
    picture = open_picture(reference, alpha="band", indices=True)
    counts = count_reference(result, picture, share, seed, watcher.progress)
    som = restore_map(BatchMap(), codebook_of_output(result.path))
    classes = ReferenceClasses.of(counts, som.cluster_centers_, hits)
    table = ClassTable.of(classes.numbers)
    if options.names is not None:
        if lists_units(options.names):
            raise InputError(
                f"{options.names}: sets the class of each unit, as --reference does; remove one of the two"
            )
        table = read_names(options.names, table)
    files = {"purity": as_csv(classes.purities(table.names))}
    if share:
        files["confusion"] = as_csv(classes.confusion_table(table.names))
        files["accuracy"] = accuracy_json(classes, printable(reference), share, seed)
    return ChosenClasses(table, tuple(classes.describe()), files)


def hits_of(result: QuantizedImage) -> NDArray[np.int64]:
    """Return the pixels of each unit, as recorded or else counted."""
    record = RunRecord.read(result.about.get("run", {}))
    if record is not None and record.quality is not None and len(record.quality.hits) == len(result.palette):
        return np.rint(record.quality.hits).astype(np.int64)
    return count_units(result.labels[0], result.units_of, len(result.palette))


def _grouped_or_named(result: QuantizedImage, options: ClassOptions, hits: NDArray[Any]) -> ClassTable:
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

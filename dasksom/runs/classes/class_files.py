"""Paths of classes and of the files that describe them."""

import os
from collections.abc import Iterable
from pathlib import Path

from dasksom.classes import AUTO
from dasksom.classes.table_files import classes_csv
from dasksom.errors import InputError
from dasksom.image.tiff.class_legends import legend_paths
from dasksom.image.zarr.class_writer import classes_path
from dasksom.storage.local_paths import absolute_path

_TIFF = (".tif", ".tiff")


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
    final = target_of(output, None) if _is_file(output) else None
    if not overwrite:
        check_new([classes_csv(output), *([] if final is None else [final, *legend_paths(final)])])


def check_new(paths: Iterable[Path]) -> None:
    """Refuse paths that exist."""
    for path in paths:
        if os.path.lexists(path):
            raise InputError(f"{path}: exists already; choose another name, or replace it with --overwrite")


def target_of(output: str, target: str | None) -> Path:
    """Return the final path of the classes: the given TIFF, or one next to a TIFF or PNG, or in the Zarr."""
    if target is not None:
        if not is_tiff(target):
            raise InputError(f"{target}: classes are written as .tif; without a name they are added to a Zarr output")
        return absolute_path(target)
    path = absolute_path(output)
    return path.with_name(f"{path.name}.classes.tif") if _is_file(output) else classes_path(str(path))


def _is_file(output: str) -> bool:
    return not output.rstrip("/").lower().endswith(".zarr")


def is_tiff(path: str | Path) -> bool:
    """Return whether classes of this path are a TIFF."""
    return str(path).lower().endswith(_TIFF)


def accuracy_paths(csv_path: Path) -> dict[str, Path]:
    """Return the paths of the files about the agreement with a reference, by what they hold.

    >>> [path.name for path in accuracy_paths(Path("/a/photo.classes.csv")).values()]
    ['photo.classes.purity.csv', 'photo.classes.confusion.csv', 'photo.classes.accuracy.json']
    """
    endings = {"purity": ".purity.csv", "confusion": ".confusion.csv", "accuracy": ".accuracy.json"}
    return {name: csv_path.with_suffix(ending) for name, ending in endings.items()}

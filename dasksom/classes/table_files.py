"""Files of tables.

To add a format, write a function of columns that returns the content, and add it to ``TABLE_FILES``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.classes.class_table import ClassTable, csv_text, read_class_table
from dasksom.classes.unit_tables import Columns
from dasksom.errors import InputError
from dasksom.image import QuantizedImage
from dasksom.storage.local_paths import absolute_path, listed, match_suffix
from dasksom.storage.own_files import replace_file, write_file
from dasksom.storage.publish.atomic_publish import check_output, publish

_KINDS = "mean", "sd", "min", "max"
_OBJECT = "object"
"""First column of a table of classes within objects."""
_TEXTS = "name", "image"
"""Columns of text."""
_OF_BANDS = tuple(f"{kind}_" for kind in _KINDS)
"""Prefixes of the columns of bands."""


def as_csv(columns: Columns) -> str:
    """Return a table as CSV; numbers have the digits that identify them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_text, columns))
    writer.writerows(zip(*(map(_as_text, values) for values in columns.values()), strict=True))
    return text.getvalue()


def _as_text(value: Any) -> str:
    return csv_text(value) if isinstance(value, str) else "" if value is None else str(value)


def _parquet(columns: Columns) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(".parquet: needs pyarrow; install it with pip install 'dasksom[parquet]'") from None
    file = io.BytesIO()
    arrays = {name: pyarrow.array(values, _type_of(values, pyarrow)) for name, values in columns.items()}
    parquet.write_table(pyarrow.table(arrays), file)
    return file.getvalue()


def _type_of(values: list[Any], pyarrow: Any) -> Any:
    """Return the type of integers that only unsigned ones hold; None: as the values are."""
    return pyarrow.uint64() if any(isinstance(value, int) and value >= 1 << 63 for value in values) else None


def _h5ad(columns: Columns) -> bytes:
    """Return a table for scanpy: rows are observations, bands (or classes within objects) are variables.

    The means of the bands are `X`; `sd`, `min` and `max` are layers; all other columns describe the rows.
    """
    try:
        import anndata
        import h5py
        import pandas
    except ImportError:
        raise InputError(".h5ad: needs anndata; install it with pip install 'dasksom[anndata]'") from None
    if _OBJECT in columns:  # pixels of each class
        described, bands = [_OBJECT, "pixels"], [name for name in columns if name not in (_OBJECT, "pixels")]
        layers = {"mean": _matrix(columns, bands)}
    else:
        described = [name for name in columns if not name.startswith(_OF_BANDS)]
        bands = [name.removeprefix("mean_") for name in columns if name.startswith("mean_")]
        layers = {kind: _matrix(columns, [f"{kind}_{band}" for band in bands]) for kind in _KINDS}
    # texts as objects: older readers do not know the strings of pandas 3
    rows = pandas.DataFrame(
        {name: pandas.Series(columns[name], dtype=object if name in _TEXTS else None) for name in described}
    )
    rows.index = pandas.Index([str(value) for value in columns[described[0]]], dtype=object)
    variables = pandas.DataFrame(index=pandas.Index(bands, dtype=object))
    table = anndata.AnnData(layers.pop("mean"), obs=rows, var=variables, layers=layers)
    file = io.BytesIO()
    with h5py.File(file, "w") as target:
        anndata.io.write_elem(target, "/", table)
    return file.getvalue()


def _matrix(columns: Columns, names: list[str]) -> NDArray[np.float64]:
    """Return some columns side by side; NaN where there is no value."""
    values = [[np.nan if value is None else value for value in columns[name]] for name in names]
    return np.array(values, np.float64).reshape(len(names), -1).T


TABLE_FILES: dict[str, Callable[[Columns], bytes]] = {
    ".csv": lambda columns: as_csv(columns).encode(),
    ".parquet": _parquet,
    ".h5ad": _h5ad,
}
"""Formats by suffix."""


def check_table_file(path: str, *, overwrite: bool) -> None:
    """Refuse, before any work, a file that cannot be written.

    Raises
    ------
    InputError
    """
    if match_suffix(path, TABLE_FILES) is None:
        raise InputError(f"{path}: a table is written as {listed(TABLE_FILES)}; end the name in one of them")
    check_output(path, overwrite=overwrite, suffixes=TABLE_FILES)


def write_table_file(path: str, columns: Columns, *, overwrite: bool) -> None:
    """Write a table in the format of the suffix, atomically."""
    form = match_suffix(path, TABLE_FILES)
    assert form is not None  # noqa: S101 - see check_table_file
    content = form(columns)
    with publish(Path(path), overwrite=overwrite) as temporary:
        write_file(temporary, [content])


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


def classes_of_output(result: QuantizedImage) -> ClassTable | None:
    """Return the classes in an output, or those in the table next to it; None if there are none."""
    if result.classes is not None:
        return ClassTable.from_json(result.classes)
    path = classes_csv(result.path)
    return read_class_table(path, len(result.palette)) if path.is_file() else None


def save_class_table(path: Path, table: ClassTable) -> None:
    """Write a table of classes as CSV, atomically; it replaces a table of units, which people may have edited.

    Raises
    ------
    ForeignFileError
        If the file that is there is not such a table.
    """
    replace_file(path, table.to_csv().encode(), is_ours=lambda head: b"unit" in head[:200].lower(), sync=True)

"""The table of classes: the class of each unit, and names and colors of the classes; as a record and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.classes.class_colors import class_colors
from dasksom.errors import InputError

_COLUMNS = ("unit", "class", "name", "color")
MOST_CLASSES = (1 << 16) - 1
_MOST_BYTES = 64 << 20
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""Beginning of a text that spreadsheets take for a formula, or that `csv_text` has changed."""
_NOT_ON_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(name: str) -> str:
    """Return a name without line breaks and control characters, which legends and terminals cannot show."""
    return _NOT_ON_A_LINE.sub(" ", name).strip()


def csv_text(text: str) -> str:
    """Return a text as CSV holds it: with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Classes of the units of a map; class 0 means no class."""

    numbers: NDArray[np.int64]
    """Class of each unit, from 1; 0 for none. Shape (units,)."""
    names: tuple[str, ...]
    """Name of each class, from class 1 on; empty for numbers that no unit has."""
    colors: NDArray[np.uint8]
    """Color of each class, sRGB, shape (classes, 3)."""

    @classmethod
    def of(cls, numbers: NDArray[Any]) -> Self:
        """Make the table of unnamed classes."""
        counted = np.asarray(numbers, np.int64)
        count = int(counted.max(initial=0))
        names = [f"class {number}" if (counted == number).any() else "" for number in range(1, count + 1)]
        return cls(counted, tuple(names), class_colors(count))

    @classmethod
    def from_json(cls, stored: Any) -> Self:
        """Undo `as_json`.

        Raises
        ------
        InputError
            If it was not written by it.
        """
        try:
            numbers = np.array(stored["numbers"], np.int64)
            names = tuple(one_line(str(name)) for name in stored["names"])
            colors = np.array([list(bytes.fromhex(color[1:])) for color in stored["colors"]], np.uint8).reshape(-1, 3)
            if numbers.ndim != 1 or not len(names) == len(colors) == numbers.max(initial=0) or numbers.min() < 0:
                raise ValueError("numbers, names and colors do not match")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"stored classes that dasksom did not write ({error}); write them again") from None
        return cls(numbers, names, colors)

    def as_json(self) -> dict[str, Any]:
        """Return the table as JSON values."""
        return {"numbers": self.numbers.tolist(), "names": list(self.names), "colors": self.hexadecimal}

    @property
    def hexadecimal(self) -> list[str]:
        """Colors as #rrggbb."""
        return ["#" + bytes(color).hex() for color in self.colors]

    @property
    def count(self) -> int:
        """Highest number of a class."""
        return len(self.names)

    @property
    def used(self) -> list[int]:
        """Numbers of the classes that have units."""
        return sorted({*self.numbers.tolist()} - {0})

    def of_labels(self, labels: Any) -> Any:
        """Return the class of each label.

        Parameters
        ----------
        labels : array, integers
            Unit numbers as `BatchSOM.predict` returns them, NumPy or dask; negative ones are no data.

        Returns
        -------
        array of the same shape, in the smallest unsigned dtype
            Class numbers; 0 for no class and no data. Lazy for a dask array.
        """
        table = np.append(self.numbers, 0).astype(np.min_scalar_type(self.count))
        units = len(self.numbers)

        def look_up(block: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(table[np.where((block < 0) | (block >= units), units, block)])

        if isinstance(labels, da.Array):
            return labels.map_blocks(look_up, dtype=table.dtype, meta=np.empty((0,) * labels.ndim, table.dtype))
        return look_up(np.asarray(labels))

    def named(self, names: Mapping[int, str], colors: Mapping[int, NDArray[np.uint8]] | None = None) -> Self:
        """Return a copy with other names and colors of some classes.

        Parameters
        ----------
        names : mapping of class number to name
        colors : mapping of class number to color (red, green, blue), optional

        Raises
        ------
        InputError
            If there is no such class, or a name is empty.
        """
        new_names, new_colors, used = list(self.names), self.colors.copy(), {*self.used}
        for number, name in names.items():
            if number not in used:
                raise InputError(f"class {number}: there are the classes 1 to {self.count}")
            if not one_line(name):
                raise InputError(f"class {number}: its name is empty")
            new_names[number - 1] = one_line(name)
        for number, color in (colors or {}).items():
            new_colors[number - 1] = color
        return replace(self, names=tuple(new_names), colors=new_colors)

    def to_csv(self) -> str:
        """Return one line for each unit: unit, class, name, color as #rrggbb; the last three are empty for none."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        hexadecimal = self.hexadecimal
        for unit, number in enumerate(self.numbers.tolist()):
            described = (number, csv_text(self.names[number - 1]), hexadecimal[number - 1]) if number else 3 * ("",)
            writer.writerow((unit, *described))
        return text.getvalue()


def read_class_table(path: str | Path, units: int) -> ClassTable:
    """Read a table of classes with a line for each unit, as `ClassTable.to_csv` writes it.

    Columns are found by their names, in any order, and others are ignored. Units that have no line, or no class in it,
    belong to no class. Classes with the same name are one class, with the lowest of their numbers. Missing names and
    colors are filled in.

    Parameters
    ----------
    path : str or Path
    units : int
        Number of units of the map.

    Raises
    ------
    InputError
        Naming the line.
    """
    rows = _read_rows(path)
    numbers, seen = np.zeros(units, np.int64), set()
    for line, row in rows:
        unit = _integer(path, line, row, "unit", 0, units - 1)
        if unit is None:
            raise InputError(f"{path}: line {line}: its unit is missing")
        number = _integer(path, line, row, "class", 1, MOST_CLASSES) or 0
        if unit in seen and numbers[unit] != number:
            raise InputError(f"{path}: line {line}: unit {unit} is in class {number}, and in {numbers[unit]} before")
        seen.add(unit)
        numbers[unit] = number
    names, colors = _described(path, rows)
    numbers = _merged_by_name(numbers, names)
    table = ClassTable.of(numbers)
    kept = {number: name for number, name in names.items() if number in table.used}
    return table.named(kept, {number: color for number, color in colors.items() if number in kept})


def read_names(path: str | Path, table: ClassTable, without_units: Sequence[int] = ()) -> ClassTable:
    """Read names, and optionally colors, of classes from a table with a line for each class: class, name, color.

    Lines of classes `without_units` may be there, and have no effect if these have no units.

    Raises
    ------
    InputError
        Naming the line.
    """
    names, colors = _described(path, _read_rows(path))
    for number in {*without_units} - {*table.used}:
        names.pop(number, None)
        colors.pop(number, None)
    try:
        return table.named(names, colors)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def lists_units(path: str | Path) -> bool:
    """Return whether a table has a line for each unit, not only for each class."""
    return any("unit" in row for _, row in _read_rows(path)[:1])


_Rows = list[tuple[int, dict[str, str]]]
"""Number of the line, and values by column."""


def _read_rows(path: str | Path) -> _Rows:
    try:
        with Path(path).expanduser().open(encoding="utf-8-sig", newline="") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give a table of classes (.csv)") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8; save it as CSV in UTF-8") from None
    if len(text) > _MOST_BYTES:
        raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MiB; give a table of classes (.csv)")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)  # spreadsheets of some languages write semicolons
    reader = csv.DictReader(io.StringIO(text), delimiter=separator, restval="")
    try:
        columns = [str(name).strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        rows = [
            (reader.line_num, {name: (value or "").strip() for name, value in row.items() if name}) for row in reader
        ]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}") from None
    if "class" not in columns:
        raise InputError(
            f"{path}: its first line names the columns {', '.join(columns) or '(none)'}; a table of classes has the "
            f"columns {', '.join(_COLUMNS)}"
        )
    if not rows:
        raise InputError(f"{path}: holds no classes; each line after the first is one unit, or one class")
    return rows


def _integer(path: str | Path, line: int, row: Mapping[str, str], column: str, least: int, most: int) -> int | None:
    text = row.get(column, "")
    if not text or (column == "class" and text == "0"):
        return None
    if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
        raise InputError(f"{path}: line {line}: {column} {text!r} is not a number from {least} to {most}")
    return int(text)


def _described(path: str | Path, rows: _Rows) -> tuple[dict[int, str], dict[int, NDArray[np.uint8]]]:
    """Return the names and colors of the classes."""
    names: dict[int, str] = {}
    colors: dict[int, NDArray[np.uint8]] = {}
    for line, row in rows:
        number = _integer(path, line, row, "class", 1, MOST_CLASSES)
        if number is None:
            continue
        name, color = one_line(row.get("name", "")), row.get("color", "")
        if name.startswith("'") and _FORMULA.match(name):
            name = name[1:]  # of `csv_text`
        if name and names.setdefault(number, name) != name:
            raise InputError(f"{path}: line {line}: class {number} is named {name!r}, and {names[number]!r} before")
        if color:
            if _COLOR.fullmatch(color) is None:
                raise InputError(f"{path}: line {line}: color {color!r} is not a color such as #1f77b4")
            value = np.frombuffer(bytes.fromhex(color[1:]), np.uint8)
            if not np.array_equal(colors.setdefault(number, value), value):
                raise InputError(f"{path}: line {line}: class {number} has the color {color}, and another before")
    return names, colors


def _merged_by_name(numbers: NDArray[np.int64], names: Mapping[int, str]) -> NDArray[np.int64]:
    first: dict[str, int] = {}
    for number in sorted(names):
        first.setdefault(names[number], number)
    merged = numbers.copy()
    for number, name in names.items():
        merged[numbers == number] = first[name]
    return merged

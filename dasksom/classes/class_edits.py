"""Edits of a table of classes, as a page sends them; each knows what it depends on, so that none is lost.

To add an edit, write a dataclass with the methods of `ClassEdit` and add it to ``EDITS``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.classes.class_table import MOST_CLASSES, ClassTable
from dasksom.errors import InputError

LONGEST_NAME = 200
"""Most characters of the name of a class."""
_BREAKS = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that a line of a table cannot hold: control characters, surrogates, separators of lines."""


class ClassEdit(Protocol):
    """One change of a table of classes."""

    def touched(self, table: ClassTable) -> object:
        """Return what the edit depends on: it can be applied to another table where this is equal."""

    def apply(self, table: ClassTable) -> ClassTable:
        """Return the changed table; InputError if the edit is not possible."""


@dataclass(frozen=True)
class AssignUnits:
    """Move units to a class: to one that exists (merge), to a new one (split), or to none."""

    units: tuple[int, ...]
    number: int | None
    """Class of the units from now on; 0: none; None: a new class."""

    def touched(self, table: ClassTable) -> object:
        """Return the present classes of the units, and the name of the target."""
        return table.numbers[list(self.units)].tolist(), _name_of(table, self.number or 0)

    def apply(self, table: ClassTable) -> ClassTable:
        """Return the table with the units in the class."""
        number, used = self.number, {*table.used}
        if number is None:
            number = next(free for free in count(1) if free not in used)
        elif number and number not in used:
            raise InputError(f"class {number}: does not exist; choose one of the {len(used)} classes, or a new one")
        if number > MOST_CLASSES:
            raise InputError(f"{MOST_CLASSES} classes are the most; merge some first")
        numbers = table.numbers.copy()
        numbers[list(self.units)] = number
        return _with_numbers(table, numbers)


@dataclass(frozen=True)
class NameClass:
    """Give a class another name."""

    number: int
    name: str

    def touched(self, table: ClassTable) -> object:
        """Return the name of the class, and its units."""
        return _name_of(table, self.number), _units_of(table, self.number)

    def apply(self, table: ClassTable) -> ClassTable:
        """Return the table with the name."""
        for other in table.used:
            if other != self.number and table.names[other - 1] == self.name:
                raise InputError(f"class {other} is already named {self.name!r}; merge the two, or choose another name")
        return table.named({self.number: self.name})


@dataclass(frozen=True)
class ColorClass:
    """Give a class another color."""

    number: int
    color: tuple[int, int, int]

    def touched(self, table: ClassTable) -> object:
        """Return the color of the class, and its units."""
        used = self.number in table.used
        return table.colors[self.number - 1].tolist() if used else None, _units_of(table, self.number)

    def apply(self, table: ClassTable) -> ClassTable:
        """Return the table with the color."""
        name = _name_of(table, self.number) or ""
        return table.named({self.number: name}, {self.number: np.array(self.color, np.uint8)})


def edit_of(content: Mapping[str, Any], units: int) -> ClassEdit:
    """Return the edit that JSON describes.

    Parameters
    ----------
    content : mapping
        `edit`, a name in ``EDITS``, and the values of that edit.
    units : int
        Number of units of the map.

    Raises
    ------
    InputError
        If it describes none.
    """
    kind = content.get("edit")
    if not isinstance(kind, str) or kind not in EDITS:
        raise InputError(f"edit: {kind!r:.50} is not one of {', '.join(EDITS)}")
    return EDITS[kind](content, units)


def _assignment(content: Mapping[str, Any], units: int) -> ClassEdit:
    chosen, number = content.get("units"), content.get("class")
    if not isinstance(chosen, list) or not chosen or not all(_is_integer(unit, 0, units - 1) for unit in chosen):
        raise InputError(f"units: not a list of numbers from 0 to {units - 1}")
    if number is not None and not _is_integer(number, 0, MOST_CLASSES):
        raise InputError(f"class: {number!r:.50} is not a number from 0 to {MOST_CLASSES}, or null")
    return AssignUnits(tuple(sorted({*chosen})), number)


def _naming(content: Mapping[str, Any], units: int) -> ClassEdit:
    name = content.get("name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= LONGEST_NAME:
        raise InputError(f"name: a name has 1 to {LONGEST_NAME} characters")
    if any(unicodedata.category(character) in _BREAKS for character in name):
        raise InputError("name: has control characters; a name is one line of text")
    return NameClass(_number(content), name.strip())


def _coloring(content: Mapping[str, Any], units: int) -> ClassEdit:
    color = content.get("color")
    if not isinstance(color, str) or re.fullmatch(r"#[0-9a-fA-F]{6}", color) is None:
        raise InputError(f"color: {color!r:.50} is not a color such as #1f77b4")
    red, green, blue = bytes.fromhex(color[1:])
    return ColorClass(_number(content), (red, green, blue))


EDITS: dict[str, Callable[[Mapping[str, Any], int], ClassEdit]] = {
    "units": _assignment,
    "name": _naming,
    "color": _coloring,
}
"""Edits by name: functions of the JSON and the number of units."""


def _number(content: Mapping[str, Any]) -> int:
    number = content.get("class")
    if not _is_integer(number, 1, MOST_CLASSES):
        raise InputError(f"class: {number!r:.50} is not a number from 1 to {MOST_CLASSES}")
    return int(number)  # type: ignore[arg-type]


def _is_integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _name_of(table: ClassTable, number: int) -> str | None:
    return table.names[number - 1] if number in table.used else None


def _units_of(table: ClassTable, number: int) -> list[int]:
    units: list[int] = np.flatnonzero(table.numbers == number).tolist()
    return units


def _with_numbers(table: ClassTable, numbers: NDArray[np.int64]) -> ClassTable:
    """Return the table with other classes of units; new classes have names that no other class has."""
    result, before = ClassTable.of(numbers), {*table.used}
    names = {number: table.names[number - 1] for number in result.used if number in before}
    colors = {number: table.colors[number - 1] for number in names}
    for number in result.used:
        if number not in names:
            taken = {*names.values()}
            names[number] = next(f"class {free}" for free in count(number) if f"class {free}" not in taken)
    return result.named(names, colors)

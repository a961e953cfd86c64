"""Group the units of an output, and write its classes, for a page on which people edit them."""

from __future__ import annotations

from dasksom.classes import ClassTable
from dasksom.classes.class_image import Tidying
from dasksom.image import open_result
from dasksom.runs.classes.class_choice import ClassOptions, choose_classes, hits_of
from dasksom.runs.classes.class_run import classify_output
from dasksom.runs.watcher import Watcher


def group_output(output: str, count: int | str, watcher: Watcher) -> ClassTable:
    """Return classes of the units of an output; `count` is a number of classes, or "auto"."""
    with open_result(output) as result:
        return choose_classes(result, ClassOptions(count), hits_of(result), watcher).table


def write_edited_classes(output: str, table: ClassTable, tidying: Tidying, watcher: Watcher) -> list[str]:
    """Write the class of every pixel of an output; return what was written, in words."""
    return classify_output(output, None, ClassOptions(table=table, tidying=tidying), watcher, overwrite=True)

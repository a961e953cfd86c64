"""Named classes of units: grouping, colors and files of class tables.

Public names are imported on first use.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.classes.class_table import ClassTable, read_class_table
    from dasksom.classes.unit_grouping import AUTO, GROUPINGS, Grouping, group_units

__all__ = ["AUTO", "GROUPINGS", "ClassTable", "Grouping", "group_units", "read_class_table"]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.classes.class_table": "ClassTable read_class_table",
        "dasksom.classes.unit_grouping": "AUTO GROUPINGS Grouping group_units",
    },
)

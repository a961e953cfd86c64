"""Named classes of units: grouping, colors and files of class tables."""

from dasksom.classes.class_table import ClassTable
from dasksom.classes.unit_grouping import AUTO, GROUPINGS, Grouping, group_units

__all__ = ["AUTO", "GROUPINGS", "ClassTable", "Grouping", "group_units"]

"""Complete runs, from an input path to an output path.

Public names are imported on first use, so that commands start quickly.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.classes.class_image import Tidying
    from dasksom.classes.table_files import check_table_file, write_table_file
    from dasksom.runs.apply_many import apply_to_many
    from dasksom.runs.classes.class_choice import ClassOptions
    from dasksom.runs.classes.class_run import classify_output, resume_classes
    from dasksom.runs.classes.edited_classes import group_output, write_edited_classes
    from dasksom.runs.classes.table_run import table_of_output
    from dasksom.runs.descriptions import describe_file, export_palette
    from dasksom.runs.dry_run import forecast
    from dasksom.runs.workflows import quantize_image, resume_run, train_model

__all__ = [
    "ClassOptions",
    "Tidying",
    "apply_to_many",
    "check_table_file",
    "classify_output",
    "describe_file",
    "export_palette",
    "forecast",
    "group_output",
    "quantize_image",
    "resume_classes",
    "resume_run",
    "table_of_output",
    "train_model",
    "write_edited_classes",
    "write_table_file",
]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.classes.class_image": "Tidying",
        "dasksom.classes.table_files": "check_table_file write_table_file",
        "dasksom.runs.apply_many": "apply_to_many",
        "dasksom.runs.classes.class_choice": "ClassOptions",
        "dasksom.runs.classes.class_run": "classify_output resume_classes",
        "dasksom.runs.classes.edited_classes": "group_output write_edited_classes",
        "dasksom.runs.descriptions": "describe_file export_palette",
        "dasksom.runs.dry_run": "forecast",
        "dasksom.runs.classes.table_run": "table_of_output",
        "dasksom.runs.workflows": "quantize_image resume_run train_model",
    },
)

"""Complete runs, from an input path to an output path.

Public names are imported on first use, so that commands start quickly.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.runs.apply_many import apply_to_many
    from dasksom.runs.descriptions import describe_image, describe_model, export_palette
    from dasksom.runs.dry_run import forecast
    from dasksom.runs.workflows import quantize_image, resume_run, train_model

__all__ = [
    "apply_to_many",
    "describe_image",
    "describe_model",
    "export_palette",
    "forecast",
    "quantize_image",
    "resume_run",
    "train_model",
]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.runs.apply_many": "apply_to_many",
        "dasksom.runs.descriptions": "describe_image describe_model export_palette",
        "dasksom.runs.dry_run": "forecast",
        "dasksom.runs.workflows": "quantize_image resume_run train_model",
    },
)

"""Complete runs, from an input path to an output path.

Public names are imported on first use, so that commands start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_MODULES = {
    "apply_to_many": "apply_many",
    "describe_image": "descriptions",
    "describe_model": "descriptions",
    "export_palette": "descriptions",
    "forecast": "dry_run",
    "quantize_image": "workflows",
    "resume_run": "workflows",
    "train_model": "workflows",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

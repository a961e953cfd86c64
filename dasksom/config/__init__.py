"""Configuration: combine map parameters, YAML files and command-line options into one frozen, checked record.

Public names are imported on first use: the map parameters need neither pydantic nor dask.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dasksom.config.layering import load_config
    from dasksom.config.sections import MapSection, OutputSection, RunConfig

__all__ = ["MapSection", "OutputSection", "RunConfig", "load_config"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'layering' if name == 'load_config' else 'sections'}"), name)

"""Configuration: combine map parameters, YAML files and command-line options into one frozen, checked record.

Public names are imported on first use: the map parameters need neither pydantic nor dask.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.config.layering import load_config
    from dasksom.config.sections import InputSection, MapSection, OutputSection, RunConfig

__all__ = ["InputSection", "MapSection", "OutputSection", "RunConfig", "load_config"]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.config.layering": "load_config",
        "dasksom.config.sections": "InputSection MapSection OutputSection RunConfig",
    },
)

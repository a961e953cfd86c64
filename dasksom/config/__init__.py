"""What a run is told: YAML and command line -> one frozen, checked record."""

from dasksom.config.layering import load_config
from dasksom.config.sections import MapSection, OutputSection, RunConfig

__all__ = ["MapSection", "OutputSection", "RunConfig", "load_config"]

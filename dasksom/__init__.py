"""A batch self-organizing map over every pixel of an image of any size, on a Dask cluster.

Public names are loaded when they are first used, so that importing dasksom is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dasksom._version import __version__
from dasksom.errors import DasksomError, InputError

if TYPE_CHECKING:
    from dasksom.estimator import BatchSOM
    from dasksom.image import Picture, open_image, open_picture
    from dasksom.models import load

__all__ = ["BatchSOM", "DasksomError", "InputError", "Picture", "__version__", "load", "open_image", "open_picture"]

_HOMES = {
    "BatchSOM": "dasksom.estimator",
    "Picture": "dasksom.image",
    "load": "dasksom.models",
    "open_image": "dasksom.image",
    "open_picture": "dasksom.image",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'dasksom' has no attribute {name!r}")

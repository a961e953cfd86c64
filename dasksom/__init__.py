"""A batch self-organizing map over every pixel of an image of any size, on a Dask cluster.

Public names are loaded when they are first used, so that importing dasksom is light.
"""

from typing import TYPE_CHECKING

from dasksom._version import __version__
from dasksom.deferred import names_on_use
from dasksom.errors import DasksomError, InputError

if TYPE_CHECKING:
    from dasksom.config.feature_parameters import Features
    from dasksom.estimator import BatchSOM
    from dasksom.image import Picture, open_image, open_picture
    from dasksom.models import load

__all__ = [
    "BatchSOM",
    "DasksomError",
    "Features",
    "InputError",
    "Picture",
    "__version__",
    "load",
    "open_image",
    "open_picture",
]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.config.feature_parameters": "Features",
        "dasksom.estimator": "BatchSOM",
        "dasksom.image": "Picture open_image open_picture",
        "dasksom.models": "load",
    },
)

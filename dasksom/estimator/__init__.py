"""The map on arrays: `BatchSOM` has the conventions of scikit-learn and dask-ml, `BatchMap` is its core.

Public names are imported on first use.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.estimator.batch_map import BatchMap
    from dasksom.estimator.batch_som import BatchSOM, NotTrainedError

__all__ = ["BatchMap", "BatchSOM", "NotTrainedError"]

__getattr__ = names_on_use(
    __name__,
    {"dasksom.estimator.batch_map": "BatchMap", "dasksom.estimator.batch_som": "BatchSOM NotTrainedError"},
)

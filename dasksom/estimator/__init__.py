"""The map on arrays, with the conventions of scikit-learn and dask-ml."""

from dasksom.estimator.batch_som import BatchSOM
from dasksom.estimator.map_predictor import NotTrainedError

__all__ = ["BatchSOM", "NotTrainedError"]

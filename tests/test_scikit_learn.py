"""BatchSOM as scikit-learn's own checks see it."""

import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from dasksom import BatchSOM


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([BatchSOM(3, 3), BatchSOM(2, 2, missing="error", precision="float64", topology="hexagonal")])
def test_check_estimator(estimator, check):
    check(estimator)


def test_pipeline(patch):
    pixels = patch.reshape(-1, 3)
    labels = make_pipeline(StandardScaler(), BatchSOM(2, 2, epochs=3)).fit_predict(pixels)
    assert set(labels) == {0, 1, 2, 3}


def test_clone__keeps_parameters_alone(patch):
    som = clone(BatchSOM(2, 3, epochs=4).fit(patch))
    assert som.get_params()["columns"] == 3
    assert not hasattr(som, "weights_")


def test_feature_names_out(patch):
    assert BatchSOM(1, 2, epochs=1).fit(patch).get_feature_names_out().tolist() == ["batchsom0", "batchsom1"]

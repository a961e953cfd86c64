"""Trained maps from files."""

from pathlib import Path
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.estimator import BatchSOM
from dasksom.model_files import codebook_at
from dasksom.som.codebook import Codebook
from dasksom.training.trained_map import restored_map


def load(path: str | Path) -> BatchSOM:
    """Load a trained map that `BatchSOM.save` or ``dasksom train`` wrote.

    Raises
    ------
    InputError
        If the file is missing or not a model.
    """
    return from_codebook(codebook_at(path))


def from_codebook(codebook: Codebook) -> BatchSOM:
    """Make the trained map of a codebook; what its description lacks has the defaults.

    Raises
    ------
    InputError
        If the description is not one that `BatchSOM.save` wrote.
    """
    rows, columns, bands = codebook.weights.shape
    parameters, state = _mapping_in(codebook, "parameters"), _mapping_in(codebook, "state")
    known = BatchSOM().get_params()
    given = {name: value for name, value in parameters.items() if name in known and name not in ("rows", "columns")}
    if isinstance(given.get("sigma"), list):
        given["sigma"] = tuple(given["sigma"])  # JSON has no tuples
    som = BatchSOM(rows, columns, **given)
    som.check_parameters()
    som.restore(restored_map(codebook.weights, state, codebook.dtype), som.refine or 0)
    if state.get("refine", som.refine) is None:
        som.refine = None  # left to the images; the description has what it was for those of the training
    names = codebook.about.get("bands", state.get("bands"))  # files of older versions have them in the state
    if names is not None:
        if not isinstance(names, list) or len(names) != bands or not all(isinstance(name, str) for name in names):
            raise InputError(f"a model of {bands} bands whose names are {names!r}; train it again")
        som.feature_names_in_ = np.array(names, object)
    return som


def _mapping_in(codebook: Codebook, name: str) -> dict[str, Any]:
    value = codebook.about.get(name, {})
    if not isinstance(value, dict):
        raise InputError(f"a model whose {name} are {value!r}, not a mapping; train it again")
    return value

"""Trained maps from files."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dasksom import estimator
from dasksom.config.feature_parameters import Features
from dasksom.errors import InputError
from dasksom.estimator import BatchMap
from dasksom.model_files import codebook_at
from dasksom.som.codebook import Codebook
from dasksom.training.trained_map import restored_map

Map = TypeVar("Map", bound=BatchMap)


def load(path: str | Path) -> "estimator.BatchSOM":
    """Load a trained map that `BatchSOM.save` or ``dasksom train`` wrote.

    Parameters
    ----------
    path : str or Path
        A model (.npz), an output that holds its map (.zarr, .ome.zarr, .tif), or a palette (.gpl, .act, .clr, .txt,
        .png), whose colors become a map of one row.

    Returns
    -------
    BatchSOM
        As it was in memory: `partial_fit` and `warm_start` continue its training.

    Raises
    ------
    InputError
        If the file is missing or none of these.
    """
    return restore_map(estimator.BatchSOM(), codebook_at(path))


def restore_map(som: Map, codebook: Codebook) -> Map:
    """Turn a new map into the trained one of a codebook; parameters that its description lacks have the defaults.

    Raises
    ------
    InputError
        If the description is not one that `BatchSOM.save` wrote.
    """
    rows, columns, _ = codebook.weights.shape
    parameters, state = _mapping_in(codebook, "parameters"), _mapping_in(codebook, "state")
    known = som.get_params()
    given = {name: value for name, value in parameters.items() if name in known and name not in ("rows", "columns")}
    if isinstance(given.get("sigma"), list):
        given["sigma"] = tuple(given["sigma"])  # JSON has no tuples
    if isinstance(given.get("features"), dict):
        given["features"] = _features_in(given["features"])
    for name, value in {**given, "rows": rows, "columns": columns}.items():
        setattr(som, name, value)
    som.check_parameters()
    som.restore(restored_map(codebook.weights, state, codebook.dtype, codebook.feature_weights), som.refine or 0)
    if state.get("refine", som.refine) is None:
        som.refine = None  # left to the images; the description has what it was for those of the training
    if names := band_names_of_model(codebook):
        som.feature_names_in_ = np.array(names, object)
    return som


def band_names_of_model(codebook: Codebook) -> tuple[str, ...]:
    """Return the names of a map's bands; empty if it has none.

    Raises
    ------
    InputError
        If they are not one text per band.
    """
    # files of older versions have them in the state
    names = codebook.about.get("bands", _mapping_in(codebook, "state").get("bands"))
    if names is None:
        return ()
    bands = codebook.weights.shape[-1]
    if not isinstance(names, list) or len(names) != bands or not all(isinstance(name, str) for name in names):
        raise InputError(f"a model of {bands} bands whose names are {names!r}; train it again")
    return tuple(names)


def _features_in(values: dict[str, Any]) -> Features:
    try:
        return Features(**values)
    except TypeError as error:
        raise InputError(f"a model whose features cannot be read ({error}); train it again") from error


def _mapping_in(codebook: Codebook, name: str) -> dict[str, Any]:
    value = codebook.about.get(name, {})
    if not isinstance(value, dict):
        raise InputError(f"a model whose {name} are {value!r}, not a mapping; train it again")
    return value

"""Trained maps from files."""

from pathlib import Path

from dasksom.errors import InputError
from dasksom.estimator import BatchSOM
from dasksom.som.codebook import Codebook, load_codebook


def load(path: str | Path) -> BatchSOM:
    """Load a trained map that `BatchSOM.save` or ``dasksom train`` wrote.

    Raises
    ------
    InputError
        If the file is missing or not a model.
    """
    return from_codebook(load_codebook(path))


def from_codebook(codebook: Codebook) -> BatchSOM:
    """Make a trained map of a codebook; its parameters are those that the codebook tells, or else the defaults."""
    rows, columns, bands = codebook.weights.shape
    told = codebook.about.get("parameters", {})
    if not isinstance(told, dict):
        raise InputError(f"a model whose parameters are {told!r}, not a mapping; train it again")
    known = BatchSOM().get_params()
    kept = {name: value for name, value in told.items() if name in known and name not in ("rows", "columns")}
    if isinstance(kept.get("sigma"), list):
        kept["sigma"] = tuple(kept["sigma"])  # JSON has lists alone
    som = BatchSOM(rows, columns, **kept)
    som.check_parameters()
    som.weights_ = codebook.weights
    som.history_ = ()
    som.quality_ = None
    som.n_features_in_ = bands
    return som

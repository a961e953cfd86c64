"""Trained maps from files."""

from pathlib import Path

from dasksom.errors import InputError
from dasksom.estimator import BatchSOM
from dasksom.model_files import codebook_at
from dasksom.som.codebook import Codebook
from dasksom.training.map_training import TrainedMap


def load(path: str | Path) -> BatchSOM:
    """Load a trained map that `BatchSOM.save` or ``dasksom train`` wrote.

    Raises
    ------
    InputError
        If the file is missing or not a model.
    """
    return from_codebook(codebook_at(path))


def from_codebook(codebook: Codebook) -> BatchSOM:
    """Make a trained map of a codebook; its parameters are those that the codebook tells, or else the defaults."""
    rows, columns, _ = codebook.weights.shape
    told = codebook.about.get("parameters", {})
    if not isinstance(told, dict):
        raise InputError(f"a model whose parameters are {told!r}, not a mapping; train it again")
    known = BatchSOM().get_params()
    kept = {name: value for name, value in told.items() if name in known and name not in ("rows", "columns")}
    if isinstance(kept.get("sigma"), list):
        kept["sigma"] = tuple(kept["sigma"])  # JSON has lists alone
    som = BatchSOM(rows, columns, **kept)
    som.check_parameters()
    return som.restore(TrainedMap(codebook.weights, dtype=codebook.dtype), som.refine or 0)

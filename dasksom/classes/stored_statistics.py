"""Statistics of units as bytes, as Zarr outputs hold them."""

from io import BytesIO

import numpy as np

from dasksom.som.statistics.unit_statistics import UnitStatistics
from dasksom.storage.npz import read_npz

_FIELDS = ("pixels", "counts", "sums", "squares", "minima", "maxima")
_MOST_BYTES = 1 << 30


def encode_statistics(statistics: UnitStatistics) -> bytes:
    """Return statistics as .npz."""
    file = BytesIO()
    np.savez_compressed(file, **{name: getattr(statistics, name) for name in _FIELDS})
    return file.getvalue()


def decode_statistics(content: bytes, shape: tuple[int, ...]) -> UnitStatistics | None:
    """Undo `encode_statistics`; None if the content is not of units x bands."""
    try:
        arrays = read_npz(BytesIO(content), _MOST_BYTES)
        statistics = UnitStatistics(**{name: arrays[name] for name in _FIELDS})
    except (ValueError, KeyError, OSError):
        return None
    fields = [statistics.counts, statistics.sums, statistics.squares, statistics.minima, statistics.maxima]
    return statistics if all(field.shape[:2] == shape for field in fields) else None

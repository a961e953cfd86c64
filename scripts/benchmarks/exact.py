"""Labels against a brute-force search in float64."""

from pathlib import Path

import numpy as np
from skimage import data

from benchmarks.measuring import GRID, Row, Sizes
from dasksom import BatchSOM


def exact(_: Sizes, __: Path) -> list[Row]:
    """Compare labels with a brute-force float64 search on every pixel of some photographs."""
    rows = []
    for name, image in (("astronaut", data.astronaut()), ("retina", data.retina()), ("coffee", data.coffee())):
        som = BatchSOM(*GRID, epochs=10).fit(image)
        labels, units = som.predict(image).reshape(-1), som.codebook_.units
        pixels = image.reshape(-1, 3).astype(np.float64)
        wrong = 0
        for start in range(0, len(pixels), 1 << 14):
            part = slice(start, start + (1 << 14))
            distances = ((pixels[part, None] - units) ** 2).sum(axis=2)
            wrong += int((distances[np.arange(len(distances)), labels[part]] > distances.min(axis=1)).sum())
        rows.append(Row(f"labels that are not nearest, {name}", wrong, "0", f"of {len(pixels)} pixels"))
    return rows

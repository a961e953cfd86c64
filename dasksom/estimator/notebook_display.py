"""Trained maps in notebooks: their measures and a picture."""

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from dasksom.estimator.map_structure import MapStructure

_SIDE = 192
"""Longest side of the picture, in pixels of the page."""


def map_html(som: "MapStructure") -> str:
    """Return the HTML of a trained map: its colors, or its U-matrix where it has no three 8-bit bands.

    Parameters
    ----------
    som : MapStructure
        A trained map.
    """
    rows, columns, bands = som.weights_.shape
    is_palette = bands == 3 and som.dtype_ == "uint8"
    picture = np.clip(np.rint(som.weights_), 0, 255).astype(np.uint8) if is_palette else _gray(som.u_matrix())
    described = {
        "map": f"{rows} x {columns} units, {bands} band{'s' if bands != 1 else ''} of {som.dtype_ or 'unknown type'}",
        "epochs": str(som.n_iter_),
        "picture": "the color of each unit" if is_palette else "U-matrix: distance to the neighbors, dark is near",
    }
    if som.quality_ is not None:
        described["quantization error"] = f"{som.quality_.quantization_error:.4g}"
        described["empty units"] = str(som.quality_.empty_units)
    lines = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for name, text in described.items()
    )
    scale = _SIDE / max(rows, columns)
    return (
        "<div style='display:flex;gap:1em;align-items:flex-start'>"
        f"<img alt='{html.escape(described['picture'])}' width={round(columns * scale)} height={round(rows * scale)} "
        f"style='image-rendering:pixelated' src='data:image/png;base64,{_png(picture)}'><table>{lines}</table></div>"
    )


def _gray(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    highest = float(np.nanmax(values, initial=0)) or 1.0
    return np.asarray(np.nan_to_num(values / highest) * 255, np.uint8)


def _png(picture: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()

"""Figures and small images as parts of a page: no files beside it, colors that follow the page."""

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from dasksom.show.drawing import matplotlib_figure

_INK = "#010203"
"""Drawn in place of black, and replaced by the color of the page's text."""


def inline_svg(draw: Callable[[], Any], title: str, name: str) -> Markup:
    """Draw a figure and give it as an SVG element.

    Parameters
    ----------
    draw : callable () -> matplotlib figure
    title : str
        What it shows, for those who cannot see it.
    name : str
        Different for each figure of a page; letters and hyphens only.

    Returns
    -------
    Markup
        Text, ticks and frames have the color of the text around it; the background is the page's.
    """
    matplotlib_figure()
    import matplotlib

    ink = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    settings = {"svg.fonttype": "path", "svg.hashsalt": name, "axes.facecolor": "none", "legend.framealpha": 0.0}
    with matplotlib.rc_context({**ink, **settings}):
        figure = draw()
        width, height = figure.get_size_inches()
        written = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(written, format="svg", transparent=True, dpi=120, metadata=nothing)
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)  # ids of a page are its own
    head, _, body = svg.partition(">")
    view = re.search(r'viewBox="[^"]*"', head)
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    label = Markup('role="img" aria-label="{}"').format(title)
    size = f'style="width:100%;max-width:{width:.1f}in;aspect-ratio:{width:.2f}/{height:.2f}"'
    return Markup(f"<svg {spaces} {view[0] if view else ''} {label} {size}>{body}")  # noqa: S704 - our own drawing


def inline_png(colors: NDArray[np.floating]) -> str:
    """Give an image as the address of an `img` element.

    Parameters
    ----------
    colors : ndarray of shape (height, width, 3)
        Floats from 0 to 1; pixels with NaN are transparent.
    """
    there = np.isfinite(colors).all(axis=2)
    opaque = np.round(np.nan_to_num(colors) * 255).astype(np.uint8)
    image = Image.fromarray(opaque if there.all() else np.dstack([opaque, there * np.uint8(255)]))
    written = io.BytesIO()
    image.save(written, format="PNG")
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode("ascii")

"""Figures and small images inside a page, in the colors of the page."""

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom.show.drawing import matplotlib_figure

if TYPE_CHECKING:
    from markupsafe import Markup

_INK = "#010203"
"""Drawn instead of black, and replaced by the color of the page's text."""


def inline_svg(draw: Callable[[], Any], title: str, name: str) -> "Markup":
    """Draw a figure as an SVG element.

    Parameters
    ----------
    draw : callable () -> matplotlib figure
    title : str
        Description for screen readers.
    name : str
        Different for each figure of a page; letters and hyphens only.

    Returns
    -------
    Markup
        Text, ticks and frames have the color of the page's text; the background is transparent.
    """
    matplotlib_figure()
    import matplotlib
    from markupsafe import Markup

    ink = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    settings = {"svg.fonttype": "path", "svg.hashsalt": name, "axes.facecolor": "none", "legend.framealpha": 0.0}
    with matplotlib.rc_context({**ink, **settings}):
        figure = draw()
        width, height = figure.get_size_inches()
        buffer = io.StringIO()
        no_metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", transparent=True, dpi=120, metadata=no_metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)  # ids are unique within a page
    head, _, body = svg.partition(">")
    view = re.search(r'viewBox="[^"]*"', head)
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    label = Markup('role="img" aria-label="{}"').format(title)
    size = f'style="width:100%;max-width:{width:.1f}in;aspect-ratio:{width:.2f}/{height:.2f}"'
    return Markup(f"<svg {spaces} {view[0] if view else ''} {label} {size}>{body}")  # noqa: S704 - our own drawing


def inline_png(colors: NDArray[np.floating]) -> str:
    """Return an image as the data URI of an `img` element.

    Parameters
    ----------
    colors : ndarray of shape (height, width, 3)
        Floats from 0 to 1; pixels with NaN are transparent.
    """
    from PIL import Image

    has_data = np.isfinite(colors).all(axis=2)
    opaque = np.round(np.nan_to_num(colors) * 255).astype(np.uint8)
    image = Image.fromarray(opaque if has_data.all() else np.dstack([opaque, has_data * np.uint8(255)]))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

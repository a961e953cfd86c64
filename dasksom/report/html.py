"""The page of a report: one self-contained HTML file."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from dasksom.redaction import printable

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Row:
    """One color of the palette."""

    unit: int
    row: int
    column: int
    color: str
    """CSS color, #rrggbb."""
    values: str
    pixels: int
    share: float
    """Of all pixels that have data, 0 to 1."""


@dataclass(frozen=True)
class ClassRow:
    """One class."""

    name: str
    color: str
    """CSS color, #rrggbb."""
    pixels: int
    share: float
    """Of all pixels that have data, 0 to 1."""
    area: str
    """With its unit; empty if it is unknown."""


@dataclass(frozen=True)
class Figure:
    """A figure with its caption."""

    title: str
    caption: str
    svg: "Markup"


@dataclass(frozen=True)
class ImageView:
    """A small image, before or after quantization."""

    title: str
    source: str
    """A data URI."""


@dataclass(frozen=True)
class ClassSection:
    """The classes of an output."""

    rows: tuple[ClassRow, ...]
    view: ImageView
    """The class of each pixel."""
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Fact:
    """A name with its value, and a note in small print."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    title: str
    subtitle: str
    headline: tuple[Fact, ...]
    notes: tuple[str, ...]
    """How the numbers were computed, and what is missing."""
    views: tuple[tuple[ImageView, ...], ...]
    """Pairs, before and after."""
    classes: ClassSection | None
    """None if the output has no classes."""
    training: tuple[Figure, ...]
    palette: tuple[Row, ...]
    palette_note: str
    maps: tuple[Figure, ...]
    facts: Mapping[str, tuple[Fact, ...]]
    """What ran, by heading."""


def render(report: Report) -> str:
    """Return the page's HTML.

    All values are escaped, and so are characters that are not printable, such as bytes of names that are not UTF-8; the
    page's own policy lets browsers load nothing and run only the script that sorts the table.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    script, style = (_read_file(name) for name in ("report.js", "report.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    environment = Environment(
        loader=DictLoader({"report.html": _read_file("report.html")}),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content: dict[str, Any] = {field.name: getattr(report, field.name) for field in fields(report)}
    own = {"script": Markup(script), "style": Markup(style), "digest": digest}  # noqa: S704 - files of this package
    return environment.get_template("report.html").render(**content, **own)


def _read_file(name: str) -> str:
    return files("dasksom.report").joinpath(name).read_text(encoding="utf-8")

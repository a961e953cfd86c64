"""The report of a run: one HTML file that needs nothing beside it."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Row:
    """One color of the palette."""

    unit: int
    row: int
    column: int
    color: str
    """As CSS spells it: #rrggbb."""
    values: str
    pixels: int
    share: float
    """Of all pixels that have data, 0 to 1."""


@dataclass(frozen=True)
class Figure:
    """A picture with what it shows."""

    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class View:
    """A small image, before or after."""

    title: str
    source: str
    """A data URI."""


@dataclass(frozen=True)
class Fact:
    """A name with a value, and what stands small beside it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that the page shows, ready to be shown."""

    title: str
    subtitle: str
    headline: tuple[Fact, ...]
    notes: tuple[str, ...]
    """How the figures came about, and what is missing."""
    views: tuple[tuple[View, ...], ...]
    """Pairs, before and after."""
    training: tuple[Figure, ...]
    palette: tuple[Row, ...]
    palette_note: str
    maps: tuple[Figure, ...]
    facts: Mapping[str, tuple[Fact, ...]]
    """What ran, by heading."""


def render(report: Report) -> str:
    """Write the page.

    Everything is escaped, whatever it holds; the page's own policy lets no browser load anything or run any script but
    the one that sorts the table.
    """
    script, style = (_part(name) for name in ("report.js", "report.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    environment = Environment(
        loader=DictLoader({"report.html": _part("report.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content: dict[str, Any] = {field.name: getattr(report, field.name) for field in fields(report)}
    own = {"script": Markup(script), "style": Markup(style), "digest": digest}  # noqa: S704 - files of this package
    return environment.get_template("report.html").render(**content, **own)


def _part(name: str) -> str:
    return files("dasksom.report").joinpath(name).read_text(encoding="utf-8")

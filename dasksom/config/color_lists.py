"""Lists of colors in parameters: as numbers, or as text such as #ff8000 or 255/128/0."""

import math
import re
from collections.abc import Iterable, Sequence

_HEXADECIMAL = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
COLOR_TEXT = "#RRGGBB, #RRGGBBAA or one number per band, such as 255/128/0"
"""Accepted text of a color."""

Color = tuple[float, ...]


def parse_colors(values: str | Iterable[str | Sequence[float]]) -> list[tuple[Color, bool]]:
    """Return the numbers of each color, and whether they are of 8 bits, as hexadecimal numbers are.

    Parameters
    ----------
    values : str or iterable of str or of sequences of float
        Text may hold several colors, separated by commas.

    Raises
    ------
    ValueError
        If one is not a color.
    """
    colors: list[tuple[Color, bool]] = []
    for value in [values] if isinstance(values, str) else values:
        if isinstance(value, str):
            colors += [_parse_color(text.strip()) for text in value.split(",")]
        else:
            colors.append((_finite(value), False))
    return colors


def _parse_color(text: str) -> tuple[Color, bool]:
    if match := _HEXADECIMAL.fullmatch(text):
        return tuple(bytes.fromhex(match[1])), True
    try:
        return _finite(text.split("/")), False
    except ValueError:
        raise ValueError(f"{text!r} is not a color ({COLOR_TEXT})") from None


def _finite(values: Iterable[str | float]) -> Color:
    numbers = tuple(float(value) for value in values)
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{numbers} is not a color")
    return numbers


def is_color_list(values: object) -> bool:
    """Return whether values are accepted by `parse_colors`."""
    try:
        parse_colors(values)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def plain_colors(values: str | Iterable[str | Sequence[float]]) -> list[str | list[float]]:
    """Return colors as JSON, from which they can be parsed."""
    items = [values] if isinstance(values, str) else values
    return [item if isinstance(item, str) else [float(value) for value in item] for item in items]

"""A parameter of the map: its record, constructors of common kinds, and values that are pairs, seeds or colors."""

import inspect
import math
import re
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from dasksom.errors import nearest_name

_HEXADECIMAL = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
COLOR_TEXT = "#RRGGBB, #RRGGBBAA or one number per band, such as 255/128/0"
"""Accepted text of a color."""

Color = tuple[float, ...]


@dataclass(frozen=True)
class Parameter:
    """One parameter of the map."""

    name: str
    """Name in Python."""
    default: Any
    kind: str
    """Type, in the notation of numpydoc."""
    help: str
    """Description, for help texts, configuration files and documentation."""
    allowed: str
    """Accepted values, in words, for error messages."""
    accepts: Callable[[Any], bool]
    """Returns whether a single value is valid; `dasksom.training.parameter_checks` checks combinations."""
    details: str = ""
    """Additional documentation in `BatchSOM`."""
    choices: tuple[str, ...] = ()
    """Accepted names."""
    names: tuple[str, ...] = ()
    """Names that a value may begin with, if there are no choices."""
    option: str = ""
    """Key in configuration files and name of the command-line option; empty if there is none."""
    not_an_option: str = ""
    """Reason for not having an option, or the option to use instead."""
    value: Callable[[str], Any] = str
    """Type of the option's value, or of each of its values, or function that converts it."""
    metavar: str = ""
    """Placeholder of the value (or of each value) in help texts, if there are no choices."""
    option_default: Any = ...
    """Default of runs, if different."""
    multiple: bool = False
    """Whether the option may be repeated; the value is a tuple."""
    default_in_words: str = ""
    """Description of the run default in help texts, if the value is not self-explanatory."""

    @property
    def run_default(self) -> Any:
        """Default in configuration files and on the command line."""
        return self.default if self.option_default is ... else self.option_default

    @property
    def default_text(self) -> str:
        """Default of runs, in words."""
        return self.default_in_words or str(self.run_default)

    def refusal(self, value: Any) -> str:
        """Describe what is accepted in place of a value."""
        return f"must be {self.allowed}; got {value!r}{self.hint(value)}"

    def hint(self, value: Any) -> str:
        """Return the accepted name that a value may mean, as `nearest_name`."""
        return nearest_name(str(value).partition(":")[0], self.choices or self.names)

    @property
    def documentation(self) -> str:
        """Entry of a numpydoc section."""
        text = textwrap.fill(f"{self.help} {self.details}".strip(), 112)
        return f"{self.name} : {self.kind}\n{textwrap.indent(text, '    ')}"


def add_parameters(docstring: str | None, parameters: Iterable[Parameter]) -> str:
    """Return a docstring with the section "Parameters" of numpydoc in place of ``{parameters}``."""
    section = "\n".join(["Parameters", "----------", *(parameter.documentation for parameter in parameters)])
    # without its indentation, which Python removes from 3.13 on
    return inspect.cleandoc(docstring or "").replace("{parameters}", section)


def is_number(value: Any, kind: type) -> bool:
    """Return whether a value is a number of a kind, and not a bool."""
    return isinstance(value, kind) and not isinstance(value, bool)


def integer_parameter(name: str, default: int | None, least: int, most: int | None = None, **others: Any) -> Parameter:
    """Make a parameter that is an integer in a range; `others` are fields of `Parameter`."""
    bounds = f"an int of at least {least}" if most is None else f"an int from {least} to {most}"

    def accepts(value: Any) -> bool:
        return is_number(value, Integral) and value >= least and (most is None or value <= most)

    common: dict[str, Any] = {"kind": "int", "allowed": bounds, "accepts": accepts, "value": int, "metavar": "N"}
    return Parameter(name, default, **{**common, **others})


def flag_parameter(name: str, **others: Any) -> Parameter:
    """Make a parameter that is False or True."""

    def accepts(value: Any) -> bool:
        return isinstance(value, bool) or type(value).__name__ == "bool"  # also NumPy's bool

    return Parameter(name, False, "bool", allowed="True or False", accepts=accepts, **others)


def choice_parameter(name: str, default: str, choices: Collection[str], **others: Any) -> Parameter:
    """Make a parameter that is one of some names; `or_kind` names another type that it accepts."""
    names = ", ".join(f'"{choice}"' for choice in choices)
    common: dict[str, Any] = {
        "kind": f"{{{names}}}",
        "allowed": f"one of {', '.join(map(repr, choices))}",
        "accepts": lambda value: isinstance(value, str) and value in choices,
        "choices": tuple(choices),
    }
    if "or_kind" in others:
        common["kind"] += f" or {others.pop('or_kind')}"
    return Parameter(name, default, **{**common, **others})


def is_radius_pair(value: Any) -> bool:
    """Return whether a value is a first and a last radius, finite, of which the last is not the larger one."""
    try:
        first, last = (float(radius) for radius in value)
    except (TypeError, ValueError):
        return False
    return math.isfinite(first) and first > 0 and first >= last >= 0


def is_random_state(value: Any) -> bool:
    """Return whether a value seeds random numbers: None, an integer, or a generator of NumPy."""
    numpy = sys.modules.get("numpy")  # without it, no value is a generator of NumPy
    generators = () if numpy is None else (numpy.random.RandomState, numpy.random.Generator)
    return value is None or isinstance(value, generators) or (is_number(value, Integral) and value >= 0)


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

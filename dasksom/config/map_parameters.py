"""The parameters of the map, each declared once: name, default, accepted values, help.

`PARAMETERS` defines the checks of `BatchSOM.fit`, the parameter list of its docstring, the section `map` of
configuration files, and the command-line options. To add a parameter: add its record here, its argument to
`BatchSOM.__init__` and, if it is an option, its field to `MapSection`; a test names missing ones.
"""

import math
import sys
import textwrap
from collections.abc import Callable, Collection
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from dasksom.som.choices import (
    COLOR_SPACES,
    INITIALIZATIONS,
    METRICS,
    MISSING,
    NEIGHBORHOODS,
    PRECISIONS,
    TOPOLOGIES,
)
from dasksom.som.schedule import DECAYS

EMPTY_UNITS = ("keep", "reseed")
METHODS = ("auto", "colors", "stream")
CACHES = ("auto", "memory", "none")

MOST_EPOCHS = 1_000_000
"""Upper limit of epochs; each is planned before training starts."""
MOST_UNITS = 1 << 16
"""Upper limit of units; labels and palettes of image files cannot hold more."""


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
    option: str = ""
    """Key in configuration files and name of the command-line option; empty if there is none."""
    not_an_option: str = ""
    """Reason for not having an option, or the option to use instead."""
    value: type = str
    """Type of the option's value, or of each of its values."""
    metavar: str = ""
    """Placeholder of the value (or of each value) in help texts, if there are no choices."""
    option_default: Any = ...
    """Default of runs, if different."""
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

    @property
    def documentation(self) -> str:
        """Entry of a numpydoc section."""
        text = textwrap.fill(f"{self.help} {self.details}".strip(), 112)
        return f"{self.name} : {self.kind}\n{textwrap.indent(text, '    ')}"


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _integer(name: str, default: int | None, least: int, most: int | None = None, **others: Any) -> Parameter:
    bounds = f"an int of at least {least}" if most is None else f"an int from {least} to {most}"

    def accepts(value: Any) -> bool:
        return _is_number(value, Integral) and value >= least and (most is None or value <= most)

    common: dict[str, Any] = {"kind": "int", "allowed": bounds, "accepts": accepts, "value": int, "metavar": "N"}
    return Parameter(name, default, **{**common, **others})


def _flag(name: str, **others: Any) -> Parameter:
    def accepts(value: Any) -> bool:
        return isinstance(value, bool) or type(value).__name__ == "bool"  # also NumPy's bool

    return Parameter(name, False, "bool", allowed="True or False", accepts=accepts, **others)


def _choice(name: str, default: str, choices: Collection[str], **others: Any) -> Parameter:
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


def _is_radius_pair(value: Any) -> bool:
    try:
        first, last = (float(radius) for radius in value)
    except (TypeError, ValueError):
        return False
    return math.isfinite(first) and first > 0 and first >= last >= 0


def _is_random_state(value: Any) -> bool:
    numpy = sys.modules.get("numpy")  # without it, no value is a generator of NumPy
    generators = () if numpy is None else (numpy.random.RandomState, numpy.random.Generator)
    return value is None or isinstance(value, generators) or (_is_number(value, Integral) and value >= 0)


GRID = Parameter(
    "grid",
    (16, 16),
    "(int, int)",
    help="Size of the map: as many colors as ROWS x COLUMNS, at most 65536.",
    allowed="ROWSxCOLUMNS, such as 16x16",
    accepts=lambda value: True,
    option="grid",
    metavar="ROWSxCOLUMNS",
    default_in_words="16x16",
)
"""`rows` and `columns` as one parameter of configuration files and the command line."""

PARAMETERS = (
    _integer(
        "rows",
        16,
        1,
        help="Rows of the lattice.",
        details="The palette has rows x columns colors, at most 65,536.",
        not_an_option="--grid ROWSxCOLUMNS",
    ),
    _integer("columns", 16, 1, help="Columns of the lattice.", not_an_option="--grid ROWSxCOLUMNS"),
    _integer("epochs", 20, 1, MOST_EPOCHS, help="Times that every pixel is presented.", option="epochs"),
    _choice(
        "topology",
        "rectangular",
        TOPOLOGIES,
        help="Lattice of units with 8 neighbors (rectangular), or with 6 at the same distance (hexagonal).",
        details="On a hexagonal lattice every second row is shifted by half a unit.",
        option="topology",
    ),
    _flag(
        "toroidal",
        help="Map without edges: the last row is next to the first, and so are the columns.",
        option="toroidal",
    ),
    _choice(
        "neighborhood",
        "gaussian",
        NEIGHBORHOODS,
        help="How much the neighbors of a unit learn with it, by distance.",
        option="neighborhood",
    ),
    Parameter(
        "sigma",
        None,
        "(float, float), optional",
        help="Radius of the neighborhood in the first and in the last epoch, in lattice units.",
        details="By default from half the longer side of the lattice (a quarter on a torus) to 0.5, or to 0.1 for "
        "8-bit images of at most 3 bands without a refinement, whose map is a palette. A last radius of 0.5 or more "
        "keeps neighbors similar, which maps of tables and scenes need; toward 0 the error decreases and the order is "
        "lost (at 0 an epoch is a step of k-means).",
        allowed="a pair (first, last) of finite numbers with first > 0 and first >= last >= 0",
        accepts=lambda value: value is None or _is_radius_pair(value),
        option="sigma",
        value=float,
        metavar="FIRST LAST",
        default_in_words="half the longer side, 0.5; 0.1 for 8-bit images of at most 3 bands without a refinement",
    ),
    _integer(
        "refine",
        0,
        0,
        MOST_EPOCHS,
        kind="int or None",
        allowed=f"None or an int from 0 to {MOST_EPOCHS}",
        accepts=lambda value: value is None or (_is_number(value, Integral) and 0 <= value <= MOST_EPOCHS),
        help="Epochs after these, at radius 0, in which units that do little move to where the error is; 0 keeps the "
        "order of the map.",
        details="80 take the error of a palette below that of k-means; the units are then put back into the order of "
        "the map, as far as possible. None, the default of the command line, is 80 if colors are counted (8-bit images "
        "of at most 3 bands), where an epoch costs next to nothing, else 0.",
        option="refine",
        option_default=None,
        default_in_words="80 if colors are counted (8-bit images of at most 3 bands), else 0",
    ),
    _choice(
        "decay",
        "exponential",
        DECAYS,
        or_kind="callable (first, last, progress) -> float",
        help="How the radius shrinks from the first to the last.",
        details="progress goes from 0 to 1.",
        accepts=lambda value: callable(value) or (isinstance(value, str) and value in DECAYS),
        option="decay",
    ),
    _choice(
        "init",
        "pca",
        INITIALIZATIONS,
        or_kind="array of shape (rows, columns, bands)",
        help="Start: colors along the two principal components, seeded pixels (sample), or seeded random numbers with "
        "the mean and deviation of the pixels.",
        details="An array is used as it is.",
        accepts=lambda value: not isinstance(value, str) or value in INITIALIZATIONS,
        option="init",
    ),
    _choice(
        "metric",
        "euclidean",
        METRICS,
        help="Distance by which the best-matching unit of a pixel is chosen.",
        details="Units are weighted means of samples, and errors are Euclidean, for every metric.",
        option="metric",
    ),
    _choice(
        "color_space",
        "rgb",
        COLOR_SPACES,
        help="Space in which colors are compared and averaged: the numbers of the image (rgb), CIE L*a*b* or Oklab.",
        details="The latter two are for sRGB images of three bands, of integers or of floats from 0 to 1. Errors are "
        "then of that space.",
        option="color_space",
    ),
    _choice(
        "empty_units",
        "keep",
        EMPTY_UNITS,
        help="Units that no pixel chose, nor any unit near them: keep their colors, or move next to the unit with the "
        "most error (reseed).",
        option="empty_units",
    ),
    Parameter(
        "sample",
        1.0,
        "float",
        help="Share of the pixels that the map is trained on, such as 0.01 for a quick look.",
        details="Above 0, up to 1. Samples are chosen at random by position, whatever the chunks, in one pass, and are "
        "held in the memory of this process.",
        allowed="a number above 0, up to 1",
        accepts=lambda value: _is_number(value, Real) and 0 < value <= 1,
        option="sample",
        value=float,
        metavar="SHARE",
        default_in_words="1, all of them",
    ),
    _choice(
        "precision",
        "float32",
        PRECISIONS,
        help="Precision in which distances are compared first; labels are those of float64 either way.",
        details="In float32, only what rounding leaves open is compared in float64, which is several times as fast.",
        option="precision",
    ),
    _choice(
        "missing",
        "exclude",
        MISSING,
        help="Pixels with NaN: exclude them, compare the bands that they have (bands), or stop (error).",
        option="missing",
    ),
    Parameter(
        "tol",
        0.0,
        "float",
        help="Stop early after an epoch at the last radius that moved the units by no more than this share of the "
        "standard deviation of the pixels; 0 never stops.",
        details="The movement is the root mean square over the units.",
        allowed="a finite number of at least 0",
        accepts=lambda value: _is_number(value, Real) and 0 <= value < math.inf,
        option="tol",
        value=float,
        metavar="SHARE",
        default_in_words="0",
    ),
    _flag(
        "warm_start",
        help="Whether `fit` continues with the map that it made before, at its position in the schedule.",
        details="For more `epochs` after `set_params`, or after an early stop.",
        not_an_option="a run trains from the start; `dasksom resume` continues one that was stopped",
    ),
    _choice(
        "method",
        "auto",
        METHODS,
        help="How the image is read: count its colors in one pass (colors; uint8, at most 3 bands), read it once per "
        "epoch (stream), or colors where possible (auto).",
        details="Both give the same map; counted colors are exact, and fast. Streaming takes any real type and any "
        "number of bands.",
        option="method",
    ),
    _choice(
        "cache",
        "auto",
        CACHES,
        help='Whether "stream" holds the image in the memory of the cluster between epochs.',
        details='"auto" does where it fits with room to spare.',
        not_an_option="--cache (input.cache), which covers all passes of a run",
    ),
    _integer(
        "random_state",
        None,
        0,
        kind="int, RandomState or Generator, optional",
        allowed="None, an int of at least 0, or a RandomState or Generator of NumPy",
        accepts=_is_random_state,
        help="Seed of the starts `sample` and `random`, of the share of pixels, and of the directions in which units "
        "move.",
        details="The starts differ from fit to fit without one; the others use 0 then.",
        option="seed",
        option_default=0,
    ),
)

OPTIONS = (GRID, *(parameter for parameter in PARAMETERS if parameter.option))
"""Parameters of configuration files and the command line."""


def parameter_section() -> str:
    """Return the section "Parameters" of a numpydoc docstring, indented by four spaces."""
    entries = "\n".join(parameter.documentation for parameter in PARAMETERS)
    return textwrap.indent(f"Parameters\n----------\n{entries}", "    ").lstrip()

"""The features that a map compares in place of the bands of an image, each parameter declared once.

To add one: add its record here, its field to `Features` and to `MapSection`, and use it in `dasksom.features.fitting`.
"""

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from dasksom.config.parameter import Parameter, add_parameters, choice_parameter, is_number
from dasksom.errors import InputError
from dasksom.som.features.named_choices import Choice, described, is_choice
from dasksom.som.features.scalings import SCALINGS
from dasksom.som.features.transforms import TRANSFORMS

ROW_SUMS: dict[str, Choice] = {
    "none": SCALINGS["none"],
    "raw": SCALINGS["none"],
    "percentile": SCALINGS["percentile"],
    "positive": SCALINGS["positive"],
}
"""What the bands are divided by before they are divided by their sum: nothing (raw), or a scaling."""

STATISTICS = ("pooled", "image")
"""The pixels that scalings and row sums are measured on: those of all training images, or of each image."""

MOST_BLUR = 50.0
"""Largest standard deviation of the blur: its margins of 200 pixels are read with every chunk."""


def _is_list_of_equations(value: Any) -> bool:
    if not isinstance(value, tuple | list):
        return False
    return all(isinstance(one, str) and all(part.strip() for part in one.partition("=")) for one in value)


def _is_list_of_weights(value: Any) -> bool:
    try:
        weights = [float(one.rpartition("=")[2]) for one in value]
    except (AttributeError, TypeError, ValueError):
        return False
    return _is_list_of_equations(value) and all(0 <= weight < math.inf for weight in weights)


def _is_amount(value: Any) -> bool:
    return is_number(value, Real) and 0 < value < math.inf


def _is_blur(value: Any) -> bool:
    return is_number(value, Real) and 0 < value <= MOST_BLUR


FEATURE_PARAMETERS = (
    Parameter(
        "blur",
        None,
        "float, optional",
        help="Blur each band with a Gaussian of this standard deviation, in pixels, before all else.",
        details='As `scipy.ndimage.gaussian_filter` of the complete image (mode "reflect", truncate 4), for any '
        "chunks; pixels without data have no share in the blur. For images of shape (rows, columns, bands).",
        allowed=f"a number above 0, up to {MOST_BLUR:g}, or None",
        accepts=lambda value: value is None or _is_blur(value),
        option="blur",
        value=float,
        metavar="SIGMA",
        default_in_words="no blur",
    ),
    Parameter(
        "transform",
        "none",
        "str",
        help="Transform bands before they are scaled: none, log1p, sqrt, or arcsinh of the band over a number.",
        details="Values without a result, such as roots of negative ones, are missing.",
        allowed=f"one of {described(TRANSFORMS)}",
        accepts=lambda value: is_choice(value, TRANSFORMS),
        names=tuple(TRANSFORMS),
        option="transform",
        metavar="NAME[:NUMBER]",
    ),
    Parameter(
        "row_sum",
        "none",
        "str",
        help="Divide each pixel's bands by their sum, so that only their proportions are compared: raw, or each band "
        "over its percentile (or positive percentile) first.",
        details="Applied after the transform and before the scaling; pixels whose sum is 0 are missing.",
        allowed=f"one of {described(ROW_SUMS)}",
        accepts=lambda value: is_choice(value, ROW_SUMS),
        names=tuple(ROW_SUMS),
        option="row_sum",
        metavar="NAME[:NUMBER]",
    ),
    Parameter(
        "feature",
        (),
        "sequence of str",
        help="Add a feature that is arithmetic of bands, such as ndvi=(B08-B04)/(B08+B04); may be repeated.",
        details="Names or numbers (b0, b1 ...) of bands, numbers, parentheses and + - * / ** are accepted. A division "
        "by zero is missing. The bands are those of the image, not transformed.",
        allowed="a sequence of NAME=FORMULA",
        accepts=_is_list_of_equations,
        option="feature",
        metavar="NAME=FORMULA",
        default_in_words="none",
        multiple=True,
    ),
    Parameter(
        "cap",
        None,
        "float, optional",
        help="Limit scaled features to the range from -CAP to CAP.",
        allowed="a finite number above 0, or None",
        accepts=lambda value: value is None or _is_amount(value),
        option="cap",
        value=float,
        metavar="CAP",
        default_in_words="no limit",
    ),
    Parameter(
        "weight",
        (),
        "sequence of str",
        help="Multiply a scaled band or feature by a number, such as CD45=2; 0 leaves it out; may be repeated.",
        allowed="a sequence of NAME=WEIGHT, with weights of at least 0",
        accepts=_is_list_of_weights,
        option="weight",
        metavar="NAME=WEIGHT",
        default_in_words="1 each",
        multiple=True,
    ),
    choice_parameter(
        "statistics",
        "pooled",
        STATISTICS,
        help="Pixels that scalings and row sums are measured on: those of all training images (pooled), or of each "
        "image, including every image that the map is applied to (image).",
        details='With "image" colors are not counted, and `weights_` are means of pixels if there are several images.',
        option="statistics",
    ),
)


@dataclass(frozen=True)
class Features:
    """How features are computed from the bands of an image, besides their scaling.

    {parameters}

    Raises
    ------
    InputError
        If a value is not accepted; the message names the parameter, the accepted values, and the given value.

    Examples
    --------
    >>> Features(transform="arcsinh:5", feature=["ratio=b0/b1"], weight=["b1=0"]).transform
    'arcsinh:5'
    """

    blur: float | None = None
    transform: str = "none"
    row_sum: str = "none"
    feature: tuple[str, ...] = ()
    cap: float | None = None
    weight: tuple[str, ...] = ()
    statistics: str = "pooled"

    def __post_init__(self) -> None:
        for parameter in FEATURE_PARAMETERS:
            value = getattr(self, parameter.name)
            if not parameter.accepts(value):
                raise InputError(f"Features: {parameter.name} {parameter.refusal(value)}")
            if parameter.multiple:
                object.__setattr__(self, parameter.name, tuple(value))

    def has_all_of(self, lowest: float) -> bool:
        """Return whether every pixel of an image whose lowest possible value is `lowest` has all features."""
        above = TRANSFORMS[self.transform.partition(":")[0].strip()].above
        return self.row_sum == "none" and not self.feature and lowest > above


Features.__doc__ = add_parameters(Features.__doc__, FEATURE_PARAMETERS)
FEATURE_FIELDS = tuple(field.name for field in fields(Features))

PRESETS: dict[str, dict[str, Any]] = {
    "flowsom": {"transform": "arcsinh:5", "scale": "standard"},
    "pixie": {"grid": (10, 10), "blur": 2.0, "row_sum": "positive:99", "scale": "positive:99.9"},
}
"""Published recipes by name: values of the parameters of the map and of `Features`."""

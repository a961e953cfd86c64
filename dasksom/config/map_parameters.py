"""The parameters of the map, each declared once: name, default, accepted values, help.

`PARAMETERS` defines the checks of `BatchSOM.fit`, the parameter list of its docstring, the section `map` of
configuration files, and the command-line options. To add a parameter: add its record here, its argument to
`BatchSOM.__init__` and, if it is an option, its field to `MapSection`; a test names missing ones.
"""

import math
from numbers import Integral, Real
from typing import Any

from dasksom.config.feature_parameters import FEATURE_PARAMETERS, PRESETS, Features
from dasksom.config.parameter import (
    COLOR_TEXT,
    Parameter,
    choice_parameter,
    flag_parameter,
    integer_parameter,
    is_color_list,
    is_number,
    is_radius_pair,
    is_random_state,
)
from dasksom.som import choices
from dasksom.som.features.named_choices import described, is_choice
from dasksom.som.features.scalings import SCALINGS
from dasksom.som.schedule import DECAYS

EMPTY_UNITS = ("keep", "reseed")
METHODS = ("auto", "colors", "stream")
WARM_UPS = ("auto", "none")
CACHES = ("auto", "memory", "none")

MOST_EPOCHS = 1_000_000
"""Upper limit of epochs; each is planned before training starts."""
MOST_UNITS = 1 << 16
"""Upper limit of units; labels and palettes of image files cannot hold more."""


def _is_warm_up(value: Any) -> bool:
    return value in WARM_UPS if isinstance(value, str) else is_number(value, Integral) and value >= 1


def _number_or_name(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


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
    integer_parameter(
        "rows",
        16,
        1,
        help="Rows of the lattice.",
        details="The palette has rows x columns colors, at most 65,536.",
        not_an_option="--grid ROWSxCOLUMNS",
    ),
    integer_parameter("columns", 16, 1, help="Columns of the lattice.", not_an_option="--grid ROWSxCOLUMNS"),
    integer_parameter("epochs", 20, 1, MOST_EPOCHS, help="Times that every pixel is presented.", option="epochs"),
    choice_parameter(
        "topology",
        "rectangular",
        choices.TOPOLOGIES,
        help="Lattice of units with 8 neighbors (rectangular), or with 6 at the same distance (hexagonal).",
        details="On a hexagonal lattice every second row is shifted by half a unit.",
        option="topology",
    ),
    flag_parameter(
        "toroidal",
        help="Map without edges: the last row is next to the first, and so are the columns.",
        option="toroidal",
    ),
    choice_parameter(
        "neighborhood",
        "gaussian",
        choices.NEIGHBORHOODS,
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
        accepts=lambda value: value is None or is_radius_pair(value),
        option="sigma",
        value=float,
        metavar="FIRST LAST",
        default_in_words="half the longer side, 0.5; 0.1 for 8-bit images of at most 3 bands without a refinement",
    ),
    integer_parameter(
        "refine",
        0,
        0,
        MOST_EPOCHS,
        kind="int or None",
        allowed=f"None or an int from 0 to {MOST_EPOCHS}",
        accepts=lambda value: value is None or (is_number(value, Integral) and 0 <= value <= MOST_EPOCHS),
        help="Epochs after these, at radius 0, in which units that do little move to where the error is; 0 keeps the "
        "order of the map.",
        details="80 take the error of a palette below that of k-means; the units are then put back into the order of "
        "the map, as far as possible. None, the default of the command line, is 80 if colors are counted (`method`), "
        "where an epoch costs next to nothing, else 0.",
        option="refine",
        option_default=None,
        default_in_words="80 if colors are counted, else 0",
    ),
    choice_parameter(
        "decay",
        "exponential",
        DECAYS,
        or_kind="callable (first, last, progress) -> float",
        help="How the radius shrinks from the first to the last.",
        details="progress goes from 0 to 1.",
        accepts=lambda value: callable(value) or (isinstance(value, str) and value in DECAYS),
        option="decay",
    ),
    choice_parameter(
        "init",
        "pca",
        choices.INITIALIZATIONS,
        or_kind="array of shape (rows, columns, bands)",
        help="Start: colors along the two principal components, seeded pixels (sample), or seeded random numbers with "
        "the mean and deviation of the pixels.",
        details="Where the components are equally long, and their plane is one of many, starts from pixels are tried "
        "too. An array is used as it is.",
        accepts=lambda value: not isinstance(value, str) or value in choices.INITIALIZATIONS,
        option="init",
    ),
    Parameter(
        "keep",
        (),
        "str, sequence of str, or array of shape (colors, bands)",
        help="Colors of units that do not move, such as #000000,#ffffff or 0/0/0,255/255/255 (one number per band); "
        "may be repeated.",
        details="They are in the palette exactly; the other units learn next to them. Hexadecimal colors are for "
        "uint8 images of three or four bands.",
        allowed=f"a list of colors: {COLOR_TEXT}",
        accepts=is_color_list,
        option="keep",
        metavar="COLOR,...",
        default_in_words="none",
        multiple=True,
    ),
    choice_parameter(
        "metric",
        "euclidean",
        choices.METRICS,
        help="Distance by which the best-matching unit of a pixel is chosen.",
        details="Units are weighted means of samples, and errors are Euclidean, for every metric.",
        option="metric",
    ),
    choice_parameter(
        "color_space",
        "rgb",
        choices.COLOR_SPACES,
        help="Space in which colors are compared and averaged: the numbers of the image (rgb), CIE L*a*b*, Oklab, or "
        "colors with opacity as seen over black and white (rgba, with --alpha band).",
        details="All but rgb are for sRGB images of integers or of floats from 0 to 1: of three bands, or four for "
        "rgba, where the squared distance is the mean of those over black and over white. Errors are of that space.",
        option="color_space",
    ),
    Parameter(
        "scale",
        "none",
        "str",
        help="Scale bands before they are compared: none, standard (mean 0 and variance 1), percentile (over the "
        "99.9th or another one), positive (over a percentile of the values above 0), or minmax (between two "
        "percentiles; 0,100 for the extremes).",
        details="The numbers are those of all pixels, are kept in the model, and are used for every other image. "
        "Percentiles are exact; they take one more pass (two for 32-bit types, four for 64-bit types). `weights_` and "
        "palettes remain in the units of the image; errors are those of the scaled bands.",
        allowed=f"one of {described(SCALINGS)}",
        accepts=lambda value: is_choice(value, SCALINGS),
        names=tuple(SCALINGS),
        option="scale",
        metavar="NAME[:NUMBERS]",
    ),
    Parameter(
        "features",
        None,
        "Features, optional",
        help="Features that are compared in place of the bands: see `Features`.",
        allowed="None or Features(...)",
        accepts=lambda value: value is None or isinstance(value, Features),
        not_an_option="--blur, --transform, --row-sum, --feature, --cap, --weight",
    ),
    choice_parameter(
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
        accepts=lambda value: is_number(value, Real) and 0 < value <= 1,
        option="sample",
        value=float,
        metavar="SHARE",
        default_in_words="1, all of them",
    ),
    Parameter(
        "warm_up",
        "auto",
        '{"auto", "none"} or int',
        help="Run all epochs but the last two on a sample of the pixels, if colors cannot be counted: auto (if the "
        "image is much larger than the sample), none, or a number of pixels.",
        details='"auto" takes 2,000 pixels per unit, at least 524,288, at most 4,194,304 and 256 MiB, if the image has '
        "four times as many and the sample at least 1,000 per unit; training then reads the image four times. Pixels "
        "far from the mean are drawn more often, and weighted less. The sample is in the memory of this process, and "
        "depends on the seed, not on the chunks. `partial_fit` has no warm-up.",
        allowed='"auto", "none" or a number of pixels of at least 1',
        accepts=_is_warm_up,
        option="warm_up",
        value=_number_or_name,
        metavar="auto|none|N",
    ),
    choice_parameter(
        "precision",
        "float32",
        choices.PRECISIONS,
        help="Precision in which distances are compared first; labels are those of float64 either way.",
        details="In float32, only what rounding leaves open is compared in float64, which is several times as fast.",
        option="precision",
    ),
    choice_parameter(
        "device",
        "auto",
        choices.DEVICES,
        help="Where workers search: on a GPU if they have one (auto), on the processor, or only on GPUs (cuda).",
        details="Results are those of the processor, bit for bit. GPUs need ``dasksom[cuda]``, and search by Euclidean "
        "and cosine distances, without missing bands. Counted colors, and chunks too small for a GPU to pay with "
        "``auto``, are searched on the processor.",
        option="device",
    ),
    choice_parameter(
        "missing",
        "exclude",
        choices.MISSING,
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
        accepts=lambda value: is_number(value, Real) and 0 <= value < math.inf,
        option="tol",
        value=float,
        metavar="SHARE",
        default_in_words="0",
    ),
    flag_parameter(
        "warm_start",
        help="Whether `fit` continues with the map that it made before, at its position in the schedule.",
        details="For more `epochs` after `set_params`, or after an early stop.",
        not_an_option="a run trains from the start; `dasksom resume` continues one that was stopped",
    ),
    choice_parameter(
        "method",
        "auto",
        METHODS,
        help="How the image is read: count its colors in one pass (colors; uint8 of at most 3 bands, uint16 and int16 "
        "of one), read it for each epoch without a warm-up (stream), or colors where possible (auto).",
        details="Both give the same map; counted colors are exact, and fast. Streaming takes any real type and any "
        "number of bands.",
        option="method",
    ),
    choice_parameter(
        "cache",
        "auto",
        CACHES,
        help='Whether "stream" holds the image in the memory of the cluster between epochs.',
        details='"auto" does where it fits with room to spare, and then holds the scaled or transformed features too.',
        not_an_option="--cache (input.cache), which covers all passes of a run",
    ),
    integer_parameter(
        "random_state",
        None,
        0,
        kind="int, RandomState or Generator, optional",
        allowed="None, an int of at least 0, or a RandomState or Generator of NumPy",
        accepts=is_random_state,
        help="Seed of the starts `sample` and `random`, of the share of pixels, and of the directions in which units "
        "move.",
        details="The starts differ from fit to fit without one; the others use 0 then.",
        option="seed",
        option_default=0,
    ),
)

PRESET = Parameter(
    "preset",
    None,
    "str",
    help="Use the values of a published recipe for options that are not given.",
    allowed=f"one of {', '.join(PRESETS)}",
    accepts=lambda value: value is None or (isinstance(value, str) and value in PRESETS),
    choices=tuple(PRESETS),
    option="preset",
    default_in_words="none",
)
"""Values of several options at once."""

OPTIONS = (GRID, *(parameter for parameter in PARAMETERS if parameter.option), *FEATURE_PARAMETERS, PRESET)
"""Parameters of configuration files and the command line."""

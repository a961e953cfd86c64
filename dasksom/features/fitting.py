"""Measure all features of a new map: transform, row sum, formulas, scaling, cap and weights."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dasksom.config.feature_parameters import ROW_SUMS, Features
from dasksom.errors import InputError
from dasksom.features.scaling import MeasuredSamples, fit_scaling, scaling_cost
from dasksom.som.features.arithmetic import parse_formula
from dasksom.som.features.named_choices import parse_choice
from dasksom.som.features.pixel_features import PixelFeatures
from dasksom.som.features.scalings import SCALINGS, ScalingCost
from dasksom.som.features.transforms import TRANSFORMS
from dasksom.som.statistics.moments import Moments


def planned_features(given: Features, scale: str, names: Sequence[str], bands: int) -> PixelFeatures:
    """Return features as far as they are known before any pixel is read.

    Parameters
    ----------
    given : Features
    scale : str
        Name and numbers of the scaling.
    names : sequence of str
        Names of the bands; empty if they have none.
    bands : int

    Raises
    ------
    InputError
        If a formula or a weight names a band that does not exist.
    """
    transform, numbers = parse_choice(given.transform, TRANSFORMS, "transform")
    # bands without a name of their own are known by their number only
    own = [name if name and names.count(name) == 1 else f"b{number}" for number, name in enumerate(names)]
    own = own or [f"b{number}" for number in range(bands)]
    formulas = tuple(parse_formula(one, own) for one in given.feature)
    known = [*own, *(formula.name for formula in formulas)]
    if len({*known}) < len(known):
        raise InputError(f"feature: the names {', '.join(known)} are not distinct; rename the new ones")
    weights = dict.fromkeys(known, 1.0)
    for one in given.weight:
        name, _, weight = (part.strip() for part in one.rpartition("="))
        name = known[int(name[1:])] if name not in weights and _is_number_of(name, bands) else name
        if name not in weights:
            raise InputError(f"weight {one!r}: there is no band or feature {name!r}; there are {', '.join(known)}")
        weights[name] = float(weight)
    if not any(weights.values()):
        raise InputError("weight: all bands have the weight 0; at least one must have another")
    unequal = any(weight != 1 for weight in weights.values())
    return PixelFeatures(
        bands,
        transform,
        numbers,
        shares=(1.0,) * bands if given.row_sum != "none" else (),
        formulas=formulas,
        cap=given.cap,
        weights=tuple(weights.values()) if unequal else (),
        blur=given.blur or 0.0,
        row_sum=given.row_sum,
        scale=scale,
        by_image=given.statistics == "image",
    )


def measuring_cost(
    given: Features | None, scale: str, dtype: np.dtype[Any], bands: int, *, has_moments: bool
) -> ScalingCost:
    """Return the cost of a row sum and a scaling; other parameters are those of `scaling_cost`."""
    features = given or Features()
    bands_only = replace(features, row_sum="none", feature=())
    steps = (("none" if features.row_sum == "raw" else features.row_sum, bands_only), (scale, features))
    costs = []
    for name, measured in steps:
        # as `fit_scaling` chooses the type of what it measures
        direct = dtype.kind == "f" or measured.has_all_of(np.iinfo(dtype).min)
        measured_dtype = dtype if direct else np.result_type(dtype, np.float32)
        count = bands + len(measured.feature)
        costs.append(scaling_cost(name, measured_dtype, count, has_moments=has_moments))
    return ScalingCost(sum(cost.passes for cost in costs), max(cost.chunk_bytes for cost in costs))


def _is_number_of(name: str, bands: int) -> bool:
    return name[:1] == "b" and name[1:].isdecimal() and int(name[1:]) < bands


def measured_features(
    planned: PixelFeatures,
    samples: MeasuredSamples,
    *,
    dtype: np.dtype[Any],
    missing: str,
    counted: bool,
) -> tuple[PixelFeatures, Moments | None]:
    """Measure the numbers of planned features; parameters and results are those of `fit_scaling`."""
    features, known = planned.unscaled(), None
    options: dict[str, Any] = {"dtype": dtype, "missing": missing, "counted": counted}
    row_sum, numbers = parse_choice(planned.row_sum, ROW_SUMS, "row_sum")
    if row_sum in SCALINGS and row_sum != "none":
        bands = replace(features, shares=(), formulas=())
        features = replace(features, shares=fit_scaling(samples, bands, row_sum, numbers, **options)[0].spread)
    name, numbers = parse_choice(planned.scale, SCALINGS, "scale")
    if name != "none":
        features, known = fit_scaling(samples, features, name, numbers, **options)
    features = replace(features, cap=planned.cap, weights=planned.weights)
    if known is None or planned.cap is not None:
        return features, None
    weights = np.array(planned.weights or (1.0,) * features.count)
    return features, known.scaled(0.0, weights)

"""Arrays of xarray as samples, and results with their dimensions, coordinates and attributes.

xarray itself is not imported.
"""

from typing import Any, Literal

from dasksom.image.sources.dtypes_and_axes import is_data_array
from dasksom.image.sources.selection import COLUMNS, ROWS

LastAxis = Literal["bands", "units"] | None
BAND_DIMENSIONS = ("band", "bands", "c", "channel", "channels", "variable", "wavelength")
"""Names of the dimension of the bands, if there is another one besides rows and columns."""
_OF_VALUES = (
    *("_FillValue", "add_offset", "long_name", "missing_value", "scale_factor", "standard_name", "units"),
    *("valid_max", "valid_min", "valid_range"),
)
"""Attributes that describe the values of an image, and so are not those of labels or distances."""


def is_dataset(X: Any) -> bool:
    """Return whether an object has the interface of an xarray Dataset."""
    return hasattr(X, "data_vars") and hasattr(X, "to_dataarray")


def finest_level(X: Any) -> Any:
    """Return the finest level of a DataTree of resolutions, such as images of SpatialData; others as they are.

    A level is a DataArray if it has one variable, else a Dataset.
    """
    if not (hasattr(X, "children") and hasattr(X, "to_dataset")):
        return X
    levels = [level.to_dataset() for level in (X, *X.children.values())]
    finest = max(levels, key=lambda level: sum(variable.size for variable in level.data_vars.values()))
    names = list(finest.data_vars)
    return finest[names[0]] if len(names) == 1 else finest


def with_bands_last(X: Any) -> Any:
    """Return a DataArray with the bands in its last dimension; a Dataset's variables are the bands. Others as they are.

    The bands are the last dimension, unless it is one of space: then the only other one, or the one with a name of
    `BAND_DIMENSIONS`. Lazy data stays lazy.
    """
    if is_dataset(X):
        X = X.to_dataarray(dim="band")
    if not is_data_array(X) or not X.dims or str(X.dims[-1]).lower() not in (*ROWS, *COLUMNS):
        return X
    others = [dim for dim in X.dims if str(dim).lower() not in (*ROWS, *COLUMNS)]
    named = [dim for dim in others if str(dim).lower() in BAND_DIMENSIONS]
    bands = others if len(others) == 1 else named
    return X.transpose(..., bands[0]) if len(bands) == 1 else X


def in_sample_order(given: Any, X: Any) -> Any:
    """Return the values of a mask or of weights in the order of the samples of a DataArray."""
    if not is_data_array(given):
        return given
    same = is_data_array(X) and {*given.dims} == {*X.dims[:-1]}
    return given.transpose(*X.dims[:-1]).data if same else given.data


def labeled_like(result: Any, X: Any, original: Any, last: LastAxis) -> Any:
    """Return a result with the dimensions, coordinates and attributes of its samples.

    Parameters
    ----------
    result : array of shape (...), (..., bands) or (..., units)
    X : DataArray
        The samples, bands last; the result of `with_bands_last`.
    original : DataArray or Dataset
        As given: colors are returned in its form and order of dimensions.
    last : {"bands", "units", None}
        Last axis of the result: colors, distances, labels.
    """
    bands = X.dims[-1]
    if last == "bands":
        colors = X.copy(data=result)
        if is_dataset(original):
            return colors.to_dataset(dim=bands).assign_attrs(original.attrs)
        return colors.transpose(*original.dims)
    template = X.isel({bands: 0}, drop=True)
    if last == "units":
        template = template.expand_dims(unit=result.shape[-1]).transpose(..., "unit")
    labeled = template.copy(data=result).rename("unit" if last is None else "distance")
    labeled.attrs = {name: value for name, value in X.attrs.items() if name not in _OF_VALUES}
    return labeled

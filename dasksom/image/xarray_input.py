"""Open xarray DataArrays as images; xarray itself is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.metadata.cf_attributes import nodata_of_attributes
from dasksom.image.metadata.geo_tags import crs_name, tags_of_epsg
from dasksom.image.sources.bands import running_numbers
from dasksom.image.sources.dtypes_and_axes import check_dtype, check_not_empty, guess_axes
from dasksom.image.sources.picture import Header
from dasksom.image.sources.protocol import Tag
from dasksom.image.sources.selection import COLUMNS, ROWS, Selection, plan_axes


def open_data_array(image: Any, selection: Selection) -> tuple[str, Header, da.Array | NDArray[Any]]:
    """Open a DataArray; return its name, its header, and its lazy pixels, bands last, in their original chunks.

    Raises
    ------
    InputError
        Its dimensions do not form an image, or its dtype is not accepted.
    """
    named = f"DataArray {image.name or 'without a name'}"
    dims = tuple(str(dim) for dim in image.dims)
    check_not_empty(named, image.shape)
    dtype = check_dtype(named, image.dtype)
    known = {name.lower() for name in dims} & {*ROWS} and {name.lower() for name in dims} & {*COLUMNS}
    axes = dims if known or selection.axes is not None else guess_axes(named, image.shape)
    layout = plan_axes(named, axes, image.shape, selection)
    stored: Any = image.data
    for axis, part in reversed(list(enumerate(layout.index([slice(0, length) for length in layout.shape])))):
        # index one axis at a time: indexing with lists and integers at once selects something else
        stored = stored[(slice(None),) * axis + (part,)]
    upright: Any = layout.upright(stored)
    pixels = upright if isinstance(upright, da.Array) else np.ascontiguousarray(upright)
    tags = _geo_tags(image)
    about = {"format": "DataArray", "axes": ", ".join(f"{dim} {n}" for dim, n in zip(dims, image.shape, strict=True))}
    if crs := crs_name(tags):
        about["place on earth"] = crs
    nodata, problem = nodata_of_attributes(image.attrs, None, 3)
    names = band_names_of_array(image, dims[layout.roles.index("c")]) if "c" in layout.roles else ()
    return (
        named,
        Header(
            nodata=nodata,
            nodata_problem=problem,
            geo_tags=tags,
            band_names=tuple(names[band] if band < len(names) else "" for band in layout.bands),
            about=about,
        ),
        pixels.astype(dtype, copy=False),
    )


def band_names_of_array(image: Any, dim: str) -> tuple[str, ...]:
    """Return the names of a DataArray's bands: the coordinate of their dimension, or rioxarray's `long_name`.

    Running numbers, as rioxarray counts bands, are no names.
    """
    if dim in image.coords:
        names = tuple(str(value) for value in image.coords[dim].values.tolist())
        if not running_numbers(names):
            return names
    declared = image.attrs.get("long_name")
    return tuple(map(str, declared)) if isinstance(declared, (tuple, list)) else ()


def in_band_order(image: Any, names: Sequence[str]) -> Any:
    """Return a DataArray whose last dimension has the bands with these names, in this order; itself if it has not all.

    Parameters
    ----------
    image : DataArray of dimensions (..., bands)
    names : of the bands of a map
    """
    own = band_names_of_array(image, str(image.dims[-1])) if image.dims else ()
    if tuple(names) == own or len(set(own)) != len(own) or not set(names) <= set(own):
        return image
    return image.isel({image.dims[-1]: [own.index(name) for name in names]})


def _geo_tags(image: Any) -> tuple[Tag, ...]:
    """Return the georeference from rioxarray; empty without rioxarray or a CRS with an EPSG code."""
    crs: Any = getattr(getattr(image, "rio", None), "crs", None)
    epsg = crs.to_epsg() if crs is not None else None
    return () if epsg is None else tags_of_epsg(epsg, crs.is_geographic, image.rio.transform().to_gdal())


def refuse_others(image: Any) -> None:
    """Refuse an object that is neither a path nor a DataArray."""
    if hasattr(image, "data_vars"):
        raise InputError(f"a Dataset of {', '.join(map(str, image.data_vars))}: take one of its arrays, dataset[NAME]")
    raise InputError(
        f"a {type(image).__name__} is not a path; BatchSOM takes dask and NumPy arrays as they are, and this a path, "
        "a URL or an xarray DataArray"
    )

"""xarray's DataArrays as images; xarray itself is not imported."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from dasksom.errors import InputError
from dasksom.image.sources.chunk_planning import plan_chunks
from dasksom.image.sources.dtypes_and_axes import check_dtype, check_not_empty, guess_axes
from dasksom.image.sources.picture import Picture
from dasksom.image.sources.protocol import Tag
from dasksom.image.sources.selection import COLUMNS, ROWS, Selection, plan_view
from dasksom.image.tiff.tags import crs_name, tags_of_epsg


def is_data_array(image: Any) -> bool:
    """Tell whether something is an xarray DataArray, or walks like one."""
    return all(hasattr(image, name) for name in ("dims", "coords", "attrs", "transpose", "data"))


def data_array_picture(image: Any, selection: Selection, chunk_bytes: int, align: int) -> Picture:
    """Return a DataArray as a picture: bands last, its chunks kept where they can be.

    Raises
    ------
    InputError
        Its dimensions do not make an image.
    """
    named = f"DataArray {image.name or 'without a name'}"
    dims = tuple(str(dim) for dim in image.dims)
    check_not_empty(named, image.shape)
    dtype = check_dtype(named, image.dtype)
    known = {name.lower() for name in dims} & {*ROWS} and {name.lower() for name in dims} & {*COLUMNS}
    axes = dims if known or selection.axes is not None else guess_axes(named, image.shape)
    view = plan_view(named, axes, image.shape, selection)
    data: Any = image.data
    lazy = isinstance(data, da.Array)
    whole = tuple(slice(0, length) for length in view.shape)
    index = view.index((whole[0], whole[1], whole[2]))
    found = data
    for axis in reversed(range(len(index))):  # one axis after another: lists and numbers together mean something else
        found = found[(slice(None),) * axis + (index[axis],)]
    pixels: Any = view.upright(found)
    rows, columns = plan_chunks(view.shape, dtype.itemsize, _stored(pixels, lazy), chunk_bytes=chunk_bytes, align=align)
    chunks = min(rows, view.shape[0]), min(columns, view.shape[1]), view.shape[2]
    pixels = pixels.rechunk(chunks) if lazy else da.from_array(np.ascontiguousarray(pixels), chunks=chunks)
    tags = _geo_tags(image)
    about = {"format": "DataArray", "axes": ", ".join(f"{dim} {n}" for dim, n in zip(dims, image.shape, strict=True))}
    if crs := crs_name(tags):
        about["place on earth"] = crs
    return Picture(pixels.astype(dtype), nodata=_nodata(image), geo_tags=tags, about=about)


def _stored(pixels: Any, lazy: bool) -> tuple[int, int]:
    return (pixels.chunks[0][0], pixels.chunks[1][0]) if lazy else pixels.shape[:2]


def _nodata(image: Any) -> float | None:
    told = image.attrs.get("_FillValue", image.attrs.get("missing_value"))
    return told.item() if isinstance(told, np.generic) else told if isinstance(told, (int, float)) else None


def _geo_tags(image: Any) -> tuple[Tag, ...]:
    """Return where on earth it lies, where rioxarray can tell."""
    crs: Any = getattr(getattr(image, "rio", None), "crs", None)
    epsg = crs.to_epsg() if crs is not None else None
    return () if epsg is None else tags_of_epsg(epsg, crs.is_geographic, image.rio.transform().to_gdal())


def refuse_others(image: Any) -> None:
    """Refuse what is neither a path nor a DataArray."""
    if hasattr(image, "data_vars"):
        raise InputError(f"a Dataset of {', '.join(map(str, image.data_vars))}: take one of its arrays, dataset[NAME]")
    raise InputError(
        f"a {type(image).__name__} is not a path; BatchSOM takes dask and NumPy arrays as they are, and this a path, "
        "a URL or an xarray DataArray"
    )

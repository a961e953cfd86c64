"""Create the attributes of OME-NGFF 0.4 and 0.5: axes, levels, pixel size, colors of channels and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from dasksom.image.writers.palettes import label_colors
from dasksom.image.writers.protocol import Output
from dasksom.image.writers.pyramid import PyramidPlan
from dasksom.image.zarr.target import place_attributes

_RGB = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
_COLORS = ("FF0000", "00FF00", "0000FF", "FFFF00", "FF00FF", "00FFFF", "FFFFFF")
"""Colors of named channels, in turns."""
_MOST_ACTIVE = 3
"""Number of channels that a viewer shows at first."""


def _versioned(version: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return attributes in the layout of a version: below the key "ome" in 0.5, at the top level in 0.4."""
    return {"ome": {"version": version, **content}} if version != "0.4" else content


def image_attributes(output: Output, pyramid: PyramidPlan) -> dict[str, Any]:
    """Return the attributes of the image's group."""
    version = output.options.ome_version
    content = {"multiscales": [_multiscale(output, pyramid, "image", ("c", "y", "x"), "mean")]}
    if (output.bands == 3 and output.palette.dtype.kind == "u") or output.band_names:
        content["omero"] = {"channels": _channels(output), "rdefs": {"model": "color"}}  # type: ignore[assignment]
    return {**_versioned(version, content), "dasksom": _about(output)}


def _about(output: Output) -> dict[str, Any]:
    return {"units": output.units, "metadata": dict(output.metadata), **place_attributes(output)}


def _channels(output: Output) -> list[dict[str, Any]]:
    """Return the channels with the names of the bands; without colors, viewers show three gray channels."""
    if output.bands == 3 and output.palette.dtype.kind == "u":
        highest = int(np.iinfo(output.palette.dtype).max)
        limits = [(0, highest)] * 3
        named = list(zip(output.band_names or [name for name, _ in _RGB], [color for _, color in _RGB], strict=True))
    else:
        limits = list(zip(output.palette.min(axis=0).tolist(), output.palette.max(axis=0).tolist(), strict=True))
        colors = ["FFFFFF"] if output.bands == 1 else [_COLORS[n % len(_COLORS)] for n in range(output.bands)]
        named = list(zip(output.band_names, colors, strict=True))
    return [
        {
            "label": name,
            "color": color,
            "window": {"start": low, "end": high, "min": low, "max": high},
            "active": number < _MOST_ACTIVE,
        }
        for number, ((name, color), (low, high)) in enumerate(zip(named, limits, strict=True))
    ]


def labels_attributes(version: str, names: list[str]) -> dict[str, Any]:
    """Return the attributes of the group that holds label images of these names."""
    return _versioned(version, {"labels": names})


def label_attributes(output: Output, pyramid: PyramidPlan) -> dict[str, Any]:
    """Return the attributes of the labels: label k + 1 has the color of row k of the palette, 0 is no data.

    Labels without the image are that of the root group, and name no image that they are of.
    """
    version = output.options.ome_version
    shown = label_colors(output.palette).tolist()
    colors = [{"label-value": k + 1, "rgba": [*color, 255]} for k, color in enumerate(shown)]
    names = output.band_names or [f"band {band}" for band in range(output.bands)]
    # scalars, because napari refuses properties that are lists
    properties = [
        {"label-value": k + 1, "unit": k, **dict(zip(names, values, strict=True))}
        for k, values in enumerate(output.palette.tolist())
    ]
    label: dict[str, Any] = {"colors": colors, "properties": properties}
    if output.with_image:
        label["source"] = {"image": "../../"}
    if version == "0.4":
        label["version"] = version
    content = {"multiscales": [_multiscale(output, pyramid, "som", ("y", "x"), "nearest")], "image-label": label}
    numbers = {"offset": 1, "nodata": 0, "meaning": "unit = label - 1; 0 = no data"}
    return {**_versioned(version, content), "dasksom": numbers if output.with_image else {**_about(output), **numbers}}


def _multiscale(
    output: Output, pyramid: PyramidPlan, name: str, axes: tuple[str, ...], reduction: str
) -> dict[str, Any]:
    height, width = output.pixel_size or (1.0, 1.0)
    datasets = []
    for number in range(len(pyramid.levels)):
        factor = 2.0**number
        # coordinates refer to pixel centers; the center of 2 x 2 pixels is shifted by half a pixel
        moved = [(factor - 1) / 2 * side for side in (height, width)]
        scale: list[dict[str, Any]] = [{"type": "scale", "scale": [1.0, height * factor, width * factor][-len(axes) :]}]
        if number:
            scale.append({"type": "translation", "translation": [0.0, *moved][-len(axes) :]})
        datasets.append({"path": str(number), "coordinateTransformations": scale})
    unit = {"unit": output.unit} if output.unit and output.pixel_size else {}
    described: dict[str, Any] = {
        "name": name,
        "axes": [
            {"name": axis, "type": "channel"} if axis == "c" else {"name": axis, "type": "space", **unit}
            for axis in axes
        ],
        "datasets": datasets,
        "type": reduction,
    }
    if output.options.ome_version == "0.4":
        described["version"] = "0.4"
    return described

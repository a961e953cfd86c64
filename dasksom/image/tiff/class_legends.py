"""Write the classes of a raster as GDAL and QGIS read them: color table, attribute table and style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from dasksom.image.tiff.writer import TiffWriter, create_tiff
from dasksom.image.writers.options import Options
from dasksom.image.writers.protocol import Output
from dasksom.storage.own_files import replace_file

_INTEGER, _REAL, _TEXT = 0, 1, 2
"""GDALRATFieldType."""
_GENERIC, _COUNT, _NAME, _VALUE, _RED, _GREEN, _BLUE = 0, 1, 2, 5, 6, 7, 8
"""GDALRATFieldUsage."""


@dataclass(frozen=True, eq=False)
class Legend:
    """Classes of a raster: the values 1, 2, ...; 0 is no class."""

    names: Sequence[str]
    colors: NDArray[np.uint8]
    """sRGB, shape (classes, 3)."""
    pixels: Sequence[int]
    """Number of pixels of each class."""
    pixel_area: tuple[float, str] | None = None
    """Area of a pixel and its unit, "mm2" or "ha"; None if it is unknown."""


def create_class_tiff(output: Output, legend: Legend) -> TiffWriter:
    """Prepare the writer of a TIFF whose pixels are class numbers, with the no-data value 0.

    Up to 255 classes are 8-bit numbers, more are 16-bit numbers; both have a color table.

    Parameters
    ----------
    output : Output
        Its palette and options are replaced.
    legend : Legend
    """
    output = replace(output, palette=legend.colors, with_image=False, nodata=True, options=Options())
    writer = create_tiff(output)
    numbers = np.arange(len(writer.pixels.table), dtype=writer.pixels.dtype)[:, np.newaxis]
    return replace(writer, pixels=replace(writer.pixels, kind="classes", table=numbers))


def write_legends(path: Path, legend: Legend) -> None:
    """Write the attribute table (.tif.aux.xml) and the style (.qml) of a class TIFF next to it, atomically."""
    for legend_path, content in legend_files(path, legend).items():
        replace_file(legend_path, content.encode(), is_ours=lambda head: head.lstrip().startswith(b"<"))


def legend_paths(path: Path) -> tuple[Path, Path]:
    """Return the paths of the attribute table and of the style."""
    return path.with_name(f"{path.name}.aux.xml"), path.with_suffix(".qml")


def legend_files(path: Path, legend: Legend) -> Mapping[Path, str]:
    """Return the content of the files that `write_legends` writes."""
    attribute_table, style = legend_paths(path)
    return {attribute_table: _attribute_table(legend), style: _style(legend)}


def _classes(legend: Legend) -> list[tuple[int, str, list[int], int]]:
    """Return number, name, color and pixels of each class that has a name."""
    rows = zip(legend.names, legend.colors.tolist(), legend.pixels, strict=True)
    return [(number, name, color, int(count)) for number, (name, color, count) in enumerate(rows, 1) if name]


def _attribute_table(legend: Legend) -> str:
    fields: list[tuple[str, int, int]] = [
        ("Value", _INTEGER, _VALUE),
        ("Class", _TEXT, _NAME),
        ("Count", _INTEGER, _COUNT),
        ("Red", _INTEGER, _RED),
        ("Green", _INTEGER, _GREEN),
        ("Blue", _INTEGER, _BLUE),
    ]
    if legend.pixel_area is not None:
        fields.append((f"Area_{legend.pixel_area[1]}", _REAL, _GENERIC))
    lines = ["<PAMDataset>", '  <PAMRasterBand band="1">', "    <CategoryNames>"]
    lines += [f"      <Category>{_text(name)}</Category>" for name in ("", *legend.names)]
    lines += ["    </CategoryNames>", '    <GDALRasterAttributeTable tableType="thematic">']
    for index, (name, kind, usage) in enumerate(fields):
        lines.append(
            f'      <FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        )
    for index, (number, name, color, count) in enumerate(_classes(legend)):
        values: list[Any] = [number, name, count, *color]
        if legend.pixel_area is not None:
            values.append(repr(count * legend.pixel_area[0]))
        row = "".join(f"<F>{_text(str(value))}</F>" for value in values)
        lines.append(f'      <Row index="{index}">{row}</Row>')
    lines += ["    </GDALRasterAttributeTable>", "  </PAMRasterBand>", "</PAMDataset>", ""]
    return "\n".join(lines)


def _style(legend: Legend) -> str:
    lines = [
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>",
        '<qgis version="3.22" styleCategories="Symbology">',
        "  <pipe>",
        '    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">',
        "      <colorPalette>",
    ]
    for number, name, color, _ in _classes(legend):
        value = f'value="{number}" color="#{bytes(color).hex()}" alpha="255"'
        lines.append(f"        <paletteEntry {value} label={quoteattr(_printable(name))}/>")
    lines += ["      </colorPalette>", "    </rasterrenderer>", "  </pipe>", "</qgis>", ""]
    return "\n".join(lines)


def _text(text: str) -> str:
    return escape(_printable(text))


def _printable(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return "".join(character for character in text if character.isprintable())

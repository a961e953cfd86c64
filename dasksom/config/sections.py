"""The sections of a run's configuration: frozen, checked records."""

import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from dask.utils import parse_bytes
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from dasksom.cluster import ClusterOptions, TlsFiles
from dasksom.config.feature_parameters import FEATURE_FIELDS, PRESETS, Features
from dasksom.config.map_parameters import CACHES, GRID, OPTIONS
from dasksom.deferred import deferred
from dasksom.image import ALPHA, parse_select
from dasksom.image.sources.selection import ON_BAD_CHUNK
from dasksom.image.writers.options import Options
from dasksom.som.choices import DITHERS

_masks_of_images: "Callable[..., list[str | None]]" = deferred("dasksom.image.input_folders:masks_of_images")
_OPTIONS = {parameter.option: parameter for parameter in OPTIONS}


_CHOICES = {"alpha": ALPHA, "cache": CACHES, "on_bad_chunk": ON_BAD_CHUNK, "dither": DITHERS}
"""Accepted values by the name of a field."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _is_choice(cls, value: Any, field: ValidationInfo) -> Any:
        choices = _CHOICES.get(str(field.field_name))
        if choices is not None and value is not None and value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return value


def _default(option: str) -> Any:
    return _OPTIONS[option].run_default


class MapSection(_Section):
    """The map and its training; `dasksom.config.map_parameters` declares each parameter."""

    grid: tuple[int, int] = _default("grid")
    epochs: int = _default("epochs")
    topology: str = _default("topology")
    toroidal: bool = _default("toroidal")
    neighborhood: str = _default("neighborhood")
    sigma: tuple[float, float] | None = _default("sigma")
    refine: int | None = _default("refine")
    """None: 80 if the image's colors are counted, so that epochs are cheap, else 0."""
    decay: str = _default("decay")
    init: str = _default("init")
    keep: tuple[str, ...] = _default("keep")
    metric: str = _default("metric")
    color_space: str = _default("color_space")
    scale: str = _default("scale")
    empty_units: str = _default("empty_units")
    sample: float = _default("sample")
    warm_up: int | str = _default("warm_up")
    precision: str = _default("precision")
    device: str = _default("device")
    missing: str = _default("missing")
    tol: float = _default("tol")
    method: str = _default("method")
    seed: int | None = _default("seed")
    blur: float | None = _default("blur")
    transform: str = _default("transform")
    row_sum: str = _default("row_sum")
    feature: tuple[str, ...] = _default("feature")
    cap: float | None = _default("cap")
    weight: tuple[str, ...] = _default("weight")
    statistics: str = _default("statistics")
    preset: str | None = _default("preset")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, values: Any) -> Any:
        """Lay given values over those of the preset."""
        preset = values.get("preset") if isinstance(values, dict) else None
        return {**PRESETS[preset], **values} if isinstance(preset, str) and preset in PRESETS else values

    def features(self) -> Features | None:
        """Return the features; None if the bands are compared as they are."""
        features = Features(**{name: getattr(self, name) for name in FEATURE_FIELDS})
        return None if features == Features() else features

    @field_validator("grid", mode="before")
    @classmethod
    def _rows_by_columns(cls, value: Any) -> Any:
        match = re.fullmatch(r"\s*(\d+)\s*[xX]\s*(\d+)\s*", value) if isinstance(value, str) else None
        if match is None and not isinstance(value, list | tuple):
            raise ValueError(f"{value!r} is not {GRID.allowed}")
        return tuple(int(side) for side in match.groups()) if match else value

    @field_validator("grid")
    @classmethod
    def _has_units(cls, value: tuple[int, int]) -> tuple[int, int]:
        if min(value) < 1:
            raise ValueError(f"{value[0]}x{value[1]} has no units; at least 1x1 is needed")
        return value

    @field_validator("*")
    @classmethod
    def _is_accepted(cls, value: Any, field: ValidationInfo) -> Any:
        parameter = _OPTIONS[str(field.field_name)]
        if value != parameter.run_default and not parameter.accepts(value):
            raise ValueError(parameter.refusal(value).replace("None", "null"))
        return value


class TlsSection(_Section):
    """Paths of the PEM files for a tls:// cluster."""

    ca: str
    cert: str
    key: str


class ClusterSection(_Section):
    """The cluster that computes the run's tasks; `ClusterOptions` documents each field."""

    name: str = "auto"
    workers: int | None = None
    memory_limit: str | None = None
    adapt: tuple[int, int] | None = None
    minimum_workers: int = 1
    wait: str | None = None
    insecure: bool = False
    tls: TlsSection | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    allow_shell: bool = Field(default=False, exclude=True)
    """Whether options may contain commands; accepted only on the command line."""

    def as_options(self) -> ClusterOptions:
        """Return the options for `dasksom.cluster`."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        given["tls"] = None if self.tls is None else TlsFiles(**self.tls.model_dump())
        return ClusterOptions(**given)

    def reached_by(self, options: ClusterOptions) -> "ClusterSection":
        """Return a copy that connects to the cluster formed by an allocation's processes."""
        names = ("name", "minimum_workers", "options")
        return self.model_copy(update={name: getattr(options, name) for name in names})


class InputSection(_Section):
    """Options for reading the image."""

    component: str | tuple[str, ...] | None = None
    """Array or image inside a Zarr group; several are bands of one image."""
    stack: bool = False
    """Whether the files are bands of one image; a folder of one file per band is one image."""
    series: int | None = None
    """Index of the image in a file with several images."""
    level: int | None = None
    """Level of a pyramid; 0 is the full resolution."""
    select: dict[str, int | str | tuple[int, ...]] | tuple[str, ...] | None = None
    """Indices along axes, such as {z: 3, c: [0, 2]}."""
    bands: str | tuple[str | int, ...] | None = None
    """Bands by name or number from 0, in this order, such as [CD3, CD45]; default: all."""
    axes: str | None = None
    """Names of the stored axes, such as cyx; overrides the file."""
    alpha: str | None = None
    """Treatment of the alpha band: "mask", "drop" or "band"."""
    nodata: float | str | None = None
    """Value of pixels without data; "none" ignores the file's own value."""
    mask: str | tuple[str, ...] | None = None
    """Path of a mask image; pixels with 0 are not used. Several belong to as many images, in their order."""
    fill_missing: bool = False
    """Whether missing chunks and tiles are read as the fill value."""
    on_bad_chunk: str = "stop"
    """Treatment of unreadable chunks: "stop" the run, or "skip" them as pixels without data."""
    allow_outside: bool = False
    """Whether a .vrt may refer to files outside of its folder."""
    storage: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)
    """Options of a remote store's file system; may contain keys, so it is never shown or written."""
    chunk_size: str | None = None
    """Largest decoded chunk, such as 64MiB; by default the largest up to 64 MiB that fits the workers."""
    cache: str = "auto"
    """Whether chunks are cached in the cluster's memory between passes: "memory", "none", or "auto" (images that are
    streamed and fit)."""

    def opening(self) -> dict[str, Any]:
        """Return the options of `dasksom.image.open_picture` for one image, including `unread`."""
        others = ("chunk_size", "cache", "on_bad_chunk")
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in others}
        mask = _masks_of_images(1, self.mask_paths)[0] if self.mask_paths else None
        return {**given, "mask": mask, "unread": () if self.skips else None}

    def of_each_image(self, images: int) -> list["InputSection"]:
        """Return the options of each of several images: each with its own mask."""
        return [self.model_copy(update={"mask": mask}) for mask in _masks_of_images(images, self.mask_paths)]

    @property
    def mask_paths(self) -> tuple[str, ...]:
        """Paths of all masks."""
        return (self.mask,) if isinstance(self.mask, str) else self.mask or ()

    @property
    def skips(self) -> bool:
        """Whether unreadable chunks are skipped."""
        return self.on_bad_chunk == "skip"

    @field_validator("select")
    @classmethod
    def _is_selection(cls, value: Any) -> Any:
        parse_select(value)
        return value

    @field_validator("chunk_size")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        try:
            size = 1 if value is None else parse_bytes(value)
        except (ValueError, OverflowError):
            raise ValueError(f"{value!r} is not a size; give one such as 64MiB or 500kB") from None
        if size < 1:
            raise ValueError("a chunk holds at least one byte")
        return value


class OutputSection(_Section):
    """Options of the output."""

    image: bool = True
    """Whether the output includes the rebuilt image in addition to labels and palette."""
    pixels: str = "auto"
    layout: str = "auto"
    chunk: int | None = None
    shard: int | None = None
    codec: str | None = None
    ome_version: str = "0.5"
    dither: str = "none"
    """Dithering: "none" or "bayer"."""
    report: bool = False
    """Whether a report of the run is written next to the output."""
    classes: int | str | None = None
    """Number of classes that the units are grouped into and written as, or "auto"; None: no classes."""
    storage: dict[str, Any] | None = Field(default=None, repr=False, exclude=True)
    """Options of the output's object store; None: those of the input, if its store is of the same kind."""
    overwrite: bool = False
    """Whether an existing output is replaced when the new one is complete."""

    @field_validator("ome_version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, float) else value  # YAML parses 0.5 as a number

    @field_validator("classes")
    @classmethod
    def _is_count(cls, value: int | str | None) -> int | str | None:
        if value is not None and value != "auto" and (isinstance(value, (str, bool)) or value < 1):
            raise ValueError(f"{value!r} is not a number of classes, or auto")
        return value

    def options(self) -> Options:
        """Return the write options for `dasksom.image`; `Options` documents each field."""
        return Options(**self.model_dump(include={field.name for field in fields(Options)}))


class RunConfig(_Section):
    """The configuration of one run."""

    map: MapSection = Field(default_factory=MapSection)
    cluster: ClusterSection = Field(default_factory=ClusterSection)
    input: InputSection = Field(default_factory=InputSection)
    output: OutputSection = Field(default_factory=OutputSection)

    @property
    def cluster_options(self) -> ClusterOptions:
        """The options of the cluster, with the device on which its workers search."""
        return replace(self.cluster.as_options(), device=self.map.device)

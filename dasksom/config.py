"""What a run is told: YAML and command line -> one frozen, checked record."""

import difflib
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from dask.utils import parse_bytes
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dasksom.cluster import ClusterOptions, check_options
from dasksom.errors import InputError
from dasksom.image import ALPHA, parse_select
from dasksom.image.options import Options
from dasksom.passes import CACHES
from dasksom.som.dithering import DITHERS

MOST_CONFIG_BYTES = 1 << 20


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MapSection(_Section):
    """The map and its training; `BatchSOM` explains each."""

    grid: tuple[int, int] = (16, 16)
    epochs: int = 20
    topology: str = "rectangular"
    toroidal: bool = False
    neighborhood: str = "gaussian"
    sigma: tuple[float, float] | None = None
    refine: int | None = None
    """None: 80 where the colors of the image are counted, so that epochs cost next to nothing, else 0."""
    decay: str = "exponential"
    init: str = "pca"
    metric: str = "euclidean"
    color_space: str = "rgb"
    empty_units: str = "keep"
    sample: float = 1.0
    precision: str = "float32"
    missing: str = "exclude"
    tol: float = 0.0
    method: str = "auto"
    seed: int | None = 0

    @field_validator("grid", mode="before")
    @classmethod
    def _rows_by_columns(cls, value: Any) -> Any:
        match = re.fullmatch(r"\s*(\d+)\s*[xX]\s*(\d+)\s*", value) if isinstance(value, str) else None
        if isinstance(value, str) and match is None:
            raise ValueError(f"{value!r} is not ROWSxCOLUMNS, such as 16x16")
        return tuple(int(side) for side in match.groups()) if match else value


class ClusterSection(_Section):
    """Where the run's tasks are computed; `ClusterOptions` explains each."""

    name: str = "auto"
    workers: int | None = None
    memory_limit: str | None = None

    def options(self) -> ClusterOptions:
        """Give the options as the cluster module takes them."""
        return ClusterOptions(**self.model_dump())


class InputSection(_Section):
    """How the image is read."""

    component: str | None = None
    """Array or image inside a Zarr group."""
    series: int | None = None
    """Number of the image in a file of several."""
    level: int | None = None
    """Level of a pyramid; 0 is the full resolution."""
    select: dict[str, int | str | tuple[int, ...]] | tuple[str, ...] | None = None
    """Places along axes, such as {z: 3, c: [0, 2]}."""
    axes: str | None = None
    """What the stored axes are, such as cyx, in place of what the file says."""
    alpha: str | None = None
    """What becomes of opacity: "mask", "drop" or "band"."""
    nodata: float | str | None = None
    """Value of pixels that do not count; "none": the file's own is not heeded."""
    mask: str | None = None
    """Path of an image that is 0 where pixels do not count."""
    fill_missing: bool = False
    """Whether chunks and tiles that the file lacks are its fill value."""
    storage: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)
    """Options of a remote store's file system; may hold keys, so it is neither shown nor written anywhere."""
    chunk_size: str | None = None
    """Largest decoded chunk, such as 64MiB; by default 64 MiB, or less where `memory_limit` is small."""
    cache: str = "auto"
    """Whether the chunks are held in the cluster's memory between passes: "memory", "none", or "auto" (images that are
    streamed and fit)."""

    def opening(self) -> dict[str, Any]:
        """Give the options of `dasksom.image.open_picture`."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in ("chunk_size", "cache")}

    @field_validator("select")
    @classmethod
    def _is_selection(cls, value: Any) -> Any:
        parse_select(value)
        return value

    @field_validator("alpha")
    @classmethod
    def _is_alpha(cls, value: str | None) -> str | None:
        if value is not None and value not in ALPHA:
            raise ValueError(f"{value!r} is not one of {', '.join(ALPHA)}")
        return value

    @field_validator("cache")
    @classmethod
    def _is_cache(cls, value: str) -> str:
        if value not in CACHES:
            raise ValueError(f"{value!r} is not one of {', '.join(CACHES)}")
        return value

    @field_validator("chunk_size")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        try:
            size = 1 if value is None else parse_bytes(value)
        except OverflowError:
            raise ValueError(f"{value!r} is not a size") from None
        if size < 1:
            raise ValueError("a chunk holds at least one byte")
        return value


class OutputSection(_Section):
    """What is written."""

    image: bool = True
    """Whether a .zarr output holds the rebuilt image beside labels and palette."""
    pixels: str = "auto"
    layout: str = "auto"
    chunk: int | None = None
    shard: int | None = None
    codec: str | None = None
    ome_version: str = "0.5"
    dither: str = "none"
    """Whether colors are spread over a pattern: "none" or "bayer"."""
    storage: dict[str, Any] | None = Field(default=None, repr=False, exclude=True)
    """Options of the output's store, where it lies on one; None: those of the input, if it is of the same kind."""
    overwrite: bool = False
    """Whether an output that exists is replaced, once the new one is whole."""

    @field_validator("ome_version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, float) else value  # YAML reads 0.5 as a number

    @field_validator("dither")
    @classmethod
    def _is_dither(cls, value: str) -> str:
        if value not in DITHERS:
            raise ValueError(f"{value!r} is not one of {', '.join(DITHERS)}")
        return value

    def options(self) -> Options:
        """Give how the output is stored, as the image module takes it; `Options` explains each."""
        return Options(**self.model_dump(include={field.name for field in fields(Options)}))


class RunConfig(_Section):
    """One run."""

    map: MapSection = Field(default_factory=MapSection)
    cluster: ClusterSection = Field(default_factory=ClusterSection)
    input: InputSection = Field(default_factory=InputSection)
    output: OutputSection = Field(default_factory=OutputSection)


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where PyYAML would keep the last in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is given twice", problem_mark=node.value[number][0].start_mark
                )
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_CONFIG_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes; a configuration has at most {MOST_CONFIG_BYTES}")
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a YAML file that can be used: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: the sections {', '.join(RunConfig.model_fields)} are expected; found a {type(content).__name__}"
        )
    return {name: {} if section is None else section for name, section in content.items()}


def load_config(path: str | Path | None, given: dict[str, dict[str, Any]]) -> RunConfig:
    """Read a configuration file, if any, and lay what was given on the command line over it.

    Parameters
    ----------
    path : path of a YAML file, or None
    given : dict of section to dict of field to value
        None stands for "not given".

    Raises
    ------
    InputError
        For a file that cannot be read, an unknown key (the nearest known one is named), a value of the wrong kind.
    """
    content = _read(Path(path).expanduser()) if path is not None else {}
    for section, values in given.items():
        told = {name: value for name, value in values.items() if value is not None}
        if told and not isinstance(content.setdefault(section, {}), dict):
            raise InputError(f"{path}: {section}: a mapping is expected, not {content[section]!r}")
        if told:
            content[section] = {**content[section], **told}
    try:
        config = RunConfig.model_validate(content)
    except ValidationError as error:
        raise InputError("; ".join(_explain(problem, path) for problem in error.errors())) from None
    check_options(config.cluster.options())
    config.output.options()
    return config


def _explain(problem: Any, path: str | Path | None) -> str:
    place = [str(part) for part in problem["loc"]]
    name = ".".join(place)
    prefix = f"{path}: " if path is not None else ""
    if problem["type"] == "extra_forbidden":
        owner: Any = RunConfig
        for part in place[:-1]:
            owner = owner.model_fields[part].annotation
        known = list(owner.model_fields)
        near = difflib.get_close_matches(place[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        return f"{prefix}unknown key {name!r}; {hint}"
    return f"{prefix}{name}: {problem['msg'].removeprefix('Value error, ')}"

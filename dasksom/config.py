"""What a run is told: YAML and command line -> one frozen, checked record."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import yaml
from dask.utils import parse_bytes
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dasksom.cluster import ClusterOptions, TlsFiles, check_options
from dasksom.errors import InputError
from dasksom.image import ALPHA, parse_select
from dasksom.image.options import Options
from dasksom.passes import CACHES
from dasksom.som.dithering import DITHERS

MOST_CONFIG_BYTES = 1 << 20
ON_BAD_CHUNK = ("stop", "skip")
"""What becomes of chunks that cannot be read."""


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
    seed: int | None = Field(default=0, ge=0)

    @field_validator("grid", mode="before")
    @classmethod
    def _rows_by_columns(cls, value: Any) -> Any:
        match = re.fullmatch(r"\s*(\d+)\s*[xX]\s*(\d+)\s*", value) if isinstance(value, str) else None
        if isinstance(value, str) and match is None:
            raise ValueError(f"{value!r} is not ROWSxCOLUMNS, such as 16x16")
        return tuple(int(side) for side in match.groups()) if match else value

    @field_validator("grid")
    @classmethod
    def _has_units(cls, value: tuple[int, int]) -> tuple[int, int]:
        if min(value) < 1:
            raise ValueError(f"{value[0]}x{value[1]} has no units; at least 1x1 is needed")
        return value


class TlsSection(_Section):
    """Paths of the PEM files of a cluster that is reached by tls://."""

    ca: str
    cert: str
    key: str


class ClusterSection(_Section):
    """Where the run's tasks are computed; `ClusterOptions` explains each."""

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
    """Whether options may carry commands; from the command line alone."""

    def as_options(self) -> ClusterOptions:
        """Give the options as the cluster module takes them."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        given["tls"] = None if self.tls is None else TlsFiles(**self.tls.model_dump())
        return ClusterOptions(**given)

    def reached_by(self, options: ClusterOptions) -> "ClusterSection":
        """Lead to the cluster that an allocation's processes make up."""
        names = ("name", "minimum_workers", "options")
        return self.model_copy(update={name: getattr(options, name) for name in names})


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
    on_bad_chunk: str = "stop"
    """What becomes of chunks that cannot be read: "stop" the run, or "skip" them, as pixels without data."""
    allow_outside: bool = False
    """Whether a .vrt may name files outside of its own folder."""
    storage: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)
    """Options of a remote store's file system; may hold keys, so it is neither shown nor written anywhere."""
    chunk_size: str | None = None
    """Largest decoded chunk, such as 64MiB; by default 64 MiB, or less where `memory_limit` is small."""
    cache: str = "auto"
    """Whether the chunks are held in the cluster's memory between passes: "memory", "none", or "auto" (images that are
    streamed and fit)."""

    def opening(self) -> dict[str, Any]:
        """Give the options of `dasksom.image.open_picture`; that parts may be left out too (`unread`)."""
        others = ("chunk_size", "cache", "on_bad_chunk")
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in others}
        return {**given, "unread": () if self.skips else None}

    @property
    def skips(self) -> bool:
        """Whether chunks that cannot be read are left out."""
        return self.on_bad_chunk == "skip"

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

    @field_validator("on_bad_chunk")
    @classmethod
    def _is_way(cls, value: str) -> str:
        if value not in ON_BAD_CHUNK:
            raise ValueError(f"{value!r} is not one of {', '.join(ON_BAD_CHUNK)}")
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
    report: bool = False
    """Whether a report of the run is written beside the output."""
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


class _RefusedError(yaml.MarkedYAMLError):
    """What is YAML, and is not accepted here all the same."""


class _Plain(yaml.SafeLoader):
    """Safe YAML without the surprises of its version 1.1.

    A key given twice is refused, where PyYAML would keep the last in silence, and so are aliases, which can make
    gigabytes of a few lines. And only what looks like a number is one: 1e-4 is, 12:30:45 (45045 elsewhere), 010 (8) and
    no (false) are text.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _RefusedError(problem="aliases (*name) are not accepted", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise _RefusedError(
                    problem=f"the key {key!r} is given twice", problem_mark=node.value[number][0].start_mark
                )
        return super().construct_mapping(node, deep)


_Plain.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
):
    _Plain.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def _read(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file() and path.exists():
            raise InputError(f"{path}: is no file (a folder, pipe or device); a configuration is a YAML file")
        if path.stat().st_size > MOST_CONFIG_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes; a configuration has at most {MOST_CONFIG_BYTES}")
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Plain)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a YAML file that can be used: byte {error.start} is no UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a YAML file that can be used: {_place_of(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: the sections {', '.join(RunConfig.model_fields)} are expected; found a {type(content).__name__}"
        )
    return {name: {} if section is None else section for name, section in content.items()}


def _place_of(error: Exception) -> str:
    """Say what is wrong where, without a word of the file: a line that cannot be read may well hold a password."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
    if isinstance(error, _RefusedError):
        return f"{error.problem}{where}"
    kinds = {
        yaml.constructor.ConstructorError: "a value of a kind (a tag, !name) that is not accepted",
        yaml.composer.ComposerError: "a second document, or an anchor, which are not accepted,",
        yaml.scanner.ScannerError: "signs that have no place there (a tab, a colon or quote too many or too few)",
        yaml.parser.ParserError: "something else than was to come there (a bracket or comma too many or too few)",
    }
    what = next((text for kind, text in kinds.items() if isinstance(error, kind)), "signs that are no text")
    return f"{what}{where}; put text with such signs into quotes"


def _laid_over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Give a mapping with the keys of both; those of `over` win, in mappings inside too."""
    both = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], dict) and isinstance(over[key], dict):
            both[key] = _laid_over(under[key], over[key])
    return both


Paths = str | Path | Sequence[str | Path] | None


def load_config(paths: Paths, given: dict[str, dict[str, Any]]) -> RunConfig:
    """Read configuration files, if any, and lay what was given on the command line over them.

    Parameters
    ----------
    paths : path of a YAML file, or several, of which later ones win key by key
    given : dict of section to dict of field to value
        None stands for "not given".

    Raises
    ------
    InputError
        For a file that cannot be read, an unknown key (the nearest known one is named), a value of the wrong kind.
    """
    files = [] if paths is None else [paths] if isinstance(paths, str | Path) else list(paths)
    path = ", ".join(map(str, files)) or None
    content: dict[str, Any] = {}
    for file in files:
        content = _laid_over(content, _read(Path(file).expanduser()))
    if isinstance(told := content.get("cluster"), dict) and "allow_shell" in told:
        raise InputError(f"{path}: cluster.allow_shell: a file cannot allow itself commands; give --allow-shell")
    for section, values in given.items():
        told = {name: value for name, value in values.items() if value is not None}
        if told and not isinstance(content.setdefault(section, {}), dict):
            raise InputError(
                f"{path}: {section}: a mapping of its keys is expected, not a {type(content[section]).__name__}"
            )
        if told:
            content[section] = {**content[section], **told}
    try:
        config = RunConfig.model_validate(content)
    except ValidationError as error:
        raise InputError("; ".join(_explain(problem, path) for problem in error.errors())) from None
    check_options(config.cluster.as_options())
    config.output.options()
    return config


_IN_WORDS = {
    "tuple_type": "two numbers are expected, such as [3, 0.5]",
    "model_type": "a mapping of its keys is expected",
}
"""What is said in place of pydantic's words for Python's types."""


def _explain(problem: Any, path: str | None) -> str:
    place = [str(part) for part in problem["loc"]]
    name = ".".join(place)
    prefix = f"{path}: " if path is not None else ""
    if problem["type"] == "extra_forbidden":
        owner: Any = RunConfig
        for part in place[:-1]:
            annotation = owner.model_fields[part].annotation
            owner = next(one for one in (annotation, *get_args(annotation)) if hasattr(one, "model_fields"))
        known = [key for key, field in owner.model_fields.items() if not field.exclude]
        near = difflib.get_close_matches(place[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        return f"{prefix}unknown key {name!r}; {hint}"
    told = _IN_WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{prefix}{name}: {told}"

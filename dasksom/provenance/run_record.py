"""The record of a run: settings, versions, machine, history, input and output; plain JSON without secrets."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dasksom._version import __version__
from dasksom.redaction import redact_settings
from dasksom.som.quality import Epoch, Quality
from dasksom.storage.local_paths import absolute_path
from dasksom.storage.locations import is_remote, shown

PACKAGES = ("dask", "distributed", "numba", "numpy", "scikit-image", "scipy", "tifffile", "zarr")
_REPEATABLE = ("source", "stack", "size", "dtype", "decoded_bytes", "not_read", "history", "quality")
"""Fields that are equal for all repetitions of a run."""
_STORED = (*_REPEATABLE, "started", "config", "cluster", "versions", "seconds")
"""Fields that are stored in outputs."""
_NOT_IN_SUMMARY = {
    "report",
    "source",
    "stack",
    "size",
    "decoded_bytes",
    "history",
    "quality",
    "started",
    "config",
    "cluster",
}
"""Fields that the summary of a run omits or replaces."""


OPENING = ("component", "stack", "series", "level", "select", "bands", "axes", "alpha", "nodata", "fill_missing")
"""Fields of a run's configuration that determine how its image was opened."""


class _Record(BaseModel):
    # JSON has no NaN; an older dasksom ignores fields of a newer one
    model_config = ConfigDict(
        frozen=True, extra="ignore", ser_json_inf_nan="null", from_attributes=True, use_attribute_docstrings=True
    )


class EpochRecord(_Record):
    """Measurements of one epoch, as in `dasksom.som.quality.Epoch`."""

    epoch: int
    sigma: float
    mean_squared_error: float
    quantization_error: float
    distortion: float
    explained_variance: float | None
    empty_units: int
    sampled: bool = False


class QualityRecord(_Record):
    """Quality of the palette over all pixels, as in `dasksom.som.quality.Quality`."""

    hits: tuple[float, ...]
    mean_squared_error: float
    quantization_error: float
    explained_variance: float | None
    topographic_error: float | None


class RunRecord(_Record):
    """The record of one run."""

    source: str | None = None
    """Absolute path, or URL, of the image; of several files of bands, of the first."""
    stack: tuple[str, ...] = ()
    """Absolute paths, or URLs, of the files of the bands; empty if the image is in one file or folder."""
    size: tuple[int, int, int] | None = None
    """Height, width, bands."""  # not named `shape`: tifffile interprets JSON with that key in a TIFF as its own
    dtype: str | None = None
    decoded_bytes: int | None = None
    not_read: tuple[tuple[int, int, int, int], ...] = ()
    """Unreadable regions of the images: first and last row, first and last column."""
    history: tuple[EpochRecord, ...] = ()
    quality: QualityRecord | None = None
    """None if the run did not measure it."""
    started: str | None = None
    """UTC, ISO 8601."""
    config: dict[str, dict[str, Any]] = Field(default_factory=dict)
    cluster: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds of each stage."""

    image: str = ""
    """Image as given by the user, and the number of further images."""
    output: str = ""
    report: str = ""
    """Path of the report, if one was written."""
    classes: tuple[str, ...] = ()
    """The classes and their files, in words, if they were written."""
    units: int = 0
    more_pixels: int = 0
    """Pixels of the images after the first, if a map is trained on several."""
    color_space: str = "rgb"
    """Color space of the errors."""
    plan: str = ""
    """The plan, in one line."""
    passes: int = 0
    bytes_read: int = 0
    """Decoded bytes of the chunks of all passes."""
    bytes_written: int | None = 0
    """Stored size of the output; null on an object store."""
    workers: int | None = None
    """Number of workers; null if the run used the threads of its own process."""
    tasks: int | None = None
    retries: int | None = None
    lost_workers: int | None = None

    @classmethod
    def begin(
        cls, source: str | Sequence[str], image: Any, config: dict[str, dict[str, Any]], output: str = ""
    ) -> Self:
        """Create the record of a run that is about to start, on an image of one path or of one path per band."""
        paths = (source,) if isinstance(source, str) else source
        return cls(
            source=_absolute(paths[0]),
            stack=tuple(map(_absolute, paths)) if len(paths) > 1 else (),
            size=image.shape,
            dtype=str(image.dtype),
            decoded_bytes=image.nbytes,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            config=redact_settings(config),
            versions={
                "python": platform.python_version(),
                "dasksom": __version__,
                **{name: version(name) for name in PACKAGES},
            },
            image=_text(paths[0]) + (f" and {len(paths) - 1} more bands" if len(paths) > 1 else ""),
            output=_text(output),
        )

    @classmethod
    def read(cls, stored: Any) -> Self | None:
        """Parse a stored record; None if it is invalid."""
        try:
            return cls.model_validate(stored)
        except ValidationError:
            return None

    def updated(self, **fields: Any) -> Self:
        """Return a copy with other values of some fields."""
        return self.model_copy(update=fields)

    def trained(self, history: tuple[Epoch, ...], quality: Quality | None) -> Self:
        """Add the result of a training or of a measuring pass; there is no quality if no pixel was used."""
        measured = quality is not None and quality.hits.any()
        return self.updated(
            history=tuple(EpochRecord.model_validate(epoch) for epoch in history),
            quality=QualityRecord.model_validate(quality) if measured else None,
        )

    @property
    def mean_squared_error(self) -> float:
        """Mean squared error of the palette over all pixels; NaN if the run did not measure it."""
        return float("nan") if self.quality is None else self.quality.mean_squared_error

    @property
    def empty_units(self) -> int | None:
        """Number of units that no pixel has; None if the run did not measure it."""
        return None if self.quality is None else sum(hits == 0 for hits in self.quality.hits)

    def _as_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.model_dump_json())  # NaN becomes null here, but not in `model_dump`
        return fields

    def stored(self) -> dict[str, Any]:
        """Return the fields stored in outputs, as JSON."""
        fields = self._as_json()
        return {name: fields[name] for name in _STORED}

    def repeatable(self) -> dict[str, Any]:
        """Return the fields that are equal for all repetitions of a run, so that files have the same bytes."""
        fields = self._as_json()
        declared = fields["config"].get("input", {})
        opening = {name: declared[name] for name in OPENING if declared.get(name) not in (None, False)}
        # files to which nothing can be added need them to open the image again
        return {**{name: fields[name] for name in _REPEATABLE}, "config": {"input": opening} if opening else {}}

    def summary(self) -> dict[str, Any]:
        """Return the summary of the run, as JSON."""
        fields = self._as_json()
        return {
            **{name: value for name, value in fields.items() if name not in _NOT_IN_SUMMARY},
            "shape": fields["size"],
            "mean_squared_error": None if self.quality is None else self.quality.mean_squared_error,
            "empty_units": self.empty_units,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines of a readable summary of the run."""
        height, width, bands = self.size or (0, 0, 0)
        more = f" and {self.more_pixels / 1e6:.3g} Mpx of other images" if self.more_pixels else ""
        size = f"{width} x {height} pixels{more}, {bands} band{'s' * (bands != 1)} of {self.dtype}"
        yield f"{self.output}: {size}, {self.units} colors"
        if self.empty_units is not None:
            space = "" if self.color_space == "rgb" else f" in {self.color_space}"
            used = f"{self.units - self.empty_units} of {self.units} units used"
            yield f"mean squared error {self.mean_squared_error:.4g} per pixel{space}, {used}"
        if sampled := sum(epoch.sampled for epoch in self.history):
            yield f"warm-up: {sampled} of {len(self.history)} epochs on a sample of the pixels"
        if self.not_read:
            yield describe_unread(self.not_read)
        times, total = ", ".join(f"{name} {time:.1f} s" for name, time in self.seconds.items()), self.total_seconds
        speed = (height * width + self.more_pixels) / max(total, 1e-9) / 1e6
        yield f"{times}; {speed:.3g} Mpx/s"
        if self.report:
            yield f"{self.report}: report"
        yield from self.classes

    @property
    def total_seconds(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())


def summary_schema() -> dict[str, Any]:
    """Return the JSON schema of the summary of a run, as `--summary` writes it."""
    described: dict[str, Any] = RunRecord.model_json_schema(mode="serialization")["properties"]
    properties = {name: field for name, field in described.items() if name not in _NOT_IN_SUMMARY}
    properties["shape"] = described["size"]
    for name, kind, text in (
        ("mean_squared_error", "number", "Per pixel, over all pixels; null if the run did not measure it."),
        ("empty_units", "integer", "Number of units that no pixel has; null if the run did not measure it."),
    ):
        properties[name] = {"description": text, "type": [kind, "null"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Summary of a run of dasksom",
        "type": "object",
        "properties": {name: {**field, "title": name} for name, field in properties.items()},
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _absolute(path: str) -> str:
    return _text(shown(path) if is_remote(path) else str(absolute_path(path)))


def _text(path: str) -> str:
    """Return a path as text for JSON: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


_MOST_LISTED = 20
"""Maximum number of unreadable rectangles that are listed."""


def describe_unread(parts: tuple[tuple[int, int, int, int], ...]) -> str:
    """Describe the pixels that could not be read, with the first rectangles by rows and columns."""
    pixels = sum((bottom - top) * (right - left) for top, bottom, left, right in parts)
    ranges = [f"rows {top}:{bottom}, columns {left}:{right}" for top, bottom, left, right in parts[:_MOST_LISTED]]
    more = [f"and {len(parts) - _MOST_LISTED} more"] if len(parts) > _MOST_LISTED else []
    where = "one region" if len(parts) == 1 else f"{len(parts)} regions"
    return f"{pixels:,} pixels in {where} could not be read and are treated as no data ({'; '.join(ranges + more)})"


def cluster_of(client: Any) -> dict[str, Any]:
    """Describe the workers of a dask Client, or the threads of this process."""
    machine = {"system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
    if not hasattr(client, "scheduler_info"):
        return {"kind": "threads of one process", **machine}
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return {
        "kind": "worker processes",
        "workers": len(workers),
        "threads": sum(int(worker["nthreads"]) for worker in workers),
        "memory": sum(int(worker["memory_limit"]) for worker in workers),
        **machine,
    }

"""What a run tells of itself beside its pixels: settings, versions, machine, history; plain JSON, no secrets."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dasksom.redaction import redact, redact_settings
from dasksom.som.map_state import Epoch
from dasksom.som.quality import Quality

PACKAGES = ("dasksom", "dask", "distributed", "numba", "numpy", "scikit-image", "scipy", "tifffile", "zarr")


class _Record(BaseModel):
    # NaN is no JSON; what a newer dasksom adds is none of an older one's business
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null", from_attributes=True)


class EpochRecord(_Record):
    """What was seen in one epoch; `Epoch` explains each."""

    epoch: int
    sigma: float
    mean_squared_error: float
    quantization_error: float
    distortion: float
    explained_variance: float | None
    empty_units: int


class QualityRecord(_Record):
    """How well the palette fits all pixels; `Quality` explains each."""

    hits: tuple[float, ...]
    mean_squared_error: float
    quantization_error: float
    explained_variance: float | None
    topographic_error: float | None


class RunRecord(_Record):
    """One run."""

    source: str | None = None
    """Absolute path, or URL, of the image."""
    size: tuple[int, int, int] | None = None
    """Height, width, bands; not called a shape, for tifffile takes JSON with that name in a TIFF for its own."""
    dtype: str | None = None
    decoded_bytes: int | None = None
    not_read: tuple[tuple[int, int, int, int], ...] = ()
    """Parts of the image that could not be read, and were left out: first and last row, first and last column."""
    history: tuple[EpochRecord, ...] = ()
    quality: QualityRecord | None = None
    started: str | None = None
    """UTC, ISO 8601."""
    config: dict[str, dict[str, Any]] = Field(default_factory=dict)
    cluster: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    """Time of each stage."""

    @classmethod
    def begin(cls, source: str, image: Any, config: dict[str, dict[str, Any]]) -> Self:
        """Note what is known before anything is computed."""
        return cls(
            source=redact(source) if "://" in source else os.path.abspath(os.path.expanduser(source)),
            size=image.shape,
            dtype=str(image.dtype),
            decoded_bytes=image.nbytes,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            config=redact_settings(config),
            versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        )

    @classmethod
    def read(cls, found: Any) -> Self | None:
        """Take what a file says of its run; None where that has another form."""
        try:
            return cls.model_validate(found)
        except ValidationError:
            return None

    def trained(self, history: tuple[Epoch, ...], quality: Quality | None) -> Self:
        """Note what a training, or a measuring pass, told; of no pixels at all, nothing was measured."""
        measured = quality is not None and quality.hits.any()
        return self.model_copy(
            update={
                "history": tuple(EpochRecord.model_validate(epoch) for epoch in history),
                "quality": QualityRecord.model_validate(quality) if measured else None,
            }
        )

    def whole(self) -> dict[str, Any]:
        """Give everything as JSON."""
        told: dict[str, Any] = json.loads(self.model_dump_json())  # NaN is null, which `model_dump` alone leaves
        return told

    def lasting(self) -> dict[str, Any]:
        """Give what is the same whenever and wherever the run is repeated, so that files have the same bytes."""
        volatile = {"started", "config", "cluster", "versions", "seconds"}
        return {name: value for name, value in self.whole().items() if name not in volatile}


def cluster_of(client: Any) -> dict[str, Any]:
    """Tell what a run computes on: a dask Client's workers, or else the threads of this process."""
    about = {"system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
    if not hasattr(client, "scheduler_info"):
        return {"kind": "threads of one process", **about}
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return {
        "kind": "worker processes",
        "workers": len(workers),
        "threads": sum(int(worker["nthreads"]) for worker in workers),
        "memory": sum(int(worker["memory_limit"]) for worker in workers),
        **about,
    }

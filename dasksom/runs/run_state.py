"""Save and restore the state of an interrupted run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

from dasksom.chunkwise import SMALL_RECORD_SECONDS, ThrottledKeeper
from dasksom.config import RunConfig
from dasksom.errors import InputError
from dasksom.image import Picture, RunFolder, fingerprint, is_remote, shown
from dasksom.quantization.write_journal import JOURNAL_RECORD
from dasksom.redaction import redact_settings
from dasksom.runs.input_image import ImagePaths, shown_image
from dasksom.som.codebook import Codebook
from dasksom.storage.local_paths import absolute_path
from dasksom.training.checkpoint import HOW, Checkpoint

if TYPE_CHECKING:
    from dasksom.image import StoreRun

VERSIONS = ("dasksom", "numba", "numpy", "zarr")
"""Packages whose versions may change the result of a run."""

Work: TypeAlias = "RunFolder | StoreRun"
"""Location of a run's records and unfinished output."""


@dataclass(frozen=True)
class Request:
    """The command and arguments of a run."""

    command: str
    """"quantize" or "train"."""
    sources: tuple[str, ...]
    """Absolute paths, and URLs without secrets."""
    model: str | None
    config: dict[str, Any]
    summary: str | None = None
    """Absolute path of the requested summary."""


def begin(
    work: Work,
    request: Request,
    groups: Sequence[ImagePaths],
    images: Sequence[Picture],
    codebook: Codebook | None = None,
) -> ThrottledKeeper:
    """Save the identity of a run, or check that it matches the run begun by an earlier process.

    Parameters
    ----------
    work : Work
        Location of the records.
    request : Request
    groups : sequence of ImagePaths
        Paths of each image.
    images : sequence of Picture
        Inputs.
    codebook : Codebook, optional
        The map that is applied.

    Raises
    ------
    InputError
        If it does not match; the message names the changes.
    """
    kept = Checkpoint(work.records)
    identity: dict[str, Any] = {f"version of {name}": version(name) for name in VERSIONS}
    identity |= {
        "command": request.command,
        "map": None if codebook is None else _digest_of(codebook),
    }
    for section in ("map", "input", "output"):
        identity |= {f"{section}.{name}": value for name, value in request.config[section].items()}
    named = [_lasting_name(group) for group in groups]
    for source, picture in zip(named, images, strict=True):
        identity[f"image {source}"] = [fingerprint(picture), str(picture.pixels.chunks)]
    changed = kept.changes(identity)
    for source in named:
        changed = [f"{source} has changed" if one.startswith(f"image {source}:") else one for one in changed]
    if changed:
        raise InputError(
            f"{shown(str(work.final))}: cannot resume, because the result would differ: {'; '.join(changed)}; "
            "restore that, or start over (the first command, with --overwrite)"
        )
    begun = kept.identity() is not None
    if not begun:
        kept.agree(identity)
        kept.save(HOW, json.dumps(asdict(request)))
    return ThrottledKeeper(kept, delay=0 if begun else SMALL_RECORD_SECONDS)


def _digest_of(codebook: Codebook) -> str:
    digest = sha256(codebook.weights.tobytes())
    if codebook.feature_weights is not None:
        digest.update(codebook.feature_weights.tobytes())
        digest.update(json.dumps(codebook.about.get("state", {}).get("features"), sort_keys=True).encode())
    return digest.hexdigest()


def check_inputs_unchanged(work: Work, groups: Sequence[ImagePaths], images: Sequence[Picture]) -> None:
    """Check that no image changed while it was read; otherwise delete the records and raise.

    Parameters
    ----------
    work : Work
        Location of the records.
    groups : sequence of ImagePaths
        Paths of each image.
    images : sequence of Picture

    Raises
    ------
    InputError
    """
    then = Checkpoint(work.records).identity() or {}
    for group, picture in zip(groups, images, strict=True):
        if then.get(f"image {_lasting_name(group)}", [None])[0] != fingerprint(picture):
            work.records.clear()
            raise InputError(f"{shown_image(group)}: changed while it was read; start over once nothing writes to it")


def has_written(work: Work) -> bool:
    """Return whether chunks written by an earlier process are kept."""
    return any(name.startswith(JOURNAL_RECORD) for name in work.records.names())


def load_request(work: Work) -> Request:
    """Load the request of a run.

    Raises
    ------
    InputError
        If it was not saved, or is damaged.
    """
    try:
        saved = json.loads(Checkpoint(work.records).load(HOW))
        return Request(saved["command"], tuple(saved["sources"]), saved["model"], saved["config"], saved.get("summary"))
    except (ValueError, KeyError, TypeError):  # missing, or not ours
        raise InputError(
            f"{shown(str(work.final))}: the records of its run are missing or damaged; start over (the first "
            "command, with --overwrite)"
        ) from None


def request_of(
    command: str,
    sources: Sequence[str],
    model: str | None,
    config: RunConfig,
    chunk_bytes: int,
    summary: str | None = None,
) -> Request:
    """Return the request of a run, independent of the current folder and the machine."""
    settings = config.model_dump(mode="json")
    settings["input"]["chunk_size"] = f"{chunk_bytes}B"  # the default depends on the cluster's memory
    settings["input"]["mask"] = tuple(map(lasting_path, config.input.mask_paths)) or None
    if redact_settings(config.cluster.options) != config.cluster.options:
        settings["cluster"] = None  # holds secrets
    return Request(
        command,
        tuple(map(lasting_path, sources)),
        None if model is None else lasting_path(model),
        settings,
        None if summary is None else lasting_path(summary),
    )


def resumed_config(request: Request, given: RunConfig) -> RunConfig:
    """Return the configuration of a resumed run: the saved one, with the cluster and secrets given now.

    Raises
    ------
    InputError
        If any other option is given.
    """
    for section in ("map", "input", "output"):
        if more := getattr(given, section).model_fields_set - {"storage"}:
            raise InputError(
                f"{section}.{min(more)}: a run resumes with its first settings; give only cluster, input.storage and "
                "output.storage"
            )
    if request.config["cluster"] is None and not given.cluster.model_fields_set:
        raise InputError(
            "cluster.options held secrets or variables, which are not saved; name the cluster again (--config)"
        )
    config = RunConfig.model_validate({name: values for name, values in request.config.items() if values is not None})
    update: dict[str, Any] = {
        section: getattr(config, section).model_copy(update={"storage": getattr(given, section).storage})
        for section in ("input", "output")
    }
    if given.cluster.model_fields_set:
        update["cluster"] = given.cluster
    if config.map.device == "cuda":  # results are the same where there is no GPU
        update["map"] = config.map.model_copy(update={"device": "auto"})
    return config.model_copy(update=update)


def lasting_path(path: str) -> str:
    """Return an absolute path, or a URL without secrets."""
    return shown(path) if is_remote(path) else str(absolute_path(path))


def _lasting_name(group: ImagePaths) -> str:
    return ", ".join(map(lasting_path, group))

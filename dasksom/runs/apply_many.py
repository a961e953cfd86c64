"""Apply a trained map to several images."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dasksom.config import RunConfig
from dasksom.errors import DasksomError, InputError
from dasksom.image import check_folder, image_groups, is_remote, output_suffix, run_folder, shown
from dasksom.provenance.run_record import RunRecord
from dasksom.runs.input_image import ImagePaths, shown_image
from dasksom.runs.watcher import Watcher
from dasksom.runs.workflows import quantize_image


@dataclass(frozen=True)
class Applied:
    """The result for one of several images."""

    source: ImagePaths
    output: str
    record: RunRecord | None = None
    """None if the output already existed, and so is complete, or if the run failed."""
    error: DasksomError | None = None


def apply_to_many(
    model: str, sources: Sequence[str], folder: str, suffix: str, config: RunConfig, watcher: Watcher
) -> Iterator[Applied]:
    """Write several images in the colors of a trained map, each to an output of the same name in a folder.

    Existing outputs are complete and are skipped, unless they may be overwritten: the same call resumes an interrupted
    one. A failed image does not stop the others.

    Parameters
    ----------
    model : str
    sources : sequence of str
        Paths; a folder means every image in it.
    folder : str
        Created if it does not exist.
    suffix : str
        Suffix of the outputs; determines their format.
    config : RunConfig
    watcher : Watcher

    Raises
    ------
    InputError
        Before anything is written, if two outputs would have the same name, or the folder or suffix cannot be used.
    """
    if is_remote(folder):
        raise InputError(
            f"{folder}: the outputs of several images go to a folder; write one image at a time to a store"
        )
    if output_suffix(f"a{suffix}") != suffix:
        near = f"; did you mean .{suffix}?" if output_suffix(f"a.{suffix}") == f".{suffix}" else ""
        raise InputError(
            f"--format {suffix}: is not what outputs may end in, such as .ome.zarr, .zarr, .tif or .png{near}"
        )
    outputs = _outputs(image_groups(sources, config.input.stack), folder, suffix)
    inputs = config.input.of_each_image(len(outputs))
    check_folder(folder, sources, outputs)
    try:
        Path(folder).expanduser().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: no folder for the outputs can be created there: {error.strerror}") from error
    for (output, source), own in zip(outputs.items(), inputs, strict=True):
        try:
            if os.path.lexists(output) and not config.output.overwrite:
                yield Applied(source, output)
                continue
            resume = not config.output.overwrite and run_folder(Path(output)).is_dir()
            settings = config.model_copy(update={"input": own})
            yield Applied(source, output, quantize_image(source, output, settings, watcher, model=model, resume=resume))
        except DasksomError as error:
            yield Applied(source, output, error=error)
        except (OSError, ValueError) as error:  # such as a name that is too long; other images may succeed
            yield Applied(source, output, error=DasksomError(f"{type(error).__name__}: {error}"))


def _outputs(images: Sequence[ImagePaths], folder: str, suffix: str) -> dict[str, ImagePaths]:
    """Return the images by the names of their outputs."""
    outputs: dict[str, ImagePaths] = {}
    for paths in images:
        name = Path(shown(paths[0])).name.removesuffix(".zip")
        stem = name.removesuffix(output_suffix(name) or Path(name).suffix).removesuffix(".ome")
        output = str(Path(folder).expanduser() / (stem + suffix))
        if output in outputs:
            raise InputError(
                f"{shown_image(paths)} and {shown_image(outputs[output])} would both be written to {output}; rename "
                "one of them"
            )
        outputs[output] = paths
    return outputs

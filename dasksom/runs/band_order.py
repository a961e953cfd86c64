"""Bring the bands of images into the order of a map, or of the first image, by name."""

import logging
from collections.abc import Sequence

import dask.array as da

from dasksom.config import RunConfig
from dasksom.errors import InputError
from dasksom.estimator import BatchMap
from dasksom.image import Picture, shown
from dasksom.image.sources.bands import listed_bands

logger = logging.getLogger(__name__)


def identify(names: Sequence[str]) -> bool:
    """Return whether names identify bands: there are some, and each is used once."""
    return bool(names) and len(set(names)) == len(names)


def in_order_of_map(
    picture: Picture, som: BatchMap, source: str, model: str, config: RunConfig
) -> tuple[Picture, RunConfig]:
    """Return an image with its bands in the order of a map, and the configuration that opens it so.

    Bands that are selected (`input.bands`) stay as they are; so do those of a map or an image without names.

    Parameters
    ----------
    picture : Picture
    som : BatchMap
        The map; its bands may have no names.
    source : str
        Name of the image, for messages.
    model : str
        Path of the map, for messages.
    config : RunConfig

    Raises
    ------
    InputError
        The image lacks a band of the map.
    """
    names = [str(name) for name in getattr(som, "feature_names_in_", ())]
    if config.input.bands is not None or not identify(names) or tuple(names) == picture.band_names:
        return picture, config
    if not identify(picture.band_names):
        logger.warning(
            "%s: its bands have no names; they are taken in the order of the map: %s", source, ", ".join(names)
        )
        return picture, config
    missing = [name for name in names if name not in picture.band_names]
    if missing:
        raise InputError(
            f"{source}: lacks {', '.join(missing[:8])}, of which {shown(model)} was trained; its bands are "
            f"{_listed(picture.band_names)}: if they only have other names, list the bands "
            "of the map in its order with --bands, by name or number"
        )
    section = config.input.model_copy(update={"bands": tuple(names)})
    return picture.of_bands(list(names)), config.model_copy(update={"input": section})


def in_one_order(paths: Sequence[str], pictures: Sequence[Picture]) -> list[Picture]:
    """Return images with their bands in the order of the first image, where all have names.

    Raises
    ------
    InputError
        An image has other bands than the first.
    """
    names = pictures[0].band_names
    if not all(identify(picture.band_names) for picture in pictures):
        return list(pictures)
    for path, picture in zip(paths, pictures, strict=True):
        if sorted(picture.band_names) != sorted(names):
            raise InputError(
                f"{path}: its bands are {_listed(picture.band_names)}, and those of "
                f"{paths[0]} {_listed(names)}; select the same bands of all images with --bands, "
                "by name or number"
            )
    return [picture if picture.band_names == names else picture.of_bands(list(names)) for picture in pictures]


def _listed(names: Sequence[str]) -> str:
    return listed_bands(names, len(names))


def check_bands_of_map(som: BatchMap, model: str, image: da.Array, source: str) -> None:
    """Check that an image has the bands of a map; warn if its values have another meaning.

    Raises
    ------
    InputError
        It has another number of bands.
    """
    if image.shape[2] != som.n_features_in_:
        raise InputError(
            f"{source}: has {image.shape[2]} bands, and {shown(model)} was trained on {som.n_features_in_}; "
            "select the bands that it was trained on (--bands), or use another map"
        )
    types = {som.dtype_ or str(image.dtype), str(image.dtype)}
    if som.color_space == "rgb" and len(types) > 1 and not types <= {"float16", "float32", "float64"}:
        logger.warning(
            "%s is %s and %s was trained on %s; numbers are compared as they are: if the scales differ, convert the "
            "image or train another map",
            source,
            image.dtype,
            shown(model),
            som.dtype_,
        )

"""Paths of the images of a run: one path an image, or those of the files of its bands."""

from collections.abc import Sequence

from dasksom.image import shown

ImagePaths = tuple[str, ...]
"""Paths or URLs of the files of one image: one, or one a band (`input.stack`)."""


def paths_of(source: str | Sequence[str]) -> ImagePaths:
    """Return the paths of an image."""
    return (source,) if isinstance(source, str) else tuple(source)


def shown_image(source: str | Sequence[str]) -> str:
    """Return the name of an image for messages, without secrets: its path, or the first and the number of others."""
    paths = paths_of(source)
    return shown(paths[0]) if len(paths) == 1 else f"{shown(paths[0])} and {len(paths) - 1} more files"

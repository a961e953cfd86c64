"""The lattice and the original image of an output, from the record of its run."""

from dataclasses import dataclass
from typing import Any, Self

from dasksom.errors import InputError
from dasksom.image import Picture, QuantizedImage, open_picture
from dasksom.provenance.run_record import OPENING, RunRecord
from dasksom.som.choices import TOPOLOGIES
from dasksom.som.lattice import Lattice

CHUNK_BYTES = 4 << 20
"""Chunk size of the original image: small, because tiles are cut from it."""
UNKNOWN_LATTICE = "The output does not declare the size of its map, whose units are drawn in one row."


def lattice_of_output(result: QuantizedImage) -> Lattice | None:
    """Return the lattice of an output's map; None if the output does not record its size."""
    declared = result.about.get("parameters", {})
    rows, columns = (declared.get(name) if isinstance(declared, dict) else None for name in ("rows", "columns"))
    if not (isinstance(rows, int) and isinstance(columns, int) and rows * columns == len(result.palette) and rows > 0):
        return None
    topology = str(declared.get("topology"))
    topology = topology if topology in TOPOLOGIES else "rectangular"
    toroidal = declared.get("toroidal") is True and (topology == "rectangular" or rows % 2 == 0)
    return Lattice(rows, columns, topology, toroidal)


@dataclass(frozen=True, eq=False)
class Original:
    """The image that a run read, if it is still available."""

    path: str | None
    picture: Picture | None
    opening: dict[str, Any]
    """Options with which the image was opened."""
    missing: str = ""
    """Reason for not having a picture."""

    @classmethod
    def find(cls, given: str | None, record: RunRecord, *, just_ran: bool = False) -> Self:
        """Open the given image, or the one that the output names.

        Parameters
        ----------
        given : path of the image, if given by the user
        record : record of the run, from the output or from the run itself
        just_ran : whether the record is from the run itself; a record in a file is not trusted with user permissions

        Raises
        ------
        InputError
            If the given image cannot be read. For an image named by the output, `missing` reports it.
        """
        if given is None and (record.source is None or "://" in record.source):
            # URLs from files are not fetched without a request either
            return cls(None, None, {}, "The output names no image on this machine; give the original with --original.")
        path = given or str(record.source)
        declared = record.config.get("input", {}) if path == record.source else {}
        names = (*OPENING, "allow_outside") if just_ran else OPENING
        opening = {name: declared[name] for name in names if declared.get(name) is not None}
        if declared.get("on_bad_chunk") == "skip":
            opening["unread"] = record.not_read
        try:
            image = list(record.stack) if record.stack and given is None else path
            return cls(path, open_picture(image, chunk_bytes=CHUNK_BYTES, **opening), opening)
        except InputError as error:
            if given is not None:
                raise
            return cls(path, None, opening, f"The original cannot be read any more: {error}")

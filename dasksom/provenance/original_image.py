"""What an output tells of the run that made it: where its units sit, and the image that it was made of."""

from dataclasses import dataclass
from typing import Any, Self

from dasksom.errors import InputError
from dasksom.image import Picture, QuantizedImage, open_picture
from dasksom.provenance.run_record import RunRecord
from dasksom.som.lattice import TOPOLOGIES, Lattice

CHUNK_BYTES = 4 << 20
"""Of the original's chunks: small, for tiles are cut out of them."""
OPENING = ("component", "series", "level", "select", "axes", "alpha", "nodata", "fill_missing")
"""What of a run's configuration says how its image was opened."""
UNKNOWN_LATTICE = "The output does not tell the size of its map, whose units are drawn in one row."


def lattice_of_output(result: QuantizedImage) -> Lattice | None:
    """Return the lattice of the map that an output was made with; None where it does not tell its size."""
    told = result.about.get("parameters", {})
    rows, columns = (told.get(name) if isinstance(told, dict) else None for name in ("rows", "columns"))
    if not (isinstance(rows, int) and isinstance(columns, int) and rows * columns == len(result.palette) and rows > 0):
        return None
    topology = str(told.get("topology"))
    topology = topology if topology in TOPOLOGIES else "rectangular"
    toroidal = told.get("toroidal") is True and (topology == "rectangular" or rows % 2 == 0)
    return Lattice(rows, columns, topology, toroidal)


@dataclass(frozen=True, eq=False)
class Original:
    """The image that a run read, as far as it is still there."""

    path: str | None
    picture: Picture | None
    opening: dict[str, Any]
    """Options that it was opened with."""
    missing: str = ""
    """Why there is no picture."""

    @classmethod
    def find(cls, given: str | None, record: RunRecord, *, just_ran: bool = False) -> Self:
        """Open the image that was given, or the one that the output names.

        Parameters
        ----------
        given : path of the image, if it was given
        record : what the output, or the run that made it just now, says of it
        just_ran : whether the record is the run's own: a file may not allow itself what only the user of a run can

        Raises
        ------
        InputError
            If the one that was given cannot be read; that the other one cannot is told by `missing`.
        """
        if given is None and (record.source is None or "://" in record.source):
            # nor is a URL that stands in a file fetched for the asking
            return cls(None, None, {}, "The output names no image on this machine; give the original with --original.")
        path = given or str(record.source)
        told = record.config.get("input", {}) if path == record.source else {}
        names = (*OPENING, "allow_outside") if just_ran else OPENING
        opening = {name: told[name] for name in names if told.get(name) is not None}
        if told.get("on_bad_chunk") == "skip":
            opening["unread"] = record.not_read
        try:
            return cls(path, open_picture(path, chunk_bytes=CHUNK_BYTES, **opening), opening)
        except InputError as error:
            if given is not None:
                raise
            return cls(path, None, opening, f"The original cannot be read any more: {error}")

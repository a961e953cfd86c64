"""Images on disk as lazy dask arrays, and labels and palettes as image files; knows nothing of maps."""

from dasksom.image.checksums import Sums
from dasksom.image.chunks import plan_chunks
from dasksom.image.fingerprints import fingerprint
from dasksom.image.folders import check_alike, check_folder, images_in
from dasksom.image.locations import is_remote, read_object, shown
from dasksom.image.mosaic import mosaic_array, write_mosaic
from dasksom.image.options import Options
from dasksom.image.picture import Picture
from dasksom.image.protocols import Source, Writer
from dasksom.image.publishing import check_output, publish
from dasksom.image.reading import ALPHA, open_image, open_picture, open_source
from dasksom.image.remote_publishing import StoreRun, locate_output, publish_object, run_on_store, unfinished_run
from dasksom.image.results import RESULTS, Result, annotate, check_result, open_result, size_on_disk
from dasksom.image.run_folders import RunFolder, check_unfinished, run_folder, run_on_disk
from dasksom.image.selection import parse_select
from dasksom.image.unfinished import Unfinished
from dasksom.image.unread import Part, Readable, merged, unread_in
from dasksom.image.verifying import verify
from dasksom.image.writing import check_format, chunk_alignment, create_writer, output_suffix
from dasksom.image.zarr_targets import write_manifest

__all__ = [
    "ALPHA",
    "RESULTS",
    "Options",
    "Part",
    "Picture",
    "Readable",
    "Result",
    "RunFolder",
    "Source",
    "StoreRun",
    "Sums",
    "Unfinished",
    "Writer",
    "annotate",
    "check_alike",
    "check_folder",
    "check_format",
    "check_output",
    "check_result",
    "check_unfinished",
    "chunk_alignment",
    "create_writer",
    "fingerprint",
    "images_in",
    "is_remote",
    "locate_output",
    "merged",
    "mosaic_array",
    "open_image",
    "open_picture",
    "open_result",
    "open_source",
    "output_suffix",
    "parse_select",
    "plan_chunks",
    "publish",
    "publish_object",
    "read_object",
    "run_folder",
    "run_on_disk",
    "run_on_store",
    "shown",
    "size_on_disk",
    "unfinished_run",
    "unread_in",
    "verify",
    "write_manifest",
    "write_mosaic",
]

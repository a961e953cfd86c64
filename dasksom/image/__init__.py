"""Read image files as lazy dask arrays, and write labels and palettes as image files; independent of the SOM code.

Public names are imported on first use, so that opening a photograph imports no TIFF or Zarr reader.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.image.input_folders import check_alike, check_folder, image_groups, images_in, masks_of_images
    from dasksom.image.opening import open_image, open_picture, open_pixels
    from dasksom.image.read_options import ReadOptions
    from dasksom.image.read_results import RESULTS, QuantizedImage, check_result, open_result
    from dasksom.image.sources.chunk_planning import plan_chunks
    from dasksom.image.sources.fingerprints import fingerprint
    from dasksom.image.sources.picture import Picture, Rectangle
    from dasksom.image.sources.protocol import Readable, Source
    from dasksom.image.sources.selection import ALPHA, parse_select
    from dasksom.image.sources.unreadable import merged, unread_in
    from dasksom.image.verification import verify
    from dasksom.image.write_formats import check_format, chunk_alignment, create_writer, output_suffix
    from dasksom.image.writers.options import Options
    from dasksom.image.writers.protocol import Output, Writer
    from dasksom.storage.checksum_manifests import Manifest
    from dasksom.storage.file_checks import read_object
    from dasksom.storage.local_paths import size_on_disk
    from dasksom.storage.locations import is_remote, shown
    from dasksom.storage.publish.atomic_publish import check_output, publish
    from dasksom.storage.publish.object_store_publish import (
        locate_output,
        publish_object,
        run_on_store,
        unfinished_run,
    )
    from dasksom.storage.publish.object_store_run import StoreRun
    from dasksom.storage.publish.run_folder import RunFolder, check_unfinished, run_folder, run_on_disk

__all__ = [
    "ALPHA",
    "RESULTS",
    "Manifest",
    "Options",
    "Output",
    "Picture",
    "QuantizedImage",
    "ReadOptions",
    "Readable",
    "Rectangle",
    "RunFolder",
    "Source",
    "StoreRun",
    "Writer",
    "check_alike",
    "check_folder",
    "check_format",
    "check_output",
    "check_result",
    "check_unfinished",
    "chunk_alignment",
    "create_writer",
    "fingerprint",
    "image_groups",
    "images_in",
    "is_remote",
    "locate_output",
    "masks_of_images",
    "merged",
    "open_image",
    "open_picture",
    "open_pixels",
    "open_result",
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
]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.image.input_folders": "check_alike check_folder image_groups images_in masks_of_images",
        "dasksom.image.opening": "open_image open_picture open_pixels",
        "dasksom.image.read_options": "ReadOptions",
        "dasksom.image.read_results": "RESULTS QuantizedImage check_result open_result",
        "dasksom.image.sources.chunk_planning": "plan_chunks",
        "dasksom.image.sources.fingerprints": "fingerprint",
        "dasksom.image.sources.picture": "Picture Rectangle",
        "dasksom.image.sources.protocol": "Readable Source",
        "dasksom.image.sources.selection": "ALPHA parse_select",
        "dasksom.image.sources.unreadable": "merged unread_in",
        "dasksom.image.verification": "verify",
        "dasksom.image.write_formats": "check_format chunk_alignment create_writer output_suffix",
        "dasksom.image.writers.options": "Options",
        "dasksom.image.writers.protocol": "Output Writer",
        "dasksom.storage.checksum_manifests": "Manifest",
        "dasksom.storage.local_paths": "size_on_disk",
        "dasksom.storage.file_checks": "read_object",
        "dasksom.storage.locations": "is_remote shown",
        "dasksom.storage.publish.atomic_publish": "check_output publish",
        "dasksom.storage.publish.object_store_publish": "locate_output publish_object run_on_store unfinished_run",
        "dasksom.storage.publish.object_store_run": "StoreRun",
        "dasksom.storage.publish.run_folder": "RunFolder check_unfinished run_folder run_on_disk",
    },
)

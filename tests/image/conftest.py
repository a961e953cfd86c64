import pytest

from dasksom.image.mosaics import tiled_source as tiles
from dasksom.image.photographs import source as photographs
from dasksom.image.tiff import layout as tiff_layout
from dasksom.image.tiff import source as tiff_source
from dasksom.image.zarr import ome_writer as ome_results
from dasksom.image.zarr import source as zarr_files
from dasksom.image.zarr import writer as zarr_results


@pytest.fixture(autouse=True)
def _forget_open_files():
    for cached in (
        ome_results._target,
        photographs._decoded,
        tiff_layout._layouts,
        tiff_source._decoded_image,
        tiles._tilings,
        tiles._tiles,
        zarr_files._array,
        zarr_results._target,
    ):
        cached.cache_clear()

"""Read and write Zarr and OME-Zarr."""

"""Training a map on dask arrays."""

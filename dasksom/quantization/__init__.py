"""Labels of dask arrays, and the pass that writes them."""

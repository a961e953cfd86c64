"""Read and write TIFF."""

"""Read and write PNG, JPEG and WebP."""

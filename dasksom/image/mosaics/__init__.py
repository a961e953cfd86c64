"""Read mosaics: many files as one image."""

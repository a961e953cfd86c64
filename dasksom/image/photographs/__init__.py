"""Read and write PNG, JPEG and WebP."""

MAX_PIXELS = 178_956_970
"""Largest photograph that is read or written: Pillow's own limit."""

"""Read photographs (PNG, JPEG, WebP, GIF, BMP, PNM, AVIF) and write PNG and JPEG."""

MAX_PIXELS = 178_956_970
"""Largest photograph that is read or written: Pillow's own limit."""
PNG_KEYWORD = "dasksom"
"""Keyword of the text chunk of a PNG output with its description."""

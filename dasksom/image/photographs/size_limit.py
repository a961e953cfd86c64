"""Size limit of photographs that are read or written."""

MAX_PIXELS = 178_956_970
"""Pillow's own limit; larger photographs are refused."""

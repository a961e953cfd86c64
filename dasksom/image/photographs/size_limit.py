"""The largest photograph that is read or written."""

MAX_PIXELS = 178_956_970
"""Pillow's own limit for what it opens; larger photographs are refused."""

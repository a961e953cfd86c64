"""Code shared by all sources of pixels."""

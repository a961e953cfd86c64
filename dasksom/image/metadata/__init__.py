"""Metadata of pixels in forms that several file formats share."""

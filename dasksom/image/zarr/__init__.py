"""Zarr and OME-Zarr."""

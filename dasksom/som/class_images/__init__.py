"""Filters of class images, for one chunk: majority filter, and regions of equal classes."""

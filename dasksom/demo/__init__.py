"""Demonstrations, and the mosaic of photographs that one of them reads."""
